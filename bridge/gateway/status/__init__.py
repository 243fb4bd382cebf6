"""The status page of a gateway: how its models do, what is wrong, and what to do about it, in plain HTML."""
