"""Files that others may have put there: links, FIFOs, sockets, devices, holes, and folders that never end."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import files
from bridge.bundles.bundle import bundle_files, make_manifest, read_bundle, read_manifest, verify
from bridge.bundles.golden import read_golden
from bridge.bundles.repository import Repository
from bridge.bundles.settings import read_model_settings
from bridge.errors import BundleError
from bridge.files import list_files, open_regular, read_regular, sha256_of, size_text
from bridge.prediction_log.folder import LogNotReadable
from bridge.prediction_log.reader import Segment


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


SPECIAL: list[tuple[Callable[[Path], None], str]] = [
    (os.mkfifo, "a FIFO"),
    (bind_socket, "a socket"),
    (link_to("/dev/zero"), "a device"),
    (link_to("/dev/tty"), "a device"),
    (lambda path: path.symlink_to(Path("fifo").resolve()), "a FIFO"),
]


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a FIFO; the working directory, because a socket's path must be short."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    folder = Path("b")
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("make", "kind"), SPECIAL)
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("model.toml", read_model_settings),
        ("manifest.json", read_manifest),
        ("golden.csv", lambda folder: read_golden(folder, [])),
        ("model.ubj", lambda folder: sha256_of(folder / "model.ubj")),
        ("serving", lambda folder: Repository(folder.parent)._promoted(folder.name)),
    ],
)
def test_what_is_no_regular_file_is_never_waited_for_or_read(
    near: Path, make: Callable[[Path], None], kind: str, name: str, read: Callable[[Path], object]
) -> None:
    make(near / name)
    with pytest.raises(BundleError, match=rf"{name.replace('.', '[.]')} is not a regular file, but {kind}$"):
        read(near)


@pytest.mark.parametrize(
    ("name", "read", "limit"),
    [
        ("model.toml", read_model_settings, "1 MiB"),
        ("manifest.json", read_manifest, "16 MiB"),
        ("golden.csv", lambda folder: read_golden(folder, []), "64 MiB"),
        ("serving", lambda folder: Repository(folder.parent)._promoted(folder.name), "64 bytes"),
    ],
)
@pytest.mark.parametrize("size", [2 << 30, 1 << 40, None])
def test_what_is_too_large_is_refused_unread(
    tmp_path: Path, name: str, read: Callable[[Path], object], limit: str, size: int | None
) -> None:
    with (tmp_path / name).open("wb") as file:
        most = {"1 MiB": 1 << 20, "16 MiB": 16 << 20, "64 MiB": 64 << 20, "64 bytes": 64}[limit]
        file.truncate(most + 1 if size is None else size)
    with pytest.raises(BundleError, match=rf"{name.replace('.', '[.]')} is larger than {limit}$"):
        read(tmp_path)


def test_as_much_as_the_limit_is_read_also_of_a_file_that_tells_no_size(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert read_regular(tmp_path / "x", 3) == b"abc"
    with pytest.raises(BundleError, match=r"^x is larger than 2 bytes$"):
        read_regular(tmp_path / "x", 2)
    stated = Path("/proc/self/stat")
    assert stated.stat().st_size == 0
    assert read_regular(stated, 1 << 20).startswith(b"%d " % os.getpid())
    with pytest.raises(BundleError, match=r"^it is larger than 5 bytes$"):
        read_regular(stated, 5, "it")


def test_a_file_that_gives_more_than_its_size_is_not_hashed_for_ever() -> None:
    with pytest.raises(BundleError, match=r"^status changed its size while it was read"):
        sha256_of(Path("/proc/self/status"))


def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_a_fifo_that_takes_the_place_of_a_file_between_two_looks_is_refused_too(
    near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (near / "file").write_bytes(b"x")
    seen = (near / "file").stat()
    monkeypatch.setattr(os, "stat", lambda _path: seen)
    with pytest.raises(BundleError, match=r"^fifo is not a regular file, but a FIFO$"):
        open_regular(Path("fifo"))


def test_a_segment_of_a_log_that_became_a_fifo_is_not_waited_for(near: Path) -> None:
    with pytest.raises(LogNotReadable, match=r"^fifo is not a regular file, but a FIFO$"):
        list(Segment(near.parent / "fifo").entries())


@pytest.mark.parametrize(("make", "kind"), SPECIAL)
def test_a_bundle_with_anything_but_files_and_folders_is_not_read(
    near: Path, make: Callable[[Path], None], kind: str
) -> None:
    (near / "model.ubj").write_bytes(b"{")
    (near / "lib").mkdir()
    make(near / "lib" / "x")
    with pytest.raises(BundleError, match=f"^lib/x is not a regular file, but {kind}$"):
        read_bundle(near)


def test_links_to_files_and_folders_are_followed_or_named(tmp_path: Path) -> None:
    bundle, other = tmp_path / "bundle", tmp_path / "other"
    (bundle / "lib").mkdir(parents=True)
    other.mkdir()
    (other / "a").write_bytes(b"a")
    (bundle / "file").symlink_to(other / "a")
    (bundle / "lib" / "folder").symlink_to(other)
    assert list_files(bundle) == ["file", "lib/folder/a"]
    with pytest.raises(BundleError, match=r"^file is a link, and links are not copied: put what it leads to"):
        list_files(bundle, links=False)
    (bundle / "file").unlink()
    with pytest.raises(BundleError, match=r"^lib/folder is a link, and links are not copied"):
        list_files(bundle, links=False)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (".", "x is a link to a folder that contains it"),
        ("..", "x/bundle is a link to a folder that contains it"),
        ("x", "x is a link that leads to itself"),
        ("y", "x is a link to nothing"),
    ],
)
def test_links_that_lead_nowhere_are_named(tmp_path: Path, target: str, sentence: str) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "x").symlink_to(target)
    with pytest.raises(BundleError, match=f"^{sentence}$"):
        list_files(tmp_path / "bundle")


def test_folders_in_folders_and_links_that_fan_out_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "deep"
    for _ in range(40):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(BundleError, match=r"is nested deeper than 32 folders$"):
        list_files(tmp_path / "deep")
    fan = tmp_path / "fan"
    for level in range(24):
        (fan / f"{level:02d}").mkdir(parents=True)
        for name in "ab":
            (fan / f"{level:02d}" / name).symlink_to(f"../{level + 1:02d}")
    (fan / "24").mkdir()
    monkeypatch.setattr(files, "_MOST_ENTRIES", 5000)
    with pytest.raises(BundleError, match=r"^there are more than 5000 files and folders in fan$"):
        list_files(fan)


def test_a_name_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(BundleError, match=r"^the name of a file is not UTF-8: '\\udcff'$"):
        bundle_files(tmp_path)


def mount(folder: Path, content: dict[str, bytes], stamp: str) -> None:
    """As Kubernetes mounts a volume: links to what is behind `..data`, which is a link to a folder with a time."""
    for name, raw in content.items():
        path = folder / stamp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        top = name.split("/")[0]
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    (folder / "..data_tmp").symlink_to(stamp)
    (folder / "..data_tmp").rename(folder / "..data")


def test_a_volume_of_kubernetes_is_the_bundle_that_it_mounts(tmp_path: Path) -> None:
    content = {"model.ubj": b"{", "lib/x.txt": b"x", "model.toml": b"timeout_s = 2\n"}
    plain = tmp_path / "plain"
    for name, raw in content.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_bytes(raw)
    manifest = make_manifest(plain, None)
    mount(tmp_path / "mounted", content | {"manifest.json": manifest}, "..2026_11_25")
    bundle = read_bundle(tmp_path / "mounted")
    verify(bundle)
    assert (bundle.settings.timeout_s, bundle.model_file.read_bytes()) == (2.0, b"{")
    assert make_manifest(tmp_path / "mounted", None) == manifest
    mount(tmp_path / "mounted", content | {"manifest.json": manifest}, "..2026_11_26")  # while the old one is there
    verify(read_bundle(tmp_path / "mounted"))
    (tmp_path / "mounted" / "..2026_11_26" / "model.ubj").write_bytes(b"[")
    with pytest.raises(BundleError, match=r"^model\.ubj was altered"):
        verify(read_bundle(tmp_path / "mounted"))


def test_names_that_only_look_like_a_mount_are_files_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "x").write_bytes(b"x")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "..y").write_bytes(b"y")
    assert list_files(tmp_path) == ["..data/x", "lib/..y"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (64, "64 bytes"), (1024, "1 KiB"), (3 << 19, "1.5 MiB"), (2 << 30, "2 GiB")]
)
def test_sizes_in_words(count: int, text: str) -> None:
    assert size_text(count) == text
