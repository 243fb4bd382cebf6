"""What is folded round a backend: one layer a file, `(call, inner) -> Outcome`; `stack` states their order."""
