"""A client from environment variables, and what it sends in plain text: nothing that is secret."""

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.experimental
import pytest
import scorebridge.environment as names
from scorebridge import AsyncScoringClient, ScoringClient
from scorebridge.channel import plan_channel
from scorebridge.targets import parse_target
from scorebridge.tls_files import TlsFiles
from scorebridge.token_file import TokenFile

from bridge.config import GatewaySettings, read_settings

CLIENTS: list[Any] = [ScoringClient, AsyncScoringClient]
VARIABLES = [names.URL, names.TOKEN_FILE, names.TLS_CA, names.CLIENT_CERT, names.CLIENT_KEY, names.TIMEOUT_S]
SECRET = "s3cret-of-a-test"  # noqa: S105 - of a test
Files = dict[str, str]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Paths of a certificate, its key, another key, the key with a password, and a text."""
    folder = tmp_path_factory.mktemp("pem")
    made = {name: str(folder / name) for name in ("certificate", "key", "other", "locked", "text")}
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    for key in ("key", "other"):
        target = made["certificate"] if key == "key" else "/dev/null"
        subprocess.run([*command, "-keyout", made[key], "-out", target], check=True, capture_output=True)
    locked = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        made["key"],
        "-out",
        made["locked"],
        "-passout",
        "pass:none of yours",
    ]
    subprocess.run(locked, check=True, capture_output=True)
    Path(made["text"]).write_text("no certificate")
    return made


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file that holds a token."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


def test_no_variable_of_the_client_is_a_setting_of_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {f"SCOREBRIDGE_{name.upper()}" for name in GatewaySettings.model_fields}
    assert not settings & set(VARIABLES)
    before = read_settings(None, repository=tmp_path)
    for name in VARIABLES:
        monkeypatch.setenv(name, "anything")
    assert read_settings(None, repository=tmp_path) == before


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("empty", [True, False])
def test_a_url_is_needed(kind: Any, monkeypatch: pytest.MonkeyPatch, *, empty: bool) -> None:
    if empty:
        monkeypatch.setenv(names.URL, "")
    with pytest.raises(ValueError, match=r"^the environment variable SCOREBRIDGE_URL is not set: give 'host:8081'"):
        kind.from_env()


def made_of(environment: dict[str, str], **given: Any) -> dict[str, Any]:
    return names.arguments(environment, given)


@pytest.mark.parametrize(
    ("url", "target", "encrypted"),
    [
        ("gateway:8081", "gateway:8081", False),
        (" a:1,b:2 ", "a:1,b:2", False),
        ("dns:///gateway:8081", "dns:///gateway:8081", False),
        ("grpc://gateway:8081", "gateway:8081", False),
        ("grpcs://gateway:8081", "gateway:8081", True),
        ("GRPCS://a:1,b:2", "a:1,b:2", True),
        ("grpcs://[::1]:8081", "[::1]:8081", True),
    ],
)
def test_a_url_is_a_target_with_or_without_a_scheme_for_tls(url: str, target: str, *, encrypted: bool) -> None:
    made = made_of({names.URL: url})
    assert made["target"] == target
    assert isinstance(made["credentials"], grpc.ChannelCredentials) is encrypted
    assert set(made) == {"target", "credentials"}


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://gateway:8081", "has the scheme 'http'"),
        ("tcp://gateway:8081", "has the scheme 'tcp'"),
        ("grpcs://gateway", "has no port"),
        ("grpcs://gateway:8081/", "has more than hosts and ports behind grpcs://"),
        ("grpc://dns:///gateway:8081", "has more than hosts and ports behind grpc://"),
        ("grpcs://", "is blank"),
        ("grpcs://a:1,grpcs://b:2", "has more than hosts and ports"),
        ("grpcs:gateway:8081", "more than one colon"),
    ],
)
def test_another_form_of_url_is_refused(kind: Any, monkeypatch: pytest.MonkeyPatch, url: str, sentence: str) -> None:
    monkeypatch.setenv(names.URL, url)
    with pytest.raises(ValueError, match=sentence):
        kind.from_env()


def test_files_for_tls_encrypt_and_contradict_a_url_of_plain_text(pem: Files) -> None:
    tls = {names.TLS_CA: pem["certificate"], names.CLIENT_CERT: pem["certificate"], names.CLIENT_KEY: pem["key"]}
    for some in (dict([pair]) for pair in [*tls.items()][:1]):
        assert made_of({names.URL: "a:1", **some})["credentials"] is not None
    assert made_of({names.URL: "a:1", **tls})["credentials"] is not None
    with pytest.raises(ValueError, match=r"^'grpc://a:1' asks for plain text, but there are credentials for TLS"):
        made_of({names.URL: "grpc://a:1", **tls})
    empty = dict.fromkeys(tls, "")
    assert made_of({names.URL: "grpc://a:1", **empty})["credentials"] is None


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"authorities": "text"}, "text holds no certificate in PEM"),
        ({"authorities": "key"}, "key holds no certificate in PEM"),
        ({"certificate": "certificate", "key": "other"}, "are not a certificate and its key in PEM"),
        ({"certificate": "certificate", "key": "locked"}, "without a password"),
        ({"certificate": "text", "key": "key"}, "are not a certificate and its key in PEM"),
        ({"certificate": "certificate"}, "the client's certificate is given without its key"),
        ({"key": "key"}, "the client's key is given without its certificate"),
    ],
)
def test_files_that_are_no_certificates_are_refused_by_name(pem: Files, files: Files, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TlsFiles(**{role: pem[name] for role, name in files.items()}).credentials()


def test_comments_between_certificates_may_be_in_any_encoding(pem: Files, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("Autoridad Española\n".encode("latin-1") + Path(pem["certificate"]).read_bytes())
    assert isinstance(TlsFiles(str(bundle)).credentials(), grpc.ChannelCredentials)


def huge(path: Path) -> None:
    """A file with holes."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("variable", [names.TLS_CA, names.TOKEN_FILE])
@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (os.mkfifo, ValueError, "is not a regular file"),
        (lambda path: path.mkdir(), ValueError, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), ValueError, "is not a regular file"),
        (lambda path: path.symlink_to("nowhere"), OSError, "No such file"),
        (huge, ValueError, "is larger than"),
        (lambda _: None, OSError, "No such file"),
    ],
    ids=["a FIFO", "a folder", "a device", "a broken link", "a huge file", "nothing"],
)
def test_what_is_no_file_of_its_size_is_refused_by_name_and_not_waited_for(
    tmp_path: Path, variable: str, make: Callable[[Path], Any], kind: type[Exception], sentence: str
) -> None:
    path = tmp_path / "named"
    make(path)
    with pytest.raises(kind, match=sentence) as raised:
        made_of({names.URL: "localhost:1", variable: str(path)})
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_break_behind_the_token_is_none_of_it(tmp_path: Path, end: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(f"{SECRET}{end}".encode())
    assert TokenFile(path)() == SECRET


@pytest.mark.parametrize(
    "content",
    [
        *("", "\n", f"{SECRET}\n\n", f"{SECRET}\nmore", f" {SECRET}", f"Bearer {SECRET}", f"{SECRET}\t", f"{SECRET}\r"),
        *(f"{SECRET}\0", f"\ufeff{SECRET}", f"{SECRET}é", f"{SECRET}\x7f"),
    ],
)
def test_what_is_no_token_is_refused_by_the_file_s_name_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content.encode())
    with pytest.raises(ValueError, match="holds no token: it must be one line of visible ASCII") as raised:
        TokenFile(path)
    assert str(path) in str(raised.value)
    assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r}"


def old(path: Path) -> None:
    """Makes a file look as if it had been written long ago."""
    os.utime(path, ns=(1, 1))


def test_a_token_that_changed_is_sent_with_the_next_call(token_file: Path) -> None:
    token = TokenFile(token_file)
    for number in range(5):  # all of one size, and within what clocks of file systems tell apart
        token_file.write_text(f"number-{number}")
        assert token() == f"number-{number}"


def test_a_mounted_secret_of_kubernetes_is_followed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
        old(tmp_path / name / "token")
    current = tmp_path / "..data"
    current.symlink_to("first")
    (tmp_path / "token").symlink_to("..data/token")
    token = TokenFile(tmp_path / "token")
    assert token() == "first"
    (tmp_path / "..next").symlink_to("second")
    (tmp_path / "..next").rename(current)
    assert token() == "second"


@pytest.mark.parametrize("spoil", [lambda path: path.write_text(""), Path.unlink, lambda path: path.write_text("a b")])
def test_a_file_that_holds_no_token_any_more_leaves_the_last_one_loudly(
    token_file: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], Any]
) -> None:
    token = TokenFile(token_file)
    spoil(token_file)
    assert [token(), token()] == [SECRET, SECRET]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(token_file) in record.getMessage()
    assert record.getMessage().endswith("; calls go on with the last token")
    assert SECRET not in caplog.text
    token_file.write_text("another")
    assert token() == "another"
    assert SECRET not in repr(token)


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("2", 2.0), ("00.25", 0.25), ("100000000", 1e8)])
def test_a_timeout_is_a_number_of_seconds(text: str, seconds: float) -> None:
    assert made_of({names.URL: "a:1", names.TIMEOUT_S: text})["timeout_s"] == seconds


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "text", ["0", "-1", "nan", "inf", "1_0", "0.5s", " 1", "1e3", "٣", "100000001", "0x1", "1" * 400]
)
def test_another_timeout_is_refused(kind: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(names.URL, "a:1")
    monkeypatch.setenv(names.TIMEOUT_S, text)
    with pytest.raises(
        ValueError,
        match=r"^SCOREBRIDGE_TIMEOUT_S must be a number of seconds over 0, such as 0\.5, and at most 100000000$",
    ):
        kind.from_env()


def test_arguments_stand_in_for_variables(token_file: Path, pem: Files) -> None:
    environment = {
        names.URL: "grpcs://gateway:8081",
        names.TOKEN_FILE: str(token_file),
        names.TLS_CA: pem["certificate"],
        names.TIMEOUT_S: "3",
    }
    own = grpc.ssl_channel_credentials()
    given = {"target": "localhost:1", "credentials": own, "token": None, "timeout_s": None, "default": 0.5}
    assert made_of(environment, **given) == given
    assert set(made_of(environment)) == {"target", "credentials", "token", "timeout_s"}
    assert made_of(environment)["token"]() == SECRET
    channel: Any = object()
    assert made_of({}, channel=channel) == {"channel": channel, "target": ""}


@pytest.mark.parametrize(
    ("url", "given", "sentence"),
    [
        ("grpcs://a:1", {"credentials": None}, "^'grpcs://a:1' asks for TLS, but credentials is None$"),
        (
            "grpc://a:1",
            {"credentials": grpc.ssl_channel_credentials()},
            "asks for plain text, but there are credentials",
        ),
        (
            "a:1",
            {"credentials": grpc.ssl_channel_credentials(), "tls_ca": "x"},
            "credentials and tls_ca are both given",
        ),
        (
            "a:1",
            {"token": lambda: SECRET, "token_file": "x"},
            "^token and token_file are both given: give one of them$",
        ),
    ],
)
def test_arguments_may_not_contradict_each_other_or_the_url(url: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        made_of({names.URL: url}, **given)


def test_files_may_be_arguments_too(token_file: Path, pem: Files) -> None:
    files: dict[str, Any] = {"tls_ca": Path(pem["certificate"])}
    files |= {"client_cert": pem["certificate"], "client_key": pem["key"]}
    made = made_of({names.TLS_CA: "/nowhere"}, target="gateway:1", token_file=token_file, **files)
    assert isinstance(made["credentials"], grpc.ChannelCredentials)
    assert (made["token"](), set(made)) == (SECRET, {"target", "credentials", "token"})
    unset = dict.fromkeys(("tls_ca", "client_cert", "client_key", "token_file"))
    nowhere = dict.fromkeys((names.TLS_CA, names.CLIENT_CERT, names.CLIENT_KEY, names.TOKEN_FILE), "/nowhere")
    assert made_of(nowhere, target="gateway:1", **unset) == {"target": "gateway:1", "credentials": None}
    with ScoringClient.from_env(target="grpcs://gateway:1", **files) as client:
        assert isinstance(client, ScoringClient)


def test_an_unknown_argument_is_refused_as_the_client_refuses_it() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'timeout': did you mean 'timeout_s'\?"):
        ScoringClient.from_env(target="a:1", timeout=0.5)  # type: ignore[call-arg]


LOCAL = [
    *("localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/run/x"),
    *("unix-abstract:x", "dns:///localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1", "localhost:1,[::1]:2"),
]
ELSEWHERE = [
    *("gateway:1", "10.0.0.1:1", "[fe80::1]:1", "0.0.0.0:1", "[::]:1", "localhost.example:1", "127.0.0.1.example:1"),
    *("localhost:1,gateway:2", "dns:///gateway:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "xds:///gateway", "vsock:1:1"),
    *("127.1:1", "2130706433:1", "[::ffff:10.0.0.1]:1", "dns://8.8.8.8/localhost:1"),
]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_token_is_not_sent_off_this_machine_in_plain_text(
    kind: Any, target: str, monkeypatch: pytest.MonkeyPatch, token_file: Path
) -> None:
    with pytest.raises(ValueError, match=r"a token is not sent to .* in plain text, which others can read: use TLS"):
        kind(target, token=lambda: SECRET)
    monkeypatch.setenv(names.URL, target)
    monkeypatch.setenv(names.TOKEN_FILE, str(token_file))
    with pytest.raises(ValueError, match="a token is not sent to") as raised:
        kind.from_env()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("target", LOCAL)
def test_a_token_may_be_sent_on_this_machine_and_through_no_proxy(target: str) -> None:
    assert parse_target(target).local
    proxied = [("grpc.enable_http_proxy", 1)]
    plan = plan_channel(target, None, proxied, {}, token=True)
    assert dict(plan.options)["grpc.enable_http_proxy"] == 0
    assert dict(plan_channel(target, None, proxied, {}, token=False).options)["grpc.enable_http_proxy"] == 1


@pytest.mark.parametrize("target", ELSEWHERE)
def test_what_is_elsewhere_gets_a_token_by_tls(target: str) -> None:
    assert not parse_target(target).local
    plan = plan_channel(target, grpc.ssl_channel_credentials(), [], {}, token=True)
    assert "grpc.enable_http_proxy" not in dict(plan.options)


@pytest.mark.parametrize("kind", CLIENTS)
def test_credentials_of_plain_text_are_no_way_round(kind: Any) -> None:
    plain = grpc.experimental.insecure_channel_credentials()  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="in plain text, which others can read"):
        kind("gateway:1", credentials=plain, token=lambda: SECRET)
    assert dict(plan_channel("localhost:1", plain, [], {}, token=True).options)["grpc.enable_http_proxy"] == 0
