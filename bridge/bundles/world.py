"""The world in which a model runs, and the one in which its author wrote it: time zone, locale, versions."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bridge.errors import BundleError

__all__ = ["Author", "Locale", "Timezone", "require_timezone", "world_variables"]

_MOST_PACKAGES = 1000
_MOST_CHARACTERS = 100
_TZIF = b"TZif"
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_LOCALE = re.compile(r"C|POSIX|(C|[a-z]{2,3}(_[A-Z]{2})?)\.(?i:utf-?8)(@[a-z]+)?")
_OTHER_CHARSET = re.compile(r"([a-z]{2,3}_[A-Z]{2})(?:\.[A-Za-z0-9-]+)?(@[a-z]+)?")


def _checked_timezone(name: str) -> str:
    if len(name) > _MOST_CHARACTERS or not _TIMEZONE.fullmatch(name):
        raise ValueError("this is not the name of a time zone, such as 'Asia/Shanghai'")
    return name


def _checked_locale(name: str) -> str:
    if len(name) <= _MOST_CHARACTERS and _LOCALE.fullmatch(name):
        return name
    if other := _OTHER_CHARSET.fullmatch(name):
        utf8 = f"{other[1]}.UTF-8{other[2] or ''}"
        raise ValueError(f"text in a worker is UTF-8, so the locale must be a UTF-8 one: use '{utf8}'")
    raise ValueError("this is not the name of a locale, such as 'zh_CN.UTF-8' or 'C'")


def _checked_text(text: str) -> str:
    if len(text) > _MOST_CHARACTERS or not text.isprintable():
        raise ValueError(f"up to {_MOST_CHARACTERS} printable characters are needed")
    return text


# Only the form is checked here. Whether this machine has them, R tells for its models: see rscripts/R/shared_world.R.
Timezone = Annotated[str, AfterValidator(_checked_timezone)]
Locale = Annotated[str, AfterValidator(_checked_locale)]
_Text = Annotated[str, AfterValidator(_checked_text)]
_Package = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$", max_length=_MOST_CHARACTERS)]


class Author(BaseModel):
    """Section `[author]`: the R session in which `write_bundle` wrote the bundle; empty where nothing is recorded.

    Attributes:
        r: the version of R.
        timezone: the time zone, as the session named it.
        locale: the locale by which the session sorted text, as the session named it.
        collation: the library that sorted text, such as "ICU 72.1 (zh)".
        packages: the R packages that the model needs, with their versions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    r: _Text = ""
    timezone: _Text = ""
    locale: _Text = ""
    collation: _Text = ""  # as bridge_collation() in rscripts/R/shared_world.R names it
    packages: Annotated[dict[_Package, _Text], Field(max_length=_MOST_PACKAGES)] = {}


def require_timezone(name: str | None) -> None:
    """Requires that this machine has a time zone: the C library silently takes UTC for one that it does not know.

    Args:
        name: a name of the time zone database; None for UTC, which needs no file.

    Raises:
        BundleError: the machine has no such time zone.
    """
    if name in (None, "UTC"):
        return
    try:
        with Path(os.environ.get("TZDIR") or "/usr/share/zoneinfo", str(name)).open("rb") as file:
            if file.read(len(_TZIF)) == _TZIF:
                return
    except OSError:
        pass
    raise BundleError(
        f"this machine has no time zone '{name}': `timezone` in model.toml is a name such as Asia/Shanghai, upper and "
        "lower case count; zones come with Debian's tzdata, old names of them with tzdata-legacy"
    )


def world_variables(
    timezone: str | None = None, locale: str | None = None, packages: Iterable[str] = ()
) -> dict[str, str]:
    """Returns the environment variables of an R process that bring it into a world.

    The process starts in C.UTF-8, whatever the machine's own settings say of R's messages and of the order of text. By
    the variables named SCOREBRIDGE_ it then enters the world itself: see shared_world.R.

    Args:
        timezone: the name of a time zone; None for UTC, so that scores don't depend on the machine.
        locale: the name of a locale; None for C.UTF-8.
        packages: the names of packages whose installed versions R reports.
    """
    return {
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        "R_ICU_LOCALE": "",
        "SCOREBRIDGE_TIMEZONE": timezone or "",
        "SCOREBRIDGE_LOCALE": locale or "",
        "SCOREBRIDGE_PACKAGES": " ".join(packages),
    }
