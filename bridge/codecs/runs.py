"""How many values are converted in one step, so that other threads get on."""

__all__ = ["RUN"]

RUN = 8192  # values that numpy or the JSON library converts in less than a millisecond
