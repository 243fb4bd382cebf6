"""The layers: `(call, inner) -> Outcome`, one file each; their order is stated in `bridge.stack`."""
