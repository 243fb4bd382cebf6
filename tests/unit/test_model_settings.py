"""`model.toml` and the default scores it configures: one sentence for whatever is wrong."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.bundles.settings import ModelSettings, read_model_settings
from bridge.bundles.world import Author
from bridge.calls import Output
from bridge.columns import Type
from bridge.defaults import default_scores
from bridge.errors import BundleError, DefaultReason, InvalidRequest
from bridge.features.feature import Feature


def read(bundle: Path, text: str) -> ModelSettings:
    (bundle / "model.toml").write_text(text, encoding="utf-8")
    return read_model_settings(bundle)


def test_everything_has_its_default(tmp_path: Path) -> None:
    settings = read_model_settings(tmp_path)
    assert settings == read(tmp_path, "")
    assert (settings.timeout_s, settings.max_timeout_s, settings.load_timeout_s) == (1.0, 60.0, 120.0)
    assert (settings.default_score, settings.default_on) == (
        None,
        [
            reason
            for reason in DefaultReason
            if reason not in (DefaultReason.UNKNOWN_LEVEL, DefaultReason.INVALID_VALUE)
        ],
    )
    assert (settings.unknown_level, settings.input) == ("refuse", "columns")
    assert settings.xgboost.missing is None
    assert settings.declared_features() == ()
    assert settings.declared_outputs() is None


def test_every_key_of_the_design_is_taken(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        backend = "rserve"
        input = "frame"
        timeout_s = 2
        max_timeout_s = 30
        kill_after_s = 0.5
        load_timeout_s = 10
        reply_reserve_s = 0
        default_score = {score = 0.5, label = "none", sure = false}
        default_on = ["DEADLINE", "WORKER_LOST"]
        missing_score = "pass"
        golden_tolerance = 1e-9
        row_wise = true
        coalesce = false
        max_batch_rows = 10
        chunk_rows = 5
        workers = 3
        worker_recycle_calls = 7
        memory_limit_mb = 512
        seed = 0
        max_pending_rows = 11
        timezone = "America/Argentina/Buenos_Aires"
        locale = "sr_RS.UTF-8@latin"
        [author]
        r = "4.3.1"
        timezone = "Asia/Shanghai"
        locale = "Chinese (Simplified)_China.936"
        collation = "the system's own rules"
        packages = {randomForest = "4.7-1.1", "data.table" = "1.14.8"}
        [features]
        "a b" = "double"
        sex = {type = "factor", levels = ["f", "m"]}
        grade = {type = "factor", levels = ["lo", "hi"], ordered = true}
        [outputs]
        score = "double"
        [retry]
        attempts = 1
        backoff_s = 0.1
        [circuit]
        failures = 2
        open_s = 1
        [xgboost]
        trees = "best"
        missing = -999
        [engine]
        name = "xgboost"
        """,
    )
    assert settings.declared_features() == (
        Feature("a b", Type.DOUBLE),
        Feature("sex", Type.FACTOR, ("f", "m")),
        Feature("grade", Type.FACTOR, ("lo", "hi"), ordered=True),
    )
    assert settings.declared_outputs() == (Output("score", Type.DOUBLE),)
    assert settings.default_on == [DefaultReason.DEADLINE, DefaultReason.WORKER_LOST]
    assert settings.default_score == {"score": 0.5, "label": "none", "sure": False}
    assert (settings.xgboost.missing, settings.xgboost.trees, settings.seed) == (-999.0, "best", 0)
    assert (settings.worker_limit_s, settings.input) == (0.5, "frame")
    assert (settings.timezone, settings.locale) == ("America/Argentina/Buenos_Aires", "sr_RS.UTF-8@latin")
    assert settings.author == Author(
        r="4.3.1",
        timezone="Asia/Shanghai",
        locale="Chinese (Simplified)_China.936",
        collation="the system's own rules",
        packages={"randomForest": "4.7-1.1", "data.table": "1.14.8"},
    )


@pytest.mark.parametrize(
    "locale", ["C", "POSIX", "C.UTF-8", "zh_CN.UTF-8", "zh_CN.utf8", "eo.UTF-8", "ca_ES.utf-8@valencia"]
)
@pytest.mark.parametrize("timezone", ["UTC", "PRC", "Asia/Shanghai", "Etc/GMT-8", "America/North_Dakota/New_Salem"])
def test_the_world_is_handed_over_as_it_is_said(tmp_path: Path, timezone: str, locale: str) -> None:
    variables = read(tmp_path, f"timezone = '{timezone}'\nlocale = '{locale}'").world_variables
    assert (variables["SCOREBRIDGE_TIMEZONE"], variables["SCOREBRIDGE_LOCALE"]) == (timezone, locale)


UTF8 = "locale: text in a worker is UTF-8, so the locale must be a UTF-8 one: use "
NO_ZONE = "timezone: this is not the name of a time zone, such as 'Asia/Shanghai'"
NO_LOCALE = "locale: this is not the name of a locale, such as 'zh_CN.UTF-8' or 'C'"


def test_a_worker_may_be_busy_as_long_as_a_call_may_take(tmp_path: Path) -> None:
    assert read(tmp_path, "timeout_s = 3").worker_limit_s == 3.0


WRONG = [
    ("timeout = 1", "timeout: unknown key"),
    ("[retry]\nbackoff = 1", "retry.backoff: unknown key"),
    ("[features]\na = {type = 'double', unit = 'kg'}", "features.a.unit: unknown key"),
    ("[xgboost]\ntree = 'all'", "xgboost.tree: unknown key"),
    ("timeout_s = 0", "timeout_s: "),
    ("timeout_s = -1.5", "timeout_s: "),
    ("timeout_s = inf", "timeout_s: "),
    ("timeout_s = nan", "timeout_s: "),
    ("timeout_s = '1'", "timeout_s: "),
    ("timeout_s = true", "timeout_s: "),
    ("reply_reserve_s = -1", "reply_reserve_s: "),
    ("golden_tolerance = -1", "golden_tolerance: "),
    ("golden_tolerance = inf", "golden_tolerance: "),
    ("workers = 0", "workers: "),
    ("workers = 1.5", "workers: "),
    ("seed = -1", "seed: "),
    ("seed = 2147483648", "seed: "),
    ("backend = 'R'", "backend: "),
    ("input = 'rows'", "input: "),
    ("input = 'frame'\n[features]\n'' = 'int'", "input is 'frame', and a column of [features] has no name"),
    ("input = 'frame'", r"input is 'frame', so [features] must list its columns: one line each, in their order"),
    ("row_wise = 'yes'", "row_wise: "),
    ("default_on = ['TIMEOUT']", "default_on.0: "),
    ("default_on = 'DEADLINE'", "default_on: "),
    ("default_score = inf", "default_score must be a finite number"),
    ("default_score = {a = nan}", "default_score must be a finite number"),
    ("default_score = 2020-01-01", "default_score"),
    ("default_score = [1, 2]", "default_score"),
    ("missing_score = 'default'", "missing_score is 'default' but there is no default_score"),
    ("missing_score = 'na'", "missing_score: "),
    ("[features]\na = 'float'", "features.a.type: "),
    ("[features]\na = 'factor'", "features.a: a factor needs levels"),
    (
        "[features]\na = {type = 'double', levels = ['x']}",
        "features.a: only features of type factor, int or int64 can have levels",
    ),
    ("[features]\na = {levels = ['x']}", "features.a: type is missing"),
    (
        "[features]\na = {type = 'int', levels = ['x']}",
        "features.a: the levels of a factor must be texts, the levels of int",
    ),
    ("[features]\na = {type = 'int', levels = [1, 1]}", "features.a: a level is listed twice"),
    ("[features]\na = {type = 'int', levels = [2147483648]}", "features.a: a level is outside the range of int"),
    (
        "[features]\na = {type = 'int64', levels = [9223372036854775808]}",
        "features.a: a level is outside the range of int64",
    ),
    ("[features]\na = {type = 'int', levels = [1.5]}", "features.a.levels"),
    ("[features]\na = {type = 'int', levels = [true]}", "features.a.levels"),
    (
        "[features]\na = {type = 'factor', levels = 'codes'}",
        "features.a: codes are whole numbers, so the type must be 'int'",
    ),
    (
        "[features]\na = {levels = 'codes', unknown_level = 'missing'}",
        "features.a: with levels = 'codes' the levels are not known",
    ),
    (
        "[features]\na = {type = 'double', unknown_level = 'missing'}",
        "features.a: only features of type factor, int or int64 can",
    ),
    ("[features]\na = {unknown_level = 'drop'}", "features.a.unknown_level: "),
    ("unknown_level = 'default'", "unknown_level is 'default' but there is no default_score"),
    ("[features]\na = {unknown_level = 'default'}", "unknown_level is 'default' but there is no default_score"),
    ("default_score = 1\ndefault_on = ['UNKNOWN_LEVEL']", "default_on names UNKNOWN_LEVEL: set unknown_level"),
    (
        "default_score = 1\ndefault_on = ['INVALID_VALUE']",
        "default_on names INVALID_VALUE, which is never answered",
    ),
    ("[xgboost]\noutput_names = ['a', 'a']", "xgboost: output_names has a name twice"),
    ("[xgboost]\nfeature_names = ['a', '']", "xgboost: feature_names has an empty name"),
    ("[xgboost]\ntop_reasons = 65", "xgboost.top_reasons: "),
    ("[features]\na = {type = 'factor', levels = ['x', 'y', 'x']}", "features.a: a level is listed twice"),
    ("[features]\na = {type = 'factor', levels = [1]}", "features.a: the levels of a factor must be texts"),
    ("[features]\na = {type = 'int', ordered = true}", "features.a: only a factor can be ordered"),
    ("[outputs]\nscore = 'factor'", "outputs.score: "),
    *((f"timezone = '{name}'", NO_ZONE) for name in ("", "../etc/passwd", "/etc/localtime", ":Asia/Shanghai", "Asia/")),
    *((f"timezone = '{name}'", NO_ZONE) for name in ("a b", "Asia/Shanghai; ls", "A=B", "A" * 101)),
    ('timezone = "Asia\\u0000"', NO_ZONE),
    ("timezone = 8", "timezone: "),
    ("locale = 'zh_CN.GBK'", f"{UTF8}'zh_CN.UTF-8'"),
    ("locale = 'zh_CN'", f"{UTF8}'zh_CN.UTF-8'"),
    ("locale = 'de_DE.ISO-8859-15@euro'", f"{UTF8}'de_DE.UTF-8@euro'"),
    *(
        (f"locale = '{name}'", NO_LOCALE)
        for name in ("", "german", "c", "ZH_CN.UTF-8", "zh_CN.UTF-8;x", "C.GBK", "zh_CN/x")
    ),
    ("locale = 'Chinese (Simplified)_China.936'", NO_LOCALE),
    ("locale = true", "locale: "),
    ("[author]\nname = 'me'", "author.name: unknown key"),
    ('[author]\nr = "4\\n2"', "author.r: up to 100 printable characters are needed"),
    ("[author.packages]\n'a b' = '1'", "author.packages"),
    ("[author.packages]\na = 1", "author.packages.a: "),
    ("[author.packages]\n" + "\n".join(f"p{number} = '1'" for number in range(1001)), "author.packages: "),
    ("[xgboost]\ntrees = 'some'", "xgboost.trees: "),
    ("[engine]\nname = 'fast'", "engine.name: "),
    ("timeout_s = ", "model.toml is not TOML: "),
    ("timeout_s = 1\ntimeout_s = 2", "model.toml is not TOML: "),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_setting_is_one_sentence_that_names_its_key(tmp_path: Path, text: str, sentence: str) -> None:
    prefix = "" if sentence.startswith("model.toml") else "model.toml: "
    with pytest.raises(BundleError, match="^" + re.escape(prefix + sentence)) as raised:
        read(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_bytes(b"# \xff\n")
    with pytest.raises(BundleError, match=r"^model\.toml is not TOML"):
        read_model_settings(tmp_path)


D, F, N, B, S = (Output(str(kind)[0], kind) for kind in (Type.DOUBLE, Type.FLOAT, Type.INT, Type.BOOL, Type.STRING))
FLOAT_MAX = 3.4028234663852886e38

FITTING: list[tuple[Any, list[Output], list[Any]]] = [
    (0.5, [D], [0.5]),
    (1, [D, F, N], [1.0, 1.0, 1]),
    (2.0, [N], [2]),
    (2**31 - 1, [N], [2**31 - 1]),
    (-FLOAT_MAX, [F], [-FLOAT_MAX]),
    (1e300, [D], [1e300]),
    (True, [B], [True]),
    ("", [S], [""]),
    ({"s": "x", "d": 1, "b": False, "f": 0.5, "i": -1}, [D, F, N, B, S], [1.0, 0.5, -1, False, "x"]),
]


@pytest.mark.parametrize(("configured", "outputs", "values"), FITTING)
def test_a_default_is_of_its_output_s_type(configured: Any, outputs: list[Output], values: list[Any]) -> None:
    defaults = default_scores(configured, outputs)
    assert [default.output for default in defaults] == outputs
    assert [(type(default.value), default.value) for default in defaults] == [(type(value), value) for value in values]
    for default in defaults:
        assert default.column(2).values.dtype == default.output.type.dtype
        assert default.column(2).values.tolist() == pytest.approx([default.value] * 2)


@pytest.mark.parametrize(
    ("configured", "output"),
    [
        ("0.5", D),
        (True, D),
        (True, F),
        (0.5, N),
        (False, N),
        (1, B),
        ("TRUE", B),
        (1, S),
        (True, S),
    ],
)
def test_a_default_that_can_not_be_of_its_output_s_type_is_refused(configured: float | str, output: Output) -> None:
    for given in (configured, {output.name: configured}):
        sentence = f"^default_score can't be a {output.type}, the type of the output '{output.name}'$"
        with pytest.raises(InvalidRequest, match=sentence):
            default_scores(given, [output])


@pytest.mark.parametrize(
    ("configured", "output"),
    [
        pytest.param(10**400, D, id="10^400-double"),
        pytest.param(10**400, N, id="10^400-int"),
        (FLOAT_MAX * 1.01, F),
        (2**31, N),
        (-(2**31), N),
        (1e300, N),
    ],
)
def test_a_default_too_large_for_its_output_is_called_so(configured: float, output: Output) -> None:
    sentence = f"^default_score is too large for a {output.type}, the type of the output '{output.name}'$"
    with pytest.raises(InvalidRequest, match=sentence):
        default_scores(configured, [output])


@pytest.mark.parametrize("configured", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("outputs", [[D], [F], [N], None])
def test_a_default_must_be_finite(configured: float, outputs: list[Output] | None) -> None:
    with pytest.raises(InvalidRequest, match=r"^default_score must be a finite number$"):
        default_scores(configured, outputs)


def test_a_table_names_every_output_and_no_other() -> None:
    with pytest.raises(InvalidRequest, match=r"^default_score has no value for the output 'i'$"):
        default_scores({"d": 1.0}, [D, N])
    with pytest.raises(InvalidRequest, match=r"^default_score names 'x', which is not an output of the model$"):
        default_scores({"d": 1.0, "x": 1.0}, [D])


def test_without_known_outputs_the_default_stands_for_outputs_of_its_own_type() -> None:
    assert default_scores(None, [D]) == ()
    assert default_scores(None, None) == ()
    kinds: dict[str, bool | int | float | str] = {"a": True, "b": 1, "c": 0.5, "d": "x"}
    assert [(one.output.name, one.output.type, one.value) for one in default_scores(kinds, None)] == [
        ("a", Type.BOOL, True),
        ("b", Type.DOUBLE, 1.0),
        ("c", Type.DOUBLE, 0.5),
        ("d", Type.STRING, "x"),
    ]
    assert [one.output for one in default_scores(3, None)] == [Output("score", Type.DOUBLE)]
