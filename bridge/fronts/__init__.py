"""What listens: the gRPC servers and the HTTP port, and the bounds on what a connection may cost."""
