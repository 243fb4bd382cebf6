"""Keywords as they were given: one that nobody knows is a slip that must not pass without a word."""

import difflib
from collections.abc import Iterable, Mapping

__all__ = ["check_keywords"]


def check_keywords(what: str, given: Mapping[str, object], known: Iterable[str]) -> None:
    """Returns if all keywords that were given are known.

    Args:
        what: takes the keywords, for the message.
        given: the keywords that nothing else took.
        known: those that mean something here, and those that something else took: one of them may have been meant.

    Raises:
        TypeError: a keyword is not known; the message names it, and the known one that is most like it.
    """
    names = list(known)
    for keyword in given:
        if keyword in names:
            continue
        longer = [name for name in names if keyword.startswith(f"{name}_")]
        likely = longer or difflib.get_close_matches(keyword, names, n=1)
        meant = f": did you mean '{likely[0]}'?" if likely else f"; it takes {', '.join(names)}"
        raise TypeError(f"{what} got an unexpected keyword argument '{keyword}'{meant}")
