"""Answers the methods of scorebridge.v1, whichever gRPC server took the call."""
