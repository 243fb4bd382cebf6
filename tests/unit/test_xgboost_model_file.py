"""Files that are no xgboost model, or none that is read any more: each has a sentence that says what to do."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import xgboost
from boosters import BINARY, train

from bridge.backends.xgboost.document import read_document
from bridge.backends.xgboost.model_file import refuse_other_kinds, sentence_for, sentence_for_leaves
from bridge.bundles.bundle import read_bundle
from bridge.errors import BundleError

SAVED = Path(__file__).parents[1] / "saved_models"
SAVE = r'; save the model by save_model\("model\.ubj"\), in the program that trained it$'
CONVERT = r"; rename it to model\.pkl and run 'scorebridge convert model\.pkl --to model\.ubj --trust-pickle'"


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    return train(BINARY)


def dumped(booster: xgboost.Booster, folder: Path, form: str) -> bytes:
    booster.dump_model(folder / "dump", dump_format=form)
    return (folder / "dump").read_bytes()


def tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("xgboost-model"))
    return packed.getvalue()


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("model.ubj", b"")
    return packed.getvalue()


# Before 1.0 files of the binary format had no mark: parameters, then the objective's name behind its length.
UNMARKED = b"\0\0\0?" + b"\2\0\0\0" + bytes(128) + b"\x0f\0\0\0\0\0\0\0binary:logistic"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PICKLED = pickle.dumps(list(range(300)))
DUMP = r"it is a dump for people to read \(dump_model\), of which no model can be made"

OTHERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty; copy it here again$"),
    "git lfs": (POINTER, r"it is a Git LFS pointer and not the model; run 'git lfs pull'$"),
    "pickle": (PICKLED, "it is a pickle" + CONVERT),
    "pickle of protocol 0": (b"ccopy_reg\n_reconstructor\np0\n(cxgboost.core\n", "it is a pickle"),
    "pickle in zlib": (zlib.compress(PICKLED), "it is a pickle" + CONVERT),
    "pickle in gzip": (gzip.compress(PICKLED), "it is a pickle" + CONVERT),
    "pickle in bz2": (bz2.compress(PICKLED), "it is a pickle" + CONVERT),
    "pickle in xz": (lzma.compress(PICKLED), "it is a pickle" + CONVERT),
    "lz4": (
        b"\x04\x22\x4d\x18" + bytes(40),
        "it is compressed; unpack it, or if it is joblib's, rename it to model.joblib",
    ),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "it is compressed; unpack it"),
    "a model in gzip": (gzip.compress(b"{L" + bytes(40)), "it is compressed; unpack it$"),
    "zip": (zipped(), "it is an archive of files; unpack it and take the model file that is in it$"),
    "tar": (tar(), "it is an archive of files"),
    "binary": (
        b"binf" + UNMARKED,
        r"it is of xgboost's old binary format, which xgboost 3\.1 and newer can't read; rename",
    ),
    "binary before 1.0": (UNMARKED, "it is of xgboost's old binary format"),
    "settings": (b'{"learner":{"generic_param":{}}}', r"it holds settings alone \(save_config\) and no trees" + SAVE),
    "R's save": (b"RDX3\nX\n", r"it is what R's save or saveRDS writes; save the model in R by xgb\.save\(model, "),
    "R's saveRDS": (gzip.compress(b"X\n\0\0\0\3" + bytes(40)), "it is what R's save or saveRDS writes"),
    "LightGBM": (b"tree\nversion=v4\nnum_class=1\n", "it is a model of LightGBM; take a backend that serves them"),
    "LightGBM's JSON": (b'{"name":"tree","version":"v4"}', "it is a model of LightGBM"),
    "CatBoost": (b"CBM1" + bytes(40), "it is a model of CatBoost"),
    "ONNX": (b"\x08\x09\x12\x08skl2onnx", "it is an ONNX model" + SAVE),
    "PMML": (b'<?xml version="1.0"?>\n<PMML version="4.4">', "it is a PMML document" + SAVE),
    "web page": (b"\n<!DOCTYPE html><html>", "it is a web page or an error of a web server, left by a failed download"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "it is a web page or an error of a web"),
    "byte order mark": (b'\xef\xbb\xbf{"learner":{}}', "it is JSON behind a byte order mark or white space"),
    "white space": (b' \n{"learner":{}}', "it is JSON behind a byte order mark or white space"),
    "anything": (bytes(range(256)), "it is damaged, or no model of xgboost" + SAVE),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
def test_each_other_kind_of_file_has_a_sentence_of_its_own(tmp_path: Path, other: str, name: str) -> None:
    content, sentence = OTHERS[other]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"^{name} can't be loaded: {sentence}"):
        refuse_other_kinds(tmp_path / name)


@pytest.mark.parametrize("form", ["text", "json", "dot"])
def test_a_dump_is_no_model(tmp_path: Path, booster: xgboost.Booster, form: str) -> None:
    (tmp_path / "model.json").write_bytes(dumped(booster, tmp_path, form))
    with pytest.raises(BundleError, match=f"^model\\.json can't be loaded: {DUMP}{SAVE}"):
        refuse_other_kinds(tmp_path / "model.json")


@pytest.mark.parametrize(("name", "other"), [("model.ubj", "model.json"), ("model.json", "model.ubj")])
def test_a_file_with_the_other_name_is_told_its_own(
    tmp_path: Path, booster: xgboost.Booster, name: str, other: str
) -> None:
    booster.save_model(tmp_path / name)
    refuse_other_kinds(tmp_path / name)
    (tmp_path / name).rename(tmp_path / other)
    kind = "UBJSON" if name == "model.ubj" else "JSON"
    with pytest.raises(BundleError, match=f"^{other} can't be loaded: it is {kind}; name it {name}$"):
        refuse_other_kinds(tmp_path / other)


def test_a_model_that_was_printed_prettily_is_one(tmp_path: Path, booster: xgboost.Booster) -> None:
    document = json.loads(booster.save_raw("json"))
    (tmp_path / "model.json").write_text(json.dumps(document, indent=2))
    refuse_other_kinds(tmp_path / "model.json")


def complaint(path: Path) -> str:
    """What the installed xgboost says of a file."""
    with pytest.raises(xgboost.core.XGBoostError) as caught:
        xgboost.Booster(model_file=path)
    return str(caught.value)


def edited(booster: xgboost.Booster, path: Path, part: str, value: Any) -> Path:
    document = json.loads(booster.save_raw("json"))
    if value is None:
        del document["learner"][part]
    else:
        document["learner"][part]["name"] = value
    path.write_text(json.dumps(document))
    return path


INSTALLED = rf"the installed xgboost {xgboost.__version__}"
EDITS = {
    "objective": (
        "objective",
        "reg:newer",
        rf"its objective 'reg:newer' is not known to {INSTALLED}; install the one",
    ),
    "booster": ("gradient_booster", "newer", rf"its booster 'newer' is not known to {INSTALLED}; install the one"),
    "part": (
        "learner_model_param",
        None,
        rf"it lacks a part that {INSTALLED} needs; install the xgboost that saved it",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_the_installed_xgboost_says_becomes_a_sentence(
    tmp_path: Path, booster: xgboost.Booster, edit: str
) -> None:
    part, value, sentence = EDITS[edit]
    said = complaint(edited(booster, tmp_path / "model.json", part, value))
    found = sentence_for("model.json", said) or ""
    assert found.startswith("model.json can't be loaded: ")
    assert re.search(sentence, found)


def test_a_file_that_ends_too_early_is_said_to(tmp_path: Path, booster: xgboost.Booster) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(booster.save_raw("json")[:-1])
    sentence = "model.json can't be loaded: it is damaged, because it ends too early; copy it here again"
    assert sentence_for("model.json", complaint(path)) == sentence


# Each was said by the version of xgboost beside it, of a file that another version had saved.
SAID = {
    "1.7.6 of an objective of 3.4.1": (
        "[12:00:00] ../src/objective/objective.cc:26: Unknown objective function: `reg:expectileerror`\nObjective cand",
        "its objective 'reg:expectileerror' is not known to",
    ),
    "3.1.3 of the binary format": (
        "Failed to load model: `model.ubj`. \nThe binary format has been deprecated in 1.6 and removed in 3.1, use UBJ",
        "it is of xgboost's old binary format",
    ),
    "3.2.0 of its own unsigned categories": (
        "json.cc:409: Unknown construct, around character position: 2775\n    lues[i,i,i]}{\n    ~~~~~~~^~~~~~~~~\n",
        "it has unsigned whole numbers as categories, which xgboost 3.1 and 3.2 write wrongly as UBJSON; save it as",
    ),
    "3.2.0 of unsigned categories of 3.4.1": (
        "[12:00:00] /workspace/include/xgboost/json.h:88: Invalid cast, from I64Array to U64Array\nStack trace:",
        "it holds what the installed xgboost",
    ),
    "2.1.4 of categories of 3.1.3": (
        "[12:00:00] /workspace/src/common/json.cc:725: `i` is not supported for typed array.\nStack trace:",
        "it holds what the installed xgboost",
    ),
    "2.1.4 of reg:gamma of 1.7.6": (
        "[12:00:00] /workspace/include/xgboost/json.h:81: Invalid cast, from Null to Object\nStack trace:",
        "it lacks a part that the installed xgboost",
    ),
    "3.2.0 without a tree's key": ("map::at", "it lacks a part that the installed xgboost"),
    "3.4.1 of settings": (
        "[12:00:00] /workspace/src/common/json.cc:380: Object of type Null can not be indexed by string.",
        "it lacks a part that the installed xgboost",
    ),
    "3.2.0 of half a file": (
        "[12:00:00] /workspace/include/xgboost/string_view.h:46: Check failed: beg <= size_ (3043 vs. 3000) : ",
        "it is damaged, because it ends too early",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_other_versions_say_becomes_a_sentence(case: str) -> None:
    said, sentence = SAID[case]
    assert (sentence_for("model.ubj", said) or "").startswith(f"model.ubj can't be loaded: {sentence}")


@pytest.mark.parametrize("said", ["", "std::bad_alloc", "basic_string::resize", "Check failed: n_nodes (15 vs. 1)"])
def test_what_says_nothing_becomes_no_sentence(said: str) -> None:
    assert sentence_for("model.ubj", said) is None


@pytest.mark.parametrize("saved_by", ["2.1.4", "3.0.5", "3.1.3", "3.2.0", "3.4.1"])
@pytest.mark.parametrize("installed", [(2, 1), (3, 1), (3, 2), (3, 4)])
def test_old_trees_of_several_outputs_are_refused_where_they_crash_xgboost(
    saved_by: str, installed: tuple[int, int]
) -> None:
    document = read_document(SAVED / saved_by / "multi_output_tree.ubj")
    crashes = saved_by < "3.2" and installed >= (3, 2)
    assert (sentence_for_leaves("model.ubj", document, installed) is not None) == crashes


def test_trees_of_one_output_are_never_refused() -> None:
    document = read_document(SAVED / "1.7.6" / "numeric.ubj")
    assert sentence_for_leaves("model.ubj", document, (3, 4)) is None


@pytest.mark.parametrize("size", ["x", "9" * 5000, "1", "", None])
@pytest.mark.parametrize("where", ["tree_param", "elsewhere"])
def test_a_number_that_is_none_does_no_harm(size: str | None, where: str) -> None:
    trees = [{where: {"size_leaf_vector": size}}, {where: size}, size]
    document = {"learner": {"gradient_booster": {"model": {"trees": trees}}}}
    assert sentence_for_leaves("model.ubj", document, (3, 4)) is None
    document["learner"]["gradient_booster"]["model"]["trees"] = size  # type: ignore[assignment]
    assert sentence_for_leaves("model.ubj", document, (3, 4)) is None


NAMES = ["model.pkl", "model.pickle.dat", "model.joblib", "model.bst", "model.model", "model.bin", "xgb.json"]


@pytest.mark.parametrize("name", [*NAMES, "xgboost-model", "old.UBJ"])
def test_a_folder_of_another_model_says_how_to_convert_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    sentence = (
        f"the folder holds {name}, but no model.ubj or model.json: convert the file with "
        f"'scorebridge convert {name} --to model.ubj' if it is an xgboost model; else a Pred.py beside it makes it a "
        "Python bundle"
    )
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path)
    assert str(caught.value) == sentence
    (tmp_path / "model.toml").write_text('backend = "xgboost"')
    with pytest.raises(BundleError, match="scorebridge convert"):
        read_bundle(tmp_path)
    (tmp_path / "model.toml").write_text('backend = "rserve"')
    with pytest.raises(BundleError, match="there is no model in the folder"):
        read_bundle(tmp_path)
    (tmp_path / "model.toml").unlink()
    (tmp_path / "model.ubj").write_bytes(b"")
    assert read_bundle(tmp_path).backend == "xgboost"
