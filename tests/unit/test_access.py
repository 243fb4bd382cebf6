"""Who a caller is, by what it shows; and the file that says so."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.callers.access import Access
from bridge.callers.caller import Credentials
from bridge.config import ConfigError
from bridge.errors import PermissionDenied, Unauthenticated

HERE, FAR = "ipv4:127.0.0.1:5123", "ipv4:10.0.0.7:5123"
TOKENS = {
    name: f"{name}-token-0123456789abcdefghijklmnopqrstuvwxyz" for name in ("shop", "bank", "both", "old", "next")
}


def digest(name: str) -> str:
    return hashlib.sha256(TOKENS[name].encode()).hexdigest()


FILE = f"""
[callers.shop]
token_sha256 = "{digest("shop")}"
models = ["glm", "fraud-*"]

[callers.bank]
certificate = "bank.example"
role = "operate"

[callers.both]
token_sha256 = ["{digest("both")}", "{digest("next")}"]
certificate = ["spiffe://x/both", "both.example"]

[callers.old]
token_sha256 = "{digest("old")}"
expires = 2020-01-01T00:00:00Z
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "callers.toml"
    path.write_text(FILE)
    return path


def shown(
    token: str | None = None, certificate: Sequence[str] = (), *, encrypted: bool = True, peer: str = FAR
) -> Credentials:
    """The credentials of a call with this token and a certificate with these names."""
    authorization = () if token is None else (f"Bearer {token}",)
    return Credentials(authorization, tuple(certificate), encrypted, peer)


@pytest.mark.parametrize(
    ("credentials", "name"),
    [
        (shown(TOKENS["shop"]), "shop"),
        (shown(TOKENS["shop"], encrypted=False, peer=HERE), "shop"),
        (Credentials((f"bearer {TOKENS['shop']}",), (), True, FAR), "shop"),
        (Credentials((f"BEARER   {TOKENS['shop']} ",), (), True, FAR), "shop"),
        (shown(None, ["other.example", "bank.example"]), "bank"),
        (shown(TOKENS["both"], ["both.example"]), "both"),
        (shown(TOKENS["next"], ["spiffe://x/both", "both.example"]), "both"),
    ],
)
def test_a_caller_is_known_by_all_that_its_entry_names(file: Path, credentials: Credentials, name: str) -> None:
    access = Access(file)
    assert access.identify(credentials).name == name
    assert access.refused == 0


UNKNOWN = [
    shown(),
    shown(""),
    shown("wrong"),
    shown(TOKENS["shop"][:-1]),
    shown(TOKENS["shop"] + "x"),
    shown(TOKENS["shop"].upper()),
    shown(digest("shop")),
    shown(TOKENS["old"]),
    shown(TOKENS["both"]),
    shown(None, ["both.example"]),
    shown(TOKENS["both"], ["bank.example"]),
    shown(TOKENS["shop"], ["bank.example"]),
    shown("wrong", ["bank.example"]),
    shown(None, ["nobody.example"]),
    shown(None, ["BANK.example"]),
    shown(None, ["bank.example", "both.example"]),
    shown(None, [""]),
    shown("é" * 10),
    shown("\udce9"),
    shown("x" * 5000),
    Credentials((f"Basic {TOKENS['shop']}",), (), True, FAR),
    Credentials((TOKENS["shop"],), (), True, FAR),
    Credentials((f"Bearer{TOKENS['shop']}",), (), True, FAR),
    Credentials((f"Bearer {TOKENS['shop']}", f"Bearer {TOKENS['shop']}"), (), True, FAR),
    Credentials((f"Bearer {TOKENS['shop']}, Bearer x",), (), True, FAR),
    shown(encrypted=False, peer=HERE),
]


@pytest.mark.parametrize("credentials", UNKNOWN)
def test_everything_else_is_refused_in_the_same_words(file: Path, credentials: Credentials) -> None:
    access = Access(file)
    with pytest.raises(Unauthenticated) as caught:
        access.identify(credentials)
    assert str(caught.value).startswith("the gateway does not know this caller: it takes the token of a caller")
    assert access.refused == 1


@pytest.mark.parametrize("callers", [True, False])
@pytest.mark.parametrize("token", ["shop", "wrong"])
def test_a_token_in_plain_text_from_elsewhere_is_refused_whoever_it_is(file: Path, token: str, callers: bool) -> None:
    access = Access(file if callers else None)
    with pytest.raises(Unauthenticated, match=r"^a token came in plain text from another machine.*: use TLS"):
        access.identify(shown(TOKENS.get(token, token), encrypted=False))


@pytest.mark.parametrize(
    ("credentials", "name", "operates"),
    [
        (Credentials(peer=HERE), "ipv4:127.0.0.1", True),
        (Credentials(peer=FAR), "ipv4:10.0.0.7", False),
        (shown("any", peer=HERE, encrypted=False), "ipv4:127.0.0.1", True),
        (shown(None, ["b.example", "a.example", "b.example"]), "certificate:a.example,b.example", False),
        (shown(None, ["a.example"], peer=HERE), "certificate:a.example", True),
    ],
)
def test_without_a_file_everybody_may_call_and_those_here_operate(
    credentials: Credentials, name: str, operates: bool
) -> None:
    caller = Access(None).identify(credentials)
    assert (caller.name, caller.operates, caller.may_ask("anything")) == (name, operates, True)


@pytest.mark.parametrize(
    ("model", "may"), [("glm", True), ("fraud-1", True), ("fraud-", True), ("Glm", False), ("glm2", False), ("", False)]
)
def test_models_are_told_by_patterns(file: Path, model: str, may: bool) -> None:
    shop = Access(file).identify(shown(TOKENS["shop"]))
    assert shop.may_ask(model) is may
    if not may:
        with pytest.raises(PermissionDenied, match=r"^the caller 'shop' may not ask for this model"):
            shop.require(model)
    assert not shop.operates
    with pytest.raises(PermissionDenied, match=r"^the caller 'shop' needs role = 'operate'"):
        shop.require_operate()


WRONG = [
    ("", "callers: Field required"),
    ("[callers]", "callers: Dictionary should have at least 1 item"),
    ("[callers.a]", "callers.a: needs token_sha256 or certificate, else nobody can be this caller"),
    ("[callers.a]\ntoken = 'x'", "callers.a.token: unknown key"),
    ("[callers.a]\ntoken_sha256 = 'secret-token'", "callers.a: token_sha256 must be 64 of 0-9 and a-f"),
    (f"[callers.a]\ntoken_sha256 = '{'A' * 64}'", "callers.a: token_sha256 must be 64 of 0-9 and a-f"),
    ("[callers.a]\ncertificate = ''", "callers.a.certificate.0: String should have at least 1 character"),
    ("[callers.a]\ncertificate = 'x'\nmodels = []", "callers.a.models: List should have at least 1 item"),
    ("[callers.a]\ncertificate = 'x'\nrole = 'admin'", "callers.a.role: "),
    ("[callers.a]\ncertificate = 'x'\nrows_per_s = 0", "callers.a.rows_per_s: "),
    ("[callers.a]\ncertificate = 'x'\nrows_per_s = inf", "callers.a.rows_per_s: "),
    ("[callers.a]\ncertificate = 'x'\nexpires = 2027-01-01", "callers.a.expires: "),
    ("[callers.a]\ncertificate = 'x'\nexpires = 2027-01-01T00:00:00", "callers.a: expires needs an offset from UTC"),
    ("[callers.'a b']\ncertificate = 'x'", "a caller's name has 1 to 64 of letters"),
    (f"[callers.{'a' * 65}]\ncertificate = 'x'", "a caller's name has 1 to 64 of letters"),
    (
        f"[callers.a]\ntoken_sha256 = '{'0' * 64}'\n[callers.b]\ntoken_sha256 = '{'0' * 64}'",
        "the callers 'a' and 'b' have one token_sha256",
    ),
    ("[callers.a", "is not TOML: "),
    ("x" * (1 << 20) + "x", "is larger than 1048576 bytes"),
]


@pytest.mark.parametrize(("text", "fault"), WRONG)
def test_a_wrong_file_is_an_error_that_holds_no_value_of_it(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "callers.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Access(path)
    assert fault in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_a_certificate_that_is_never_asked_for_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"'bank' has a certificate: set tls_client_ca"):
        Access(file, certificates=False)


@pytest.mark.parametrize("kind", ["absent", "folder", "not UTF-8"])
def test_a_file_that_can_not_be_read_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "callers.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not UTF-8":
        path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^callers: "):
        Access(path)


def test_a_changed_file_counts_once_it_was_seen_twice(file: Path) -> None:
    access = Access(file)
    file.write_text(FILE.replace("bank.example", "other.example"))
    access.look()
    assert access.identify(shown(None, ["bank.example"])).name == "bank"
    access.look()
    assert access.identify(shown(None, ["other.example"])).name == "bank"
    with pytest.raises(Unauthenticated):
        access.identify(shown(None, ["bank.example"]))


@pytest.mark.parametrize("cut", [len(FILE) // 3, len(FILE) // 2, len(FILE) - 5, 0])
def test_a_torn_file_keeps_the_last_good_one(file: Path, cut: int) -> None:
    access = Access(file)
    file.write_text(FILE[:cut])
    access.look()
    file.write_text(FILE)
    access.look()
    access.look()
    assert access.identify(shown(TOKENS["both"], ["both.example"])).name == "both"
    assert access.fault == ""


@pytest.mark.parametrize("text", ["", "[callers.a", "[callers]", "[callers.a]\nrole = 'operate'", None])
def test_a_wrong_file_keeps_the_last_good_one_and_is_told_once(
    file: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(file)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            access.look()
    assert access.identify(shown(TOKENS["shop"])).name == "shop"
    assert access.fault.startswith("callers: ")
    assert len(caplog.records) == 1
    assert "the last callers that were valid may still call, and no others" in caplog.text
    file.write_text(FILE)
    access.look()
    assert access.fault == ""


def test_a_limit_of_rows_outlives_a_change_of_the_file_elsewhere(file: Path) -> None:
    limited = FILE.replace('models = ["glm", "fraud-*"]', "rows_per_s = 5")
    file.write_text(limited)
    access = Access(file)
    before = access.identify(shown(TOKENS["shop"])).rate
    file.write_text(limited + "# more\n")
    access.look()
    access.look()
    assert before is not None
    assert access.identify(shown(TOKENS["shop"])).rate is before
    file.write_text(limited.replace("rows_per_s = 5", "rows_per_s = 6"))
    access.look()
    access.look()
    after = access.identify(shown(TOKENS["shop"])).rate
    assert after is not None
    assert (after.per_s, after is before) == (6, False)
