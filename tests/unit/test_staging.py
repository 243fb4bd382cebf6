"""What deploy copies: the files of the folder itself, as private as they are, and no more than there is room for."""

import os
import shutil
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.bundles import staging
from bridge.bundles.repository import Repository
from bridge.bundles.staging import copy_files
from bridge.errors import BundleError
from bridge.files import parts_of


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "lib").mkdir(parents=True)
    (folder / "model.ubj").write_bytes(b"booster")
    (folder / "lib" / "x.txt").write_bytes(b"x")
    return folder


@pytest.mark.parametrize("name", ["model.toml", "lib/y", "manifest.json", "..data"])
@pytest.mark.parametrize("target", ["secret", "/dev/zero", "/etc", "absent", "."])
def test_a_link_is_named_before_anything_is_copied(tmp_path: Path, bundle: Path, name: str, target: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root's own")
    secret.chmod(0o600)
    (bundle / name).symlink_to(tmp_path / target if target == "secret" else target)
    repository = Repository(tmp_path / "repository")
    with pytest.raises(BundleError, match=f"^{name} is a link, and links are not copied: "), repository.staged(bundle):
        pytest.fail("it was copied")
    assert not repository.path.exists()


def test_a_fifo_is_named_before_anything_is_copied(tmp_path: Path, bundle: Path) -> None:
    os.mkfifo(bundle / "lib" / "y")
    repository = Repository(tmp_path / "repository")
    with pytest.raises(BundleError, match=r"^lib/y is not a regular file, but a FIFO$"), repository.staged(bundle):
        pytest.fail("it was copied")
    assert not repository.path.exists()


def test_the_folder_itself_may_be_behind_a_link(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "current").symlink_to(bundle)
    with Repository(tmp_path / "repository").staged(tmp_path / "current") as copy:
        assert (copy / "lib" / "x.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("mode", "copied"), [(0o600, 0o600), (0o644, 0o644), (0o640, 0o640), (0o400, 0o600), (0o6777, 0o755)]
)
def test_a_copy_is_no_more_readable_than_its_file(tmp_path: Path, bundle: Path, mode: int, copied: int) -> None:
    (bundle / "lib" / "x.txt").chmod(mode)
    (bundle / "lib").chmod(0o750)
    umask = os.umask(0o022)
    try:
        with Repository(tmp_path / "repository").staged(bundle) as copy:
            assert (copy / "lib" / "x.txt").stat().st_mode & 0o7777 == copied
            assert (copy / "lib").stat().st_mode & 0o777 == 0o750
            assert copy.stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(umask)


def test_a_bundle_that_the_disk_has_no_room_for_is_not_copied(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    with (bundle / "model.ubj").open("wb") as file:
        file.truncate(2 << 30)
    repository = Repository(tmp_path / "repository")
    with pytest.raises(BundleError, match=r"^the bundle has 2 GiB, but the repository's disk has only 1 MiB free$"):  # noqa: SIM117
        with repository.staged(bundle):
            pytest.fail("it was copied")
    assert list(repository.path.iterdir()) == []


def swap_file(bundle: Path) -> None:
    (bundle / "lib" / "x.txt").unlink()
    (bundle / "lib" / "x.txt").symlink_to("/etc/passwd")


def swap_folder(bundle: Path) -> None:
    shutil.rmtree(bundle / "lib")
    (bundle.parent / "other").mkdir()
    (bundle.parent / "other" / "x.txt").write_bytes(b"a secret")
    (bundle / "lib").symlink_to(bundle.parent / "other")


def remove_file(bundle: Path) -> None:
    (bundle / "lib" / "x.txt").unlink()


@pytest.mark.parametrize("swap", [swap_file, swap_folder, remove_file])
def test_what_is_swapped_for_a_link_or_removed_after_it_was_seen_is_not_copied(
    tmp_path: Path, bundle: Path, swap: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = staging._opened

    def open_late(top: int, target: Path, name: str) -> int:
        if name == "lib/x.txt":
            swap(bundle)
        return opened(top, target, name)

    monkeypatch.setattr(staging, "_opened", open_late)
    (tmp_path / "copy").mkdir()
    with pytest.raises(
        BundleError, match=r"^lib/x\.txt was moved or replaced while the bundle was copied: deploy it again$"
    ):
        copy_files(bundle, tmp_path / "copy", ["lib/x.txt", "model.ubj"])
    assert not (tmp_path / "copy" / "lib" / "x.txt").exists()


def test_a_fifo_swapped_in_is_not_waited_for(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = staging._opened

    def open_late(top: int, target: Path, name: str) -> int:
        (bundle / name).unlink()
        os.mkfifo(bundle / name)
        return opened(top, target, name)

    monkeypatch.setattr(staging, "_opened", open_late)
    (tmp_path / "copy").mkdir()
    with pytest.raises(BundleError, match=r"^model\.ubj is not a regular file, but a FIFO$"):
        copy_files(bundle, tmp_path / "copy", ["model.ubj"])


def test_a_file_that_grows_while_it_is_copied_is_not_followed_for_ever(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def growing(file: BufferedReader, name: str) -> Iterator[bytes]:
        for part in parts_of(file, name):
            with (bundle / name).open("ab") as again:
                again.write(b"more")
            yield part

    monkeypatch.setattr(staging, "parts_of", growing)
    (tmp_path / "copy").mkdir()
    with pytest.raises(BundleError, match=r"^model\.ubj changed its size while it was read"):
        copy_files(bundle, tmp_path / "copy", ["model.ubj"])
