"""What listens: the gRPC servers and the HTTP port, with limits on what a connection may cost."""
