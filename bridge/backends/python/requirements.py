"""Compares a bundle's requirements.txt with what its interpreter has installed; nothing is ever installed."""

import asyncio
import re
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bridge.backends.python.interpreters import Interpreter
from bridge.bundles.bundle import Bundle
from bridge.errors import BundleError
from bridge.files import read_regular

__all__ = ["FILE_NAME", "check_requirements", "shortcomings"]

FILE_NAME = "requirements.txt"
_MOST_BYTES = 1 << 20
_SHOWN = 5
_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ]\S+")
# Options of the whole file that say where and how to install, and nothing of what.
_HOW = re.compile(
    r"(-i|-f|--(index-url|extra-index-url|find-links|no-index|no-binary|only-binary|prefer-binary|require-hashes|pre|"
    r"trusted-host|use-feature))\b"
)


async def check_requirements(bundle: Bundle, interpreter: Interpreter) -> tuple[str, ...]:
    """Requires that the interpreter has what the bundle's requirements.txt asks for; returns notes for the author.

    Raises:
        BundleError: a line can't be read, or a distribution is missing or has another version than is asked for.
        OSError: the file can't be read.
    """
    path = bundle.path / FILE_NAME
    if not await asyncio.to_thread(path.exists):
        return ()
    raw = await asyncio.to_thread(read_regular, path, _MOST_BYTES)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleError(f"{FILE_NAME} is not UTF-8") from error
    wrong, notes = shortcomings(text, interpreter.installed, interpreter.markers)
    if wrong:
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise BundleError(f"{FILE_NAME} does not fit {interpreter.path}: {'; '.join(wrong[:_SHOWN])}{more}")
    return tuple(notes)


def shortcomings(text: str, installed: Mapping[str, str], markers: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Returns what is missing or has another version than a requirements.txt asks for, and what was not compared.

    Args:
        text: the file's text.
        installed: the versions of the installed distributions, by their normalized names.
        markers: the values of the environment markers.

    Raises:
        BundleError: a line asks for something else than distributions and versions.
    """
    wrong: list[str] = []
    notes: list[str] = []
    for number, line in _lines(text):
        try:
            asked = Requirement(line)
        except InvalidRequirement as error:
            raise BundleError(
                f"{FILE_NAME}, line {number}: only distributions with their versions can be checked, such as "
                "'scikit-learn==1.7.2'"
            ) from error
        if asked.marker is not None and not asked.marker.evaluate(dict(markers)):
            continue
        version = installed.get(canonicalize_name(asked.name))
        if version is None:
            wrong.append(f"line {number} asks for {asked.name}, which is not installed")
        elif not asked.specifier.contains(version, prereleases=True):
            wrong.append(f"line {number} asks for {asked.name}{asked.specifier}, and {version} is installed")
        elif asked.url is not None:
            notes.append(f"{FILE_NAME}, line {number}: {asked.name} is installed; whether from there is not known")
        if asked.extras:
            extras = ", ".join(sorted(asked.extras))
            notes.append(f"{FILE_NAME}, line {number}: what the extras of {asked.name} ({extras}) need is not compared")
    return wrong, notes


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields the requirements with the numbers of the lines in which they begin."""
    joined, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first if joined else number
        line = _COMMENT.sub("", raw).rstrip()
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        whole, joined = _HASH.sub("", f"{joined}{line} ").strip(), ""
        if whole and not _HOW.match(whole):
            yield first, whole
    if joined.strip():
        yield first, joined.strip()
