"""Public doubles for tests: a backend, a clock and a proxy to R workers, whose timing and faults a test controls."""
