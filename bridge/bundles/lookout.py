"""What there is to see in a repository, looked at off the event loop: a folder that hangs holds up its own model."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.bundles.bundle import Bundle, verify
from bridge.bundles.repository import Repository, StoredVersion
from bridge.errors import PassingFailure
from bridge.reads import Reads

__all__ = ["Lookout", "Seen"]

_log = logging.getLogger(__name__)

_LOOK_S = 5.0
_BUNDLE_S = 30.0
_MOST_AT_ONCE = 32  # threads
_REPOSITORY = "the repository"


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is of a model.

    Attributes:
        versions: its version folders, each with whether it is deployed.
        promoted: the version that `promote` chose; None if nobody did.
    """

    versions: dict[StoredVersion, bool]
    promoted: int | None


class Lookout:
    """Looks into a repository for one gateway.

    Attributes:
        reads: all that is read of the repository.
    """

    def __init__(self, repository: Repository) -> None:
        self.reads = Reads()
        self._repository = repository
        self._unseen: set[str] = set()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def is_folder(self) -> bool:
        """The repository is one, or does not answer."""
        try:
            return await self.reads.run(_REPOSITORY, _LOOK_S, self._repository.path.is_dir)
        except PassingFailure:
            return True

    async def names(self) -> list[str] | None:
        """What may be a model by its name; None while the repository does not answer, which is logged once.

        Raises:
            OSError: the repository can't be read.
        """
        try:
            names = await self.reads.run(_REPOSITORY, _LOOK_S, self._repository.models)
        except PassingFailure as error:
            self._note_unseen(_REPOSITORY, str(error))
            return None
        self._unseen.discard(_REPOSITORY)
        return names

    async def look(self, model: str) -> Seen | None:
        """What there is of a model by now; None while nobody can say, which is logged once."""
        try:
            async with self._places:
                subject = f"the folder of {model}"
                versions, promoted = await self.reads.run(subject, _LOOK_S, partial(self._repository.look, model))
        except (OSError, PassingFailure) as error:
            self._note_unseen(model, str(error))
            return None
        self._unseen.discard(model)
        return Seen(versions, promoted)

    async def read(self, stored: StoredVersion, read: Callable[[Path], Bundle]) -> Bundle:
        """The bundle of a version that was deployed, as `read` reads it from its folder.

        It has no manifest if that is gone since the version was found.

        Raises:
            BundleError: it is not complete, or a setting is wrong.
            PassingFailure: its files do not come in time.
            OSError: a file can't be read.
        """
        return await self.reads.run(f"the files of {stored.model}", _BUNDLE_S, partial(read, stored.path))

    async def verified(self, bundle: Bundle) -> Bundle:
        """A bundle that was read, once its files were held against its manifest.

        Raises:
            BundleError: a file was changed, removed or added since it was deployed.
            PassingFailure: its files do not come in the time that it has to load.
            OSError: a file can't be read.
        """
        await self.reads.run(bundle.subject, bundle.settings.load_timeout_s, partial(verify, bundle))
        return replace(bundle, verified=True)

    def _note_unseen(self, what: str, why: str) -> None:
        if what not in self._unseen:
            self._unseen.add(what)
            _log.warning("%s is left as it is, because it can't be looked into: %s", what, why)
