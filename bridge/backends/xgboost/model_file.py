"""Tells by a file's first bytes whether it is an xgboost model file or what else, and what to do about it.

Nothing is loaded. The errors of xgboost for a file that it can't load are turned into sentences here, too.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bridge.backends.xgboost.document import boosted_trees, found
from bridge.errors import BundleError
from bridge.files import open_regular

__all__ = [
    "BINARY",
    "COMPRESSED",
    "JSON",
    "PICKLE",
    "UBJSON",
    "Kind",
    "kind_of",
    "refuse_other_kinds",
    "sentence_for",
    "sentence_for_leaves",
    "sentence_of",
]

_HEAD = 4096
_MOST_MEMORY = 1 << 26  # bytes that decompressing the first bytes may take
_LEAVES_APART = (3, 2)
_SAVE = 'save the model by save_model("model.ubj"), in the program that trained it'


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file.

    Attributes:
        what: a clause that says what the file is, for "it can't be loaded: ...".
        remedy: a clause that says what to do.
    """

    what: str
    remedy: str


UBJSON = Kind("it is UBJSON", "name it model.ubj")
JSON = Kind("it is JSON", "name it model.json")
PICKLE = Kind(
    "it is a pickle",
    "rename it to model.pkl and run 'scorebridge convert model.pkl --to model.ubj --trust-pickle', "
    "if you know who made it",
)
COMPRESSED = Kind(
    "it is compressed",
    "unpack it, or if it is joblib's, rename it to model.joblib and run "
    "'scorebridge convert model.joblib --to model.ubj --trust-pickle'",
)
BINARY = Kind(
    "it is of xgboost's old binary format, which xgboost 3.1 and newer can't read",
    "rename it to model.bin and run 'scorebridge convert model.bin --to model.ubj' under xgboost 3.0 or older, or save "
    'it again there by save_model("model.ubj")',
)
_EMPTY = Kind("it is empty", "copy it here again")
_PACKED = Kind("it is compressed", "unpack it")
_ARCHIVE = Kind("it is an archive of files", "unpack it and take the model file that is in it")
_R_OBJECT = Kind("it is what R's save or saveRDS writes", 'save the model in R by xgb.save(model, "model.ubj")')
_DUMP = Kind("it is a dump for people to read (dump_model), of which no model can be made", _SAVE)
_CONFIG = Kind("it holds settings alone (save_config) and no trees", _SAVE)
_UNKNOWN = Kind("it is damaged, or no model of xgboost", _SAVE)
_OTHERS = "take a backend that serves them, or train the model with xgboost"

# A file of the binary format starts with the learner's parameters, and with "binf" before them since xgboost 1.0; the
# objective's name comes after them, behind its length.
_PARAMETERS = rb".{136}[\x05-\x40]\0{7}[a-z]+:[a-z0-9:_]{2}"
_HEADS = (
    (rb"version https://git-lfs", Kind("it is a Git LFS pointer and not the model", "run 'git lfs pull'")),
    (rb"\x80[\x02-\x05]|c(?:copy_?reg|xgboost|sklearn|__main__)[\w.]*\n", PICKLE),
    (rb"PK[\x03\x05]|.{257}ustar", _ARCHIVE),
    (rb"binf|bs64|" + _PARAMETERS, BINARY),
    (rb"booster\[\d+\]|bias:\n|digraph|\[\s*\{\s*\"(?:nodeid|bias)\"", _DUMP),
    (rb"\{\"learner\":\{\"generic_param\"", _CONFIG),
    (rb"RD[AXB][23]\n|X\n\0\0\0[\x02\x03]|A\n[23]\n", _R_OBJECT),
    (rb"tree\nversion=v|\{\"name\":\s*\"tree\",\s*\"version\":\s*\"v\d", Kind("it is a model of LightGBM", _OTHERS)),
    (rb"CBM1", Kind("it is a model of CatBoost", _OTHERS)),
    (rb"\x08[\x01-\x20].{0,64}(?i:onnx)", Kind("it is an ONNX model", _SAVE)),
    (rb"(?i:\s*<\?xml.*<pmml)", Kind("it is a PMML document", _SAVE)),
    (rb"\s*<", Kind("it is a web page or an error of a web server, left by a failed download", "download it again")),
    (
        rb"(?:\xef\xbb\xbf\s*|\s+)\{\s*\"",
        Kind("it is JSON behind a byte order mark or white space, which xgboost does not read", _SAVE),
    ),
    (rb"\x1f\x8b|BZh\d|\xfd7zXZ\0|]\0\0|\x04\x22\x4d\x18|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]", COMPRESSED),
)

_SAID = (
    (r"Unknown objective function: `([\w:.-]{1,64})`", "its objective '{0}' is not known to {1}", "install {2}"),
    (r"Unknown gbm type ([\w:.-]{1,64})", "its booster '{0}' is not known to {1}", "install {2}"),
    (r"binary format has been deprecated", BINARY.what, BINARY.remedy),
    (
        r"Unknown construct[^\n]*\n[^\n]*\[[iIlL]",
        "it has unsigned whole numbers as categories, which xgboost 3.1 and 3.2 write wrongly as UBJSON",
        "save it as model.json there, or train it with signed ones",
    ),
    (r"not supported for typed array|from \w+Array to \w+Array", "it holds what {1} does not read", "install {2}"),
    (
        r"Invalid cast, from Null|map::at|type Null can not",
        "it lacks a part that {1} needs",
        "install the xgboost that saved it, or save it again there; a file that was edited can't be loaded",
    ),
    (r"got: \"EOF\"|beg <= size_", "it is damaged, because it ends too early", "copy it here again"),
)


def kind_of(path: Path) -> Kind:
    """Returns the kind of a file by its first bytes; the rest of the file may still be damaged or something else.

    Raises:
        BundleError: the path is no regular file.
        OSError: the file can't be read.
    """
    with open_regular(path) as file:
        head = file.read(_HEAD)
    kind = _kind(head)
    if kind is COMPRESSED:
        inner = _kind(_unpacked(head))
        return {PICKLE: PICKLE, _R_OBJECT: _R_OBJECT, _EMPTY: COMPRESSED}.get(inner, _PACKED)
    return kind


def sentence_of(name: str, kind: Kind) -> str:
    """Returns the sentence why a file of this name and kind can't be loaded, and what to do."""
    return _sentence(name, kind.what, kind.remedy)


def refuse_other_kinds(path: Path) -> None:
    """Refuses a model.ubj that is not UBJSON, or a model.json that is not JSON, by its first bytes.

    Raises:
        BundleError: the file is of another kind; the message says which, and what to do.
        OSError: the file can't be read.
    """
    kind = kind_of(path)
    if kind is not (JSON if path.suffix == ".json" else UBJSON):
        raise BundleError(sentence_of(path.name, kind))


def sentence_for(name: str, said: str) -> str | None:
    """Returns the sentence for an error of xgboost: why the file can't be loaded; None if the error is not known.

    Args:
        name: the name of the file.
        said: the message of xgboost's error, or its beginning.
    """
    installed = _installed()
    for pattern, what, remedy in _SAID:
        if match := re.search(pattern, said):
            words = (
                match[1] if match.groups() else "",
                f"the installed xgboost {installed}".rstrip(),
                "the one that trained it",
            )
            return _sentence(name, what.format(*words), remedy.format(*words))
    return None


def sentence_for_leaves(name: str, document: dict[str, Any], installed: tuple[int, ...]) -> str | None:
    """Returns why trees with several outputs can't be loaded; None if they can be, or if the model has no such trees.

    Since xgboost 3.2 files store the values of their leaves separately, and xgboost crashes on older files.

    Args:
        name: the name of the file.
        document: the document in the file.
        installed: the version of the installed xgboost.
    """
    trees = boosted_trees(document).get("trees")
    if installed < _LEAVES_APART or not isinstance(trees, list) or not any(_is_old_vector(tree) for tree in trees):
        return None
    what = (
        "its trees have several outputs (multi_output_tree), saved by xgboost 3.1 or older, and newer ones crash on it"
    )
    return _sentence(name, what, "serve it where xgboost 3.1 is installed, or train it again with 3.2 or newer")


def _is_old_vector(tree: Any) -> bool:
    size = str(found(tree, "tree_param", "size_leaf_vector"))
    return size.isdecimal() and len(size) < len(str(2**31)) and int(size) > 1 and "leaf_weights" not in tree


def _sentence(name: str, what: str, remedy: str) -> str:
    return f"{name} can't be loaded: {what}; {remedy}"


def _installed() -> str:
    for package in ("xgboost-cpu", "xgboost"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def _kind(head: bytes) -> Kind:
    if not head:
        return _EMPTY
    for pattern, kind in _HEADS:
        if re.match(pattern, head, re.DOTALL):
            return kind
    if re.match(rb"\{[\s\"}]", head):
        return JSON
    return UBJSON if re.match(rb"\{[iUIlL$#N]", head) else _UNKNOWN


def _unpacked(head: bytes) -> bytes:
    """Returns the first bytes of compressed content; none if they can't be unpacked by zlib, bz2 or lzma."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(head, _HEAD),
        lambda: bz2.BZ2Decompressor().decompress(head, _HEAD),
        lambda: lzma.LZMADecompressor(memlimit=_MOST_MEMORY).decompress(head, _HEAD),
    )
    for unpack in ways:
        try:
            return unpack()
        except (zlib.error, OSError, lzma.LZMAError):
            continue
    return b""
