"""Looks into a repository off the event loop, so that a folder that hangs holds up only its own model."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.bundles.bundle import Bundle, verify
from bridge.bundles.repository import Repository, StoredVersion
from bridge.errors import PassingFailure
from bridge.model_events import FOLDER_UNREADABLE
from bridge.own_log import OwnLog
from bridge.reads import Reads

__all__ = ["Lookout", "Seen"]

_log = OwnLog(__name__)

_LOOK_S = 5.0
_BUNDLE_S = 30.0
_MOST_AT_ONCE = 32  # threads
_REPOSITORY = "the repository"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the repository holds of one model.

    Attributes:
        versions: the version folders of the model, each with whether it is deployed.
        promoted: the version that `promote` chose; None if none was promoted.
    """

    versions: dict[StoredVersion, bool]
    promoted: int | None


class Lookout:
    """Looks into a repository for one gateway.

    Attributes:
        reads: the reads of the repository that are under way.
    """

    def __init__(self, repository: Repository) -> None:
        self.reads = Reads()
        self._repository = repository
        self._unseen: set[str] = set()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def is_folder(self) -> bool:
        """Whether the repository is a folder; also True if it does not answer within 5 s, as then nobody can say."""
        try:
            return await self.reads.run(_REPOSITORY, _LOOK_S, self._repository.path.is_dir)
        except PassingFailure:
            return True

    async def names(self) -> list[str] | None:
        """Returns the names in the repository that a model may have; None, logged once, while it does not answer.

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
        """Returns what the repository holds of a model now; None, logged once, while its folder can't be read."""
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
        """Returns the bundle of a deployed version, as the function `read` reads it from the version's folder.

        The bundle has no manifest if that file was removed after the version was found.

        Raises:
            BundleError: the bundle is not complete, or a setting is wrong.
            PassingFailure: its files could not be read within 30 s.
            OSError: a file can't be read.
        """
        return await self.reads.run(f"the files of {stored.model}", _BUNDLE_S, partial(read, stored.path))

    async def verified(self, bundle: Bundle) -> Bundle:
        """Compares the files of a bundle with its manifest, and returns the bundle marked as verified.

        Raises:
            BundleError: a file was changed, removed or added since the bundle was deployed.
            PassingFailure: its files could not be read within the `load_timeout_s` of the model.
            OSError: a file can't be read.
        """
        await self.reads.run(bundle.subject, bundle.settings.load_timeout_s, partial(verify, bundle))
        return replace(bundle, verified=True)

    def _note_unseen(self, what: str, why: str) -> None:
        if what not in self._unseen:
            self._unseen.add(what)
            _log.say(FOLDER_UNREADABLE, model=what, error=why)
