"""The world that a worker is in, held against the one that the model's author had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.bundles.world import Author

__all__ = ["World", "differences"]


@dataclass(frozen=True, slots=True)
class World:
    """What a worker says of the world that it is in.

    Attributes:
        r: R's version, such as "4.2.2".
        timezone: a name of the time zone database.
        locale: by which it sorts text.
        collation: what sorts it; see bridge_collation() in rscripts/R/shared_world.R.
        packages: of those that the author had, the ones that are here, with their versions.
    """

    r: str
    timezone: str
    locale: str
    collation: str
    packages: Mapping[str, str]


def differences(author: Author, here: World) -> tuple[str, ...]:
    """What the author had otherwise, a sentence each; nothing is known of what the author did not say."""
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
