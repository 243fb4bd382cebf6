"""Public doubles for tests: what reality can't time, between a gateway and its models, its R workers and its clock."""
