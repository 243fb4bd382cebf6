"""The layers that wrap a backend, one a file, each `(call, inner) -> Outcome`; `stack` states their order."""
