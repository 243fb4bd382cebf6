"""What every backend of R models shares, whichever process R runs in: calls, answers, greetings, workers."""
