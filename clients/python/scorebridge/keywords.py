"""Refuses unknown keyword arguments, and suggests the known one that may have been meant."""

import difflib
from collections.abc import Iterable, Mapping

__all__ = ["check_keywords"]


def check_keywords(what: str, given: Mapping[str, object], known: Iterable[str]) -> None:
    """Checks that all given keywords are known.

    Args:
        what: the name of the function or class that got the keywords, for the message.
        given: the keywords to check.
        known: all keywords that the function or class takes, for the check and for the suggestion.

    Raises:
        TypeError: a keyword is unknown; the message names it and the known keyword that is most similar.
    """
    names = list(known)
    for keyword in given:
        if keyword in names:
            continue
        longer = [name for name in names if keyword.startswith(f"{name}_")]
        likely = longer or difflib.get_close_matches(keyword, names, n=1)
        meant = f": did you mean '{likely[0]}'?" if likely else f"; it takes {', '.join(names)}"
        raise TypeError(f"{what} got an unexpected keyword argument '{keyword}'{meant}")
