"""Reads a client's arguments from environment variables: `from_env` of both clients, and the command line's options."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from scorebridge.arguments import MOST_TIMEOUT_S
from scorebridge.client_options import ClientOptions
from scorebridge.tls_files import TlsFiles
from scorebridge.token_file import TokenFile

__all__ = [
    "CLIENT_CERT",
    "CLIENT_KEY",
    "TIMEOUT_S",
    "TLS_CA",
    "TOKEN_FILE",
    "URL",
    "FromEnv",
    "arguments",
    "reach",
    "timeout_s",
]

# None of them is a variable of the gateway's settings, which have the same prefix.
URL = "SCOREBRIDGE_URL"
TOKEN_FILE = "SCOREBRIDGE_TOKEN_FILE"  # noqa: S105 - the name of a variable
TLS_CA = "SCOREBRIDGE_TLS_CA"
CLIENT_CERT = "SCOREBRIDGE_CLIENT_CERT"
CLIENT_KEY = "SCOREBRIDGE_CLIENT_KEY"
TIMEOUT_S = "SCOREBRIDGE_TIMEOUT_S"

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_PLAIN, _ENCRYPTED = "grpc", "grpcs"
_FORMS = "give 'host:8081', several of them between commas, or grpcs:// before them for TLS"


class FromEnv(ClientOptions, total=False):
    """The keywords of `from_env`, which override the environment's variables; they are those of the client itself.

    Attributes:
        target: where the gateways are, in place of SCOREBRIDGE_URL.
        timeout_s: the timeout of calls that give none, seconds, in place of SCOREBRIDGE_TIMEOUT_S.
        default: the default score of calls that give none; no variable gives one.
        credentials: the TLS credentials, in place of the variables that name files; None for plain text.
        token: a function that returns the token, in place of SCOREBRIDGE_TOKEN_FILE; None for no token.
        options: options of the gRPC channel.
        channel: a gRPC channel that is used instead of a target.
    """

    target: str
    timeout_s: float | None
    default: float | None
    credentials: grpc.ChannelCredentials | None
    token: Callable[[], str] | None
    options: Sequence[tuple[str, Any]]
    channel: Any


def arguments(environment: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which to make a client.

    A variable that is empty counts as not set.

    Args:
        environment: the environment's variables.
        given: the arguments that override the variables.

    Raises:
        ValueError: SCOREBRIDGE_URL is needed and not set, or a variable or file is not valid; the message names it.
        OSError: a file that a variable names can't be read.
    """
    made = dict(given)
    if made.get("channel") is not None:
        made.setdefault("target", "")
    else:
        made["target"], made["credentials"] = _reached(environment, made)
    if "token" not in made and (path := environment.get(TOKEN_FILE)):
        made["token"] = TokenFile(path)
    if "timeout_s" not in made and (seconds := timeout_s(environment)) is not None:
        made["timeout_s"] = seconds
    return made


def timeout_s(environment: Mapping[str, str]) -> float | None:
    """Returns the timeout that SCOREBRIDGE_TIMEOUT_S states, seconds; None if it is empty or not set.

    Raises:
        ValueError: it is not a number of seconds over 0.
    """
    text = environment.get(TIMEOUT_S)
    if not text:
        return None
    if _SECONDS.fullmatch(text) is None or not 0 < float(text) <= MOST_TIMEOUT_S:
        raise ValueError(
            f"{TIMEOUT_S} must be a number of seconds over 0, such as 0.5, and at most {MOST_TIMEOUT_S:.0f}"
        )
    return float(text)


def reach(url: str, files: TlsFiles) -> tuple[str, grpc.ChannelCredentials | None]:
    """Returns the target and the TLS credentials, None for plain text, by which a client reaches what a URL names.

    Args:
        url: a target as the client takes it, which is reached by TLS if there are files; or "grpcs://" and hosts with
            ports, for TLS in any case; or "grpc://" and the same, for plain text.
        files: the PEM files.

    Raises:
        ValueError: the URL is not valid or contradicts the files, or a file is not what it must be.
        OSError: a file can't be read.
    """
    scheme, hosts = _parts(url)
    if scheme == _PLAIN and files.any:
        raise ValueError(f"'{url}' asks for plain text, but there are files for TLS: give grpcs://, or no scheme")
    encrypted = files.any if scheme is None else scheme == _ENCRYPTED
    return hosts, files.credentials() if encrypted else None


def _parts(url: str) -> tuple[str | None, str]:
    text = url.strip()
    scheme, mark, hosts = text.partition("://")
    if not mark or scheme.lower() not in (_PLAIN, _ENCRYPTED):
        return None, text
    if "/" in hosts:
        raise ValueError(f"target '{text}' has more than hosts and ports behind {scheme}://: {_FORMS}")
    return scheme.lower(), hosts


def _reached(environment: Mapping[str, str], given: Mapping[str, Any]) -> tuple[str, Any]:
    url: Any = given["target"] if "target" in given else environment.get(URL)
    if "target" not in given and not url:
        raise ValueError(f"the environment variable {URL} is not set: {_FORMS}")
    if not isinstance(url, str):
        return url, given.get("credentials")  # the client says what is wrong with it
    if "credentials" not in given:
        variables = (TLS_CA, CLIENT_CERT, CLIENT_KEY)
        return reach(url, TlsFiles(*(environment.get(name) or None for name in variables)))
    scheme, hosts = _parts(url)
    if scheme is not None and (scheme == _ENCRYPTED) != (given["credentials"] is not None):
        contradicted = "credentials is None" if given["credentials"] is None else "there are credentials for TLS"
        raise ValueError(f"'{url}' begins with {scheme}://, but {contradicted}")
    return hosts, given["credentials"]
