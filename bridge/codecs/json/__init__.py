"""The bodies of the HTTP/JSON wire: requests are bounded, read strictly and refused with words, replies are written."""
