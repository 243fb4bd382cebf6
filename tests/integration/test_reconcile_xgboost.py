"""Scores that a faulty gateway gave for boosters are found by `scorebridge reconcile`, and right ones come out equal.

Each log is written by hand: what was sent, and what a gateway with one fault answered as the model's own score.
"""

import base64
import logging
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from boosters import BINARY, NAMES, Model, some_rows, train, write
from fixtures import put
from logged import Log, doubles, floats, matrix, run, said
from saved_bundles import BY_NAME, expected, levels_line, saved, table_of
from saved_models.kinds import ROWS
from scorebridge.v1 import scoring_pb2 as pb

from bridge.bundles.bundle import make_manifest
from bridge.bundles.repository import Repository
from bridge.columns import Array
from bridge.reconcile.calls import LoggedBatch
from bridge.reconcile.xgboost_path import XgboostPath

BEYOND_ASCII = BY_NAME["text_categories_beyond_ascii"]
# Saved by xgboost 3.2.0: trained with the shops "ü1", "2" and "1", which it stored so that they read "ü", "1" and "2".
CUT_SHOPS = zlib.decompress(
    base64.b64decode(
        "eNq9lk1rE0EYgHeTrItpI9FeKh5UzK1QkpZSkNImxYJgD4IoQpBlsju7HdnspDOT2BqCB8GDp9KrF8+eBOvND0pPXjz7DwT/RJ3ZZmdn090k9eDC"
        "kMzM+868X8/M9Le1s8/0ISABJP1ooAgYI6jVZZD2B9FgyYWAdQm0AtCGtHknGs89iv4V6A7uyJ6+d06T7XfSNXVb/jVcHwMW9coeAQ6CAbNaGFOm"
        "2Gi0sQN92S3YgFHZy8PAVvaR4yZ2XQoZbVZ8OVuIpISe6EcTl3rA73J7KyiWPflSWxqMXU4bo67JYJajkFDotbl7iSXyym9e5oRiwqBjIWcvTVYX"
        "Hsjlr3ktRiC0whhZHUBAWxp9Nei2wyHf53NCLE5DLfp3WQiJORpPLsXWI54JwBAOLBQ4HUbiWOeRhnSUk+uEZqDAxUo6uIiMkhFukpar2Rag0HoB"
        "kbcjwuNIEePox+7D+rvfxvF89aTB29HJrDS8yOsAepggmAhpLnJCuhDLWQGP0njpOUU6ztj2OQVt3DYUvYSpWvqo1qwDXdD1meVDlzUrj2PXdV2p"
        "sBxy4kCWhKxl7yDfITBQvTGGW+RPlU9u5WNKuRoIPJiM8tby4c973ucF1S9Z+Lx+RqvWeMWXVWOgenSFiDRmmiciUUgzr0w7PuJ6OHCQqLekidEu"
        "aYVQOtPk9YnsZHYNLeWLMQvVxEmVHfgZyunYgZQiECQM2uxo2uYtTWu8j5tcOUQhyeKMwIwjCjnZMWjVxPTwpFA4TEAaFm88uRJHjpcbLyDgWj1o"
        "M0wUygeDyZSZn948ePvtz+sP68e3b641bix/X7SfbsxX9r8elFYm0KYeStrUxIVH2L8Sl7sQcbmpiTM1PeGFYE6fzJwZMSeq4nTkm8ie2Vhw1utr"
        "3v36k+uHWZWaxqCZxuDQ39wULJoRi+L+yjJ7LJPmRj3eOatsstk0lePwooyOpiqLUlNQ2vjFSeVuNsq8HfD2kbfq/6Z1dTpa5cVbEG8vOXXp7JaX"
        "s3PDd1zqtV8MQac2VowrNmuL1dWlla3aM/lyCN9Zlktw2wI9fst7mc8D2weUXjwOxfBpAYgHmeqkXBq3nvMIoB7sp3tdJtC7S3e7vPodSAgmcV1D"
        "zwqRSnpepjbweS4xHZ5z6bE1ubeUl7P6lskj/lgZ/AVbVj8d"
    )
)


def by_codes(booster: xgboost.Booster, rows: Array) -> Array:
    """What the library says of codes, whatever they should stand for."""
    names, types = booster.feature_names, booster.feature_types
    known = xgboost.DMatrix(rows, feature_names=names, feature_types=types, enable_categorical=True)
    return np.asarray(booster.predict(known))


def test_a_dropped_out_trees_that_were_scored_in_place(repository: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(3).random((400, 4))
    training = xgboost.DMatrix(rows, rows[:, 0] + rows[:, 1] > 1, feature_names=NAMES)
    dropping = BINARY | {"booster": "dart", "rate_drop": 0.3, "seed": 3, "nthread": 1, "max_depth": 3}
    booster = xgboost.train(dropping, training, 4)
    in_place = booster.inplace_predict(rows, validate_features=False)
    right = booster.predict(training)
    wrong = int((in_place != right).sum())
    assert wrong > 0
    stored = put(write(tmp_path / "bundle", Model(booster)), repository, "dart")
    log = Log(tmp_path / "log")
    log.call(stored, matrix(rows, NAMES), [floats(right)])
    log.call(stored, matrix(rows, NAMES), [floats(in_place)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 1, result.output
    assert f"{wrong} of 800 rows differ" in said(result)


def test_b_long_ids_that_became_one_on_their_way_through_floats(repository: Path, tmp_path: Path) -> None:
    kind = BY_NAME["int64_categories"]
    assert len({float(level) for level in kind.levels}) == 1
    bundle = saved(tmp_path / "bundle", "3.2.0", kind.name)
    rows = kind.rows
    rows[:, 1] = np.where(np.isnan(rows[:, 1]), np.nan, len(kind.levels) - 1)
    right, one = expected("3.2.0", kind.name), by_codes(xgboost.Booster(model_file=bundle / "model.ubj"), rows)
    stored, log = put(bundle, repository, "ids"), Log(tmp_path / "log")
    log.call(stored, table_of(kind), [floats(right)])
    log.call(stored, table_of(kind), [floats(one)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 1, result.output
    assert f"{(one != right).sum()} of {2 * ROWS} rows differ" in said(result)


def test_c_values_that_were_taken_for_codes_because_the_file_stores_none(repository: Path, tmp_path: Path) -> None:
    kind = BY_NAME["int_categories"]
    assert kind.levels == tuple(range(1, 8))
    silent = saved(tmp_path / "silent", "2.1.4", kind.name)
    stating = saved(tmp_path / "stating", "2.1.4", kind.name, levels_line(kind, kind.levels))
    rows = kind.rows
    rows[:, 1] += 1
    right, taken = expected("2.1.4", kind.name), by_codes(xgboost.Booster(model_file=silent / "model.ubj"), rows)
    assert (taken != right).sum() > 10
    log, shop, week = Log(tmp_path / "log"), put(silent, repository, "silent"), put(stating, repository, "stating")
    log.call(shop, table_of(kind), [floats(taken)])
    log.call(shop, matrix(kind.rows), [floats(right)])
    log.call(week, table_of(kind), [floats(right)])
    log.call(week, table_of(kind), [floats(taken)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 1, result.output
    assert f"{ROWS + (taken != right).sum()} of {4 * ROWS} rows differ" in said(result)
    why = "column 'c' is a category whose levels neither the model file nor model.toml states"
    assert f"silent/1: rows that could not be re-scored: {ROWS} (the rows don't fit the booster: {why}" in said(result)


def shops(names: Sequence[str]) -> pb.Table:
    sent = pb.Column(name="shop", strings=pb.StringArray(values=names))
    return pb.Table(columns=[sent, doubles(np.arange(len(names)) % 7 / 4, "x")])


def test_d_texts_that_were_stored_cut_and_read_as_others(repository: Path, tmp_path: Path) -> None:
    sent = ["ü1", "2", "1"] * 4
    codes = [0, 1, 2] * 4
    swapped = [0, 2, 1] * 4
    for name in ("silent", "stating"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.ubj").write_bytes(CUT_SHOPS)
    line = '[features]\nshop = {type = "factor", levels = ["ü1", "2", "1"]}\n'
    (tmp_path / "stating" / "model.toml").write_text(line, encoding="utf-8")
    booster = xgboost.Booster(model_file=tmp_path / "silent" / "model.ubj")
    x = np.arange(12) % 7 / 4
    right, wrong = (by_codes(booster, np.column_stack([shop, x])) for shop in (codes, swapped))
    log = Log(tmp_path / "log")
    log.call(put(tmp_path / "silent", repository, "silent"), shops(sent), [floats(wrong)])
    stored = put(tmp_path / "stating", repository, "stating")
    log.call(stored, shops(sent), [floats(right)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "silent/1: not re-scored: xgboost 3.2 stored the categories of 'shop', which hold letters" in said(result)
    assert "all 12 rows are equal" in said(result)
    log.folder = tmp_path / "another"
    log.call(stored, shops(sent), [floats(wrong)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 1, result.output
    assert "8 of 24 rows differ" in said(result)


def test_e_a_file_that_is_newer_than_the_library(repository: Path, tmp_path: Path) -> None:
    """Unless whoever deployed it accepted that."""
    kind = BY_NAME["numeric"]
    rows, scores = kind.rows, expected("3.4.1", kind.name)
    newer = put(saved(tmp_path / "newer", "3.4.1", kind.name), repository, "newer")
    target = Repository(repository)
    with target.staged(saved(tmp_path / "accepted", "3.4.1", kind.name)) as staged:
        accepted = target.publish(staged, make_manifest(staged, None, accepts_newer_file=True), "accepted", 1)
    log = Log(tmp_path / "log")
    for stored in (newer, accepted):
        log.call(stored, matrix(rows, kind.names), [floats(scores)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "newer/1: not re-scored: model.ubj was saved by xgboost 3.4.1; the installed" in said(result)
    assert f"all {ROWS} rows are equal; not re-scored: newer/1" in said(result)


def test_f_features_of_one_name_cost_the_other_versions_nothing(repository: Path, tmp_path: Path) -> None:
    rows = some_rows(40)
    booster = train(BINARY)
    good = put(write(tmp_path / "good", Model(booster)), repository, "good")
    right = Model(booster).direct(rows)
    booster.feature_names = ["amount", "amount", "age", "d"]
    repeated = put(write(tmp_path / "repeated", Model(booster)), repository, "repeated")
    log = Log(tmp_path / "log")
    log.call(repeated, matrix(rows), [floats(right)])
    log.call(good, matrix(rows), [floats(right)])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "repeated/1: not re-scored: the model file has more than one feature named 'amount'" in said(result)
    assert "all 40 rows are equal; not re-scored: repeated/1" in said(result)


def test_a_fault_nobody_foresaw_costs_its_own_version_only(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = some_rows(40)
    model = Model(train(BINARY))
    names = ("while opening", "while scoring", "fine")
    stored = {name: put(write(tmp_path / name, model), repository, name.replace(" ", "-")) for name in names}
    log = Log(tmp_path / "log")
    for one in stored.values():
        log.call(one, matrix(rows), [floats(model.direct(rows))])
    open_as_ever, score_as_ever = XgboostPath.__init__, XgboostPath.score

    def opening(path: XgboostPath, bundle: Any) -> None:
        if bundle.path.parent.name == "while-opening":
            raise RuntimeError("nobody foresaw this")
        open_as_ever(path, bundle)

    def scoring(path: XgboostPath, logged_batches: Sequence[LoggedBatch]) -> Any:
        if logged_batches[0].call.request.model == "while-scoring":
            raise LookupError("nor this")
        return score_as_ever(path, logged_batches)

    monkeypatch.setattr(XgboostPath, "__init__", opening)
    monkeypatch.setattr(XgboostPath, "score", scoring)
    with caplog.at_level(logging.ERROR, "bridge.reconcile.run"):
        result = run(log.write(), "--repository", repository)
    assert result.exit_code == 2, result.output
    assert "while-opening/1: not re-scored: an unforeseen RuntimeError" in said(result)
    assert "while-scoring/1: not re-scored: stopped: an unforeseen LookupError" in said(result)
    assert "all 40 rows are equal; not re-scored: while-opening/1, while-scoring/1" in said(result)
    assert "nobody foresaw this" in caplog.text
    assert "nor this" in caplog.text


def test_files_of_other_versions_come_out_as_their_own_library_predicted(repository: Path, tmp_path: Path) -> None:
    words = levels_line(BEYOND_ASCII, BEYOND_ASCII.levels)
    files = {
        ("1.7.6", "sklearn"): "",
        ("1.7.6", "text_categories_beyond_ascii"): words,
        ("3.0.5", "missing_sentinel"): "[xgboost]\nmissing = -999.0\n",
        ("3.1.3", "text_categories"): "",
        ("3.1.3", "text_categories_beyond_ascii"): words,
    }
    log = Log(tmp_path / "log")
    for at, ((version, name), settings) in enumerate(files.items()):
        kind = BY_NAME[name]
        stored = put(saved(tmp_path / f"{at}", version, name, settings), repository, f"m{at}")
        log.call(stored, matrix(kind.rows), [floats(expected(version, name))])
        if kind.levels:
            log.call(stored, table_of(kind), [floats(expected(version, name))])
    result = run(log.write(), "--repository", repository)
    assert result.exit_code == 0, result.output
    assert f"all {8 * ROWS} rows are equal" in said(result)
