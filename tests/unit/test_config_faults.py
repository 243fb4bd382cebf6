"""All that is wrong with settings is said at once: one wrong value hides no other, and none is shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.bundles.settings import ModelSettings, model_settings_faults, read_model_settings
from bridge.callers.callers_file import parse_callers
from bridge.config import ConfigError, GatewaySettings, read_settings
from bridge.errors import BundleError
from bridge.validation import describe_invalid, fitting


def test_everything_that_is_wrong_is_said_and_the_rest_is_kept() -> None:
    found = fitting(
        GatewaySettings,
        {
            "repositry": "r",
            "grpc_port": "x",
            "grace_s": 3.0,
            "stores": {"a": {"ur": "redis://a"}, "b": {"url": "redis://b"}},
            "tls_key": "k",
        },
    )
    assert sorted(found.faults) == [
        "grpc_port: Input should be a valid integer",
        "repository: Field required",
        "repositry: unknown key: did you mean repository?",
        "stores.a.ur: unknown key: did you mean url?",
        "stores.a.url: Field required",
    ]
    assert all("unknown key" in fault for fault in found.faults[:2])
    assert found.wrong == {"repositry", "grpc_port", "stores", "repository"}
    assert (found.settings.grace_s, found.settings.grpc_port, found.settings.tls_key) == (3.0, 8081, Path("k"))
    assert list(found.settings.stores) == ["b"]


def test_every_rule_between_keys_is_looked_at_once_each_key_is_right() -> None:
    broken = {"repository": "r", "tls_key": "k", "host": "192.0.2.1"}
    first, second = fitting(GatewaySettings, broken).faults
    assert first == "tls_certificate and tls_key must both be set, or neither"
    assert second.startswith("host = '192.0.2.1' can be reached from other machines: set ")
    assert fitting(GatewaySettings, broken | {"colour": 1}).faults == ("colour: unknown key", first, second)
    assert fitting(GatewaySettings, broken | {"grace_s": -1.0}).faults == (
        "grace_s: Input should be greater than or equal to 0",
    )


def test_right_settings_have_no_fault_and_are_what_serve_reads() -> None:
    values = {"repository": "r", "grpc_port": 1, "stores": {"a": {"url": "memory:f"}}}
    found = fitting(GatewaySettings, values)
    assert (found.faults, found.wrong) == ((), frozenset())
    assert found.settings.model_dump() == GatewaySettings.model_validate(values).model_dump()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"repository": "r", "grcp_port": 1}, "grcp_port: unknown key: did you mean grpc_port?"),
        ({"repository": "r", "colour": 1}, "colour: unknown key"),
        ({"repository": "r", "stores": {"s": {"url": "memory:f", "tls_cert": ""}}}, "stores.s.tls_cert: unknown key: "),
        ({"repository": "r", "stores": {"s": "redis://x"}}, "stores.s: "),
        ({"repository": "r", "x" * 1000: 1}, "x" * 100 + ": unknown key"),
    ],
)
def test_an_unknown_key_is_told_the_nearest_of_its_section(values: dict[str, object], sentence: str) -> None:
    (fault,) = fitting(GatewaySettings, values).faults
    assert fault.startswith(sentence)
    with pytest.raises(ValidationError) as raised:
        GatewaySettings.model_validate(values)
    assert describe_invalid(raised.value, GatewaySettings) == fault


def test_a_file_of_many_wrong_keys_is_told_in_few_sentences_and_soon(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("".join(f"key_{number} = 1\n" for number in range(60_000)))
    faults = model_settings_faults(tmp_path)
    assert len(faults) == 101
    assert faults[-1] == "model.toml: 59900 more keys are wrong"
    with pytest.raises(BundleError, match=r"^model.toml: key_0: unknown key$"):
        read_model_settings(tmp_path)


def test_what_serve_says_first_is_among_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("grace_s = -1\nhots = 'x'\ngrpc_port = 'secret'")
    with pytest.raises(ConfigError, match=r"^hots: unknown key: did you mean host\?$") as raised:
        read_settings(path)
    assert len(raised.value.faults) == 4
    assert "secret" not in "".join(raised.value.faults)
    assert ConfigError("one").faults == ("one",)


MODEL = """
missing_scor = "pass"
seed = -1
[features]
a = "flot"
b = {type = "double", unit = "kg"}
[lookup.history]
group = "g"
kye = "k"
[circuit]
open = 1
"""


def test_a_model_toml_says_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(MODEL)
    faults = model_settings_faults(tmp_path)
    assert {fault.removeprefix("model.toml: ").split(": Input")[0] for fault in faults} == {
        "missing_scor: unknown key: did you mean missing_score?",
        "seed",
        "features.a.type",
        "features.b.unit: unknown key",
        "lookup.history.kye: unknown key: did you mean key?",
        "lookup.history.key: Field required",
        "circuit.open: unknown key: did you mean open_s?",
    }
    with pytest.raises(BundleError) as raised:
        read_model_settings(tmp_path)
    assert str(raised.value) == faults[0]


def test_all_rules_of_a_model_toml_that_are_broken_are_said(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(
        "missing_score = 'default'\nrow_by_row = true\ncoalesce = true\ninput = 'frame'"
    )
    assert [fault.partition(": ")[2][:25] for fault in model_settings_faults(tmp_path)] == [
        "missing_score is 'default",
        "input is 'frame', so [fea",
        "row_by_row runs each row ",
    ]


@pytest.mark.parametrize(("text", "count"), [(None, 0), ("", 0), ("timeout_s = 1.0", 0), ("timeout_s = ", 1)])
def test_a_model_toml_may_be_absent_right_or_no_toml(tmp_path: Path, text: str | None, count: int) -> None:
    if text is not None:
        (tmp_path / "model.toml").write_text(text)
    assert len(model_settings_faults(tmp_path)) == count


def test_the_loose_form_of_a_class_has_the_rules_of_the_strict_one() -> None:
    """A rule that a class of settings keeps elsewhere than in a validator behind all keys would not be looked at."""
    for kind in (GatewaySettings, ModelSettings):
        decorators = kind.__pydantic_decorators__
        assert not decorators.field_validators
        assert not decorators.root_validators
        assert {rule.info.mode for rule in decorators.model_validators.values()} == {"after"}


def test_all_wrong_callers_are_said(tmp_path: Path) -> None:
    text = b"[callers.a]\ntoken_sha25 = 'x'\n[callers.b]\nrole = 'king'\n"
    with pytest.raises(ConfigError) as raised:
        parse_callers(tmp_path / "callers.toml", text)
    said = [fault.partition("callers.toml: ")[2] for fault in raised.value.faults]
    assert said[0] == "callers.a.token_sha25: unknown key: did you mean token_sha256?"
    assert len(said) == 2
    assert said[1].startswith("callers.b.role: ")
