"""Reads a client's arguments from environment variables, for `from_env` of both clients."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

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
    "arguments_from_env",
]

# None of them is a variable of the gateway's settings, which have the same prefix.
URL = "SCOREBRIDGE_URL"
TOKEN_FILE = "SCOREBRIDGE_TOKEN_FILE"  # noqa: S105 - the name of a variable
TLS_CA = "SCOREBRIDGE_TLS_CA"
CLIENT_CERT = "SCOREBRIDGE_CLIENT_CERT"
CLIENT_KEY = "SCOREBRIDGE_CLIENT_KEY"
TIMEOUT_S = "SCOREBRIDGE_TIMEOUT_S"

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# The keywords that name files: the variable of each, and the keyword that both give way to.
_FILES = {
    "tls_ca": (TLS_CA, "credentials"),
    "client_cert": (CLIENT_CERT, "credentials"),
    "client_key": (CLIENT_KEY, "credentials"),
    "token_file": (TOKEN_FILE, "token"),
}
_PLAIN, _ENCRYPTED = "grpc", "grpcs"
_FORMS = "give 'host:8081', several of them between commas, or grpcs:// before them for TLS"


class FromEnv(ClientOptions, total=False):
    """The keywords of `from_env`, which override the environment's variables; they are those of the client itself.

    Attributes:
        target: where the gateways are, in place of SCOREBRIDGE_URL and in the same forms.
        timeout_s: the timeout of calls that give none, seconds, in place of SCOREBRIDGE_TIMEOUT_S.
        default: the default score of calls that give none; no variable gives one.
        credentials: the TLS credentials, in place of the variables that name files; None for plain text.
        token: a function that returns the token, in place of SCOREBRIDGE_TOKEN_FILE; None for no token.
        tls_ca: the PEM file of the authorities, in place of SCOREBRIDGE_TLS_CA; None for none.
        client_cert: the PEM file of the client's certificate, in place of SCOREBRIDGE_CLIENT_CERT; None for none.
        client_key: the PEM file of the certificate's key, in place of SCOREBRIDGE_CLIENT_KEY; None for none.
        token_file: the file of the token, in place of SCOREBRIDGE_TOKEN_FILE; None for none.
        options: options of the gRPC channel.
        channel: a gRPC channel that is used instead of a target.
    """

    target: str
    timeout_s: float | None
    default: float | None
    credentials: grpc.ChannelCredentials | None
    token: Callable[[], str] | None
    tls_ca: str | os.PathLike[str] | None
    client_cert: str | os.PathLike[str] | None
    client_key: str | os.PathLike[str] | None
    token_file: str | os.PathLike[str] | None
    options: Sequence[tuple[str, Any]]
    channel: Any


def arguments(environment: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which to make a client.

    A variable that is empty counts as not set.

    Args:
        environment: the environment's variables.
        given: the keywords of `from_env`, which override the variables.

    Raises:
        ValueError: SCOREBRIDGE_URL is needed and not set, a variable or file is not valid, or keywords exclude each
            other; the message names it.
        OSError: a file can't be read.
    """
    made = {name: value for name, value in given.items() if name not in _FILES}
    files = _files(environment, given)
    if made.get("channel") is not None:
        made.setdefault("target", "")
    else:
        made["target"], made["credentials"] = _reached(environment, made, files)
    if "token" not in made and (path := files["token_file"]) is not None:
        made["token"] = TokenFile(path)
    if "timeout_s" not in made and (seconds := _timeout_s(environment)) is not None:
        made["timeout_s"] = seconds
    return made


def arguments_from_env(**given: Unpack[FromEnv]) -> dict[str, Any]:
    """Returns the arguments with which `from_env` would make a client, for programs that make channels of their own.

    They are `target`, `credentials`, and `token` and `timeout_s` where the environment or the keywords give them.

    Args:
        given: a client's arguments by their names, each in place of its variable; `FromEnv` lists them.

    Raises:
        ValueError: a variable, file or argument is not valid; the message names it.
        OSError: a file can't be read.
    """
    return arguments(os.environ, given)


def _files(environment: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str | None]:
    for whole in ("credentials", "token"):
        parts = [name for name, (_, instead) in _FILES.items() if instead == whole and given.get(name) is not None]
        if given.get(whole) is not None and parts:
            raise ValueError(f"{whole} and {parts[0]} are both given: give one of them")
    found: dict[str, str | None] = {}
    for name, (variable, instead) in _FILES.items():
        path = given.get(name) if name in given or instead in given else environment.get(variable)
        found[name] = os.fspath(path) if path else None
    return found


def _timeout_s(environment: Mapping[str, str]) -> float | None:
    text = environment.get(TIMEOUT_S)
    if not text:
        return None
    if _SECONDS.fullmatch(text) is None or not 0 < float(text) <= MOST_TIMEOUT_S:
        raise ValueError(
            f"{TIMEOUT_S} must be a number of seconds over 0, such as 0.5, and at most {MOST_TIMEOUT_S:.0f}"
        )
    return float(text)


def _parts(url: str) -> tuple[str | None, str]:
    text = url.strip()
    scheme, mark, hosts = text.partition("://")
    if not mark or scheme.lower() not in (_PLAIN, _ENCRYPTED):
        return None, text
    if "/" in hosts:
        raise ValueError(f"target '{text}' has more than hosts and ports behind {scheme}://: {_FORMS}")
    return scheme.lower(), hosts


def _reached(
    environment: Mapping[str, str], given: Mapping[str, Any], files: Mapping[str, str | None]
) -> tuple[Any, grpc.ChannelCredentials | None]:
    url: Any = given["target"] if "target" in given else environment.get(URL)
    if "target" not in given and not url:
        raise ValueError(f"the environment variable {URL} is not set: {_FORMS}")
    if not isinstance(url, str):
        return url, given.get("credentials")  # the client says what is wrong with it
    scheme, hosts = _parts(url)
    pem = TlsFiles(files["tls_ca"], files["client_cert"], files["client_key"])
    if scheme == _PLAIN and (pem.any or given.get("credentials") is not None):
        raise ValueError(f"'{url}' asks for plain text, but there are credentials for TLS: give grpcs://, or no scheme")
    if "credentials" not in given or given["credentials"] is None:
        if "credentials" in given and scheme == _ENCRYPTED and not pem.any:
            raise ValueError(f"'{url}' asks for TLS, but credentials is None")
        return hosts, pem.credentials() if pem.any or scheme == _ENCRYPTED else None
    return hosts, given["credentials"]
