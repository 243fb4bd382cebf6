"""What answers a method of scorebridge.v1, whatever server it came in by."""
