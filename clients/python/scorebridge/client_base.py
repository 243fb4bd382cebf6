"""What both clients hold and decide alike. Nothing here waits, so it serves threads and event loops."""

from collections.abc import Callable
from typing import Any

from scorebridge.answers import Answers
from scorebridge.arguments import check_default, check_hook, check_timeout
from scorebridge.batch import Batch, CallOptions
from scorebridge.circuit import Circuit
from scorebridge.client_options import ClientOptions
from scorebridge.keywords import check_keywords

__all__ = ["ClientBase"]

_ARGUMENTS = ("target", "timeout_s", "default", "credentials", "token", "options", "channel")
_OF_CALLS = ("timeout_s", "default", *CallOptions.__annotations__)


class ClientBase:
    """A client without its connection: what its calls have in common, its circuit and its answers.

    Args:
        timeout_s: for calls that give none, seconds; None for no limit.
        default: the default score of calls that give none; None for none.
        token: gives what is sent as "authorization: Bearer ..."; None for nothing.
        more: the client's other options.

    Raises:
        TypeError: an argument or option is of another kind, or there is none of that name.
        ValueError: a number is out of its bounds.
        OSError: the file of defaults can't be opened.
    """

    def __init__(
        self, timeout_s: float | None, default: float | None, token: Callable[[], str] | None, more: ClientOptions
    ) -> None:
        check_keywords(type(self).__name__, more, (*_ARGUMENTS, *ClientOptions.__annotations__))
        self._timeout_s = check_timeout(timeout_s)
        self._default = check_default(default)
        check_hook("token", token)
        self._token = token
        self._closed = False
        self._circuit = Circuit(more.get("circuit_failures", 5), more.get("circuit_open_s", 1.0))
        self._answers = Answers(more)  # last: it opens a file, which a client that can't be made would not close

    @property
    def client_defaults(self) -> dict[str, int]:
        """How many rows got the client's own default score so far, by reason."""
        return self._answers.defaulted_rows

    def _begin(self, timeout_s: float | None) -> float | None:
        """The timeout of a call that begins now, seconds; None for no limit.

        Raises:
            RuntimeError: the client is closed.
            TypeError, ValueError: the timeout is none.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        return check_timeout(self._timeout_s if timeout_s is None else timeout_s)

    def _batch(self, model: str, rows: Any, default: float | None, options: CallOptions) -> Batch:
        """The rows of one call of `score`, with the default score that it has, checked."""
        return Batch(model, rows, self._default if default is None else check_default(default), options)

    @staticmethod
    def _check_keywords(options: CallOptions) -> None:
        """Returns if `score` knows each of the keywords that a call has given it.

        Raises:
            TypeError: it does not.
        """
        check_keywords("score", options, _OF_CALLS)
