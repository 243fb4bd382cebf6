"""Compares the world that an R worker runs in with the world of the model's author."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.bundles.world import Author

__all__ = ["World", "differences"]


@dataclass(frozen=True, slots=True)
class World:
    """The world of an R worker, as the worker reports it.

    Attributes:
        r: R's version, such as "4.2.2".
        timezone: the time zone, by its name in the time zone database.
        locale: the locale by which R sorts text.
        collation: the library and rules that sort text; see bridge_collation() in rscripts/R/shared_world.R.
        packages: the versions of those of the author's packages that are installed here, by name.
    """

    r: str
    timezone: str
    locale: str
    collation: str
    packages: Mapping[str, str]


def differences(author: Author, here: World) -> tuple[str, ...]:
    """Returns a sentence for each part of the author's world that differs here; parts the bundle omits are skipped."""
    return tuple(_differences(author, here))


def _differences(author: Author, here: World) -> Iterator[str]:
    if author.r not in ("", here.r):
        yield f"the author had R {author.r}, this machine has R {here.r}"
    if author.timezone not in ("", here.timezone):
        yield f"the author's time zone was {author.timezone}, the model runs in {here.timezone}: see `timezone`"
    if author.locale not in ("", here.locale):
        yield f"the author's locale was {author.locale}, the model runs in {here.locale}: see `locale`"
    if author.collation not in ("", here.collation):
        yield f"the author's R sorted text by {author.collation}, the model's by {here.collation}"
    both = [
        f"{name} {version} (author) and {here.packages[name]} (here)"
        for name, version in author.packages.items()
        if name in here.packages and here.packages[name] != version
    ]
    if both:
        yield f"other versions of packages than the author's: {', '.join(both)}"
    if absent := [f"{name} {version}" for name, version in author.packages.items() if name not in here.packages]:
        yield f"packages that the author had and this machine has not: {', '.join(absent)}"
