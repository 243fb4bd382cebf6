"""The life of one gateway process: it binds, loads, serves, drains and ends, and shows its state over HTTP."""
