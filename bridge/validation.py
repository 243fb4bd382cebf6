"""Turns what pydantic finds wrong with settings into one sentence for whoever wrote them."""

from pydantic import ValidationError

__all__ = ["describe_invalid"]


def describe_invalid(error: ValidationError) -> str:
    """Returns the first error of a validation in one sentence: "KEY: WHAT".

    An unknown key comes before all other errors: if it is a misspelled one, the required key is missing because of it.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
