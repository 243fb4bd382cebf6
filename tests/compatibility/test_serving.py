"""The repository of every release is served by today's gateway, to that release's client and to today's."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compatibility.releases import RELEASES, TODAY, Release, ask, served


@dataclass
class Serving:
    """A gateway of today over a copy of a release's repository."""

    release: Release
    url: str

    def client(self, which: str) -> tuple[Path, ...]:
        """The path of a client: that of the release, or today's."""
        return self.release.client if which == "its" else TODAY[1:]


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.folder.name)
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """For all tests of the file: they ask it, and change nothing."""
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(request.param.repository, folder / "repository")
    with served(TODAY, folder / "repository", folder / "log") as url:
        yield Serving(request.param, url)


clients = pytest.mark.parametrize("which", ["its", "todays"])


@clients
def test_every_call_is_answered_as_it_was(serving: Serving, which: str) -> None:
    calls = serving.release.calls
    answers = ask(serving.client(which), serving.url, calls)
    assert [answer.get("source", answer.get("reason")) for answer in answers].count("MODEL") >= 4
    for call, answer in zip(calls, answers, strict=True):
        assert answer == call["answer"], call["options"]["request_id"]


@clients
def test_the_models_are_listed_and_described(serving: Serving, which: str) -> None:
    calls = [{"call": "models"}, {"call": "model", "model": "price"}, {"call": "model", "model": "nobody"}]
    listed, described, unknown = ask(serving.client(which), serving.url, calls)
    assert [one[:2] for one in listed["states"]] == [["price", 1], ["risk", 1]]
    assert described == {"versions": 1}
    assert unknown == {"error": "ModelNotFound", "reason": "MODEL_NOT_FOUND"}
