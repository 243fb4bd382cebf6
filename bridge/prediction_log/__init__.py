"""The prediction log: every input and output on record before it is answered; docs/prediction-log.md describes it."""
