"""What both clients have in common. Nothing here waits, so it may run in threads and on event loops."""

import os
from collections.abc import Callable
from typing import Any, Self, Unpack

from scorebridge.answers import Answers
from scorebridge.arguments import check_default, check_hook, check_timeout
from scorebridge.batch import Batch, CallOptions
from scorebridge.circuit import Circuit
from scorebridge.client_options import ClientOptions
from scorebridge.environment import FromEnv, arguments
from scorebridge.keywords import check_keywords

__all__ = ["ClientBase"]

_ARGUMENTS = ("target", "timeout_s", "default", "credentials", "token", "options", "channel")
_OF_CALLS = ("timeout_s", "default", *CallOptions.__annotations__)


class ClientBase:
    """The part of a client that needs no connection: checked arguments, its circuit and the answers to its calls.

    Args:
        timeout_s: the timeout of calls that give none, seconds; None for no limit.
        default: the default score of calls that give none; None for no default score.
        token: a function that returns what is sent as "authorization: Bearer ..."; None for no token.
        more: the client's other options.

    Raises:
        TypeError: an argument or option has the wrong type, or an option has an unknown name.
        ValueError: a number is out of its bounds.
        OSError: the file of client defaults can't be opened.
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
        self._answers = Answers(more)  # last, because it opens a file: nothing would close it if a later check raised

    @classmethod
    def from_env(cls, **given: Unpack[FromEnv]) -> Self:
        """Makes a client from environment variables; an empty one counts as not set.

        SCOREBRIDGE_URL says where the gateways are, SCOREBRIDGE_TOKEN_FILE which file holds the token,
        SCOREBRIDGE_TLS_CA which file the authorities, SCOREBRIDGE_CLIENT_CERT and SCOREBRIDGE_CLIENT_KEY which files
        the client's certificate and key, SCOREBRIDGE_TIMEOUT_S the timeout of calls that give none, seconds.

        Args:
            given: the client's arguments by their names, each in place of its variable; `FromEnv` lists them.

        Raises:
            TypeError, ValueError: SCOREBRIDGE_URL is needed and not set, or a variable, file or argument is not valid;
                the message names it. No message holds a token.
            OSError: a file can't be read.
        """
        make: Any = cls
        client: Self = make(**arguments(os.environ, given))
        return client

    @property
    def client_defaults(self) -> dict[str, int]:
        """The number of rows that got the client's own default score so far, by reason such as "DEADLINE"."""
        return self._answers.defaulted_rows

    def _begin(self, timeout_s: float | None) -> float | None:
        """Returns the timeout of a call that begins now, in seconds; None for no limit.

        Raises:
            RuntimeError: the client is closed.
            TypeError, ValueError: the timeout is not a positive number of seconds.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        return check_timeout(self._timeout_s if timeout_s is None else timeout_s)

    def _batch(self, model: str, rows: Any, default: float | None, options: CallOptions) -> Batch:
        """Returns the checked rows and options of one call of `score`, with the client's default if it has none."""
        return Batch(model, rows, self._default if default is None else check_default(default), options)

    @staticmethod
    def _check_keywords(options: CallOptions) -> None:
        """Checks that `score` knows every keyword that a call gave it.

        Raises:
            TypeError: a keyword is unknown; the message names it.
        """
        check_keywords("score", options, _OF_CALLS)
