"""What pydantic found wrong with settings, as one sentence for whoever wrote them."""

from pydantic import ValidationError

__all__ = ["describe_invalid"]


def describe_invalid(error: ValidationError) -> str:
    """The first complaint of a validation in one sentence: where, what.

    An unknown key comes before all others: where it is a slip of the pen, a required one is missing because of it.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
