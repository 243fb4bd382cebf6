"""The protos: the generated code is theirs, every part is commented, and names are as buf's STANDARD rules ask."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).parents[2]
PROTO = "protos/scorebridge/v1/scoring.proto"
GENERATED = Path("scorebridge") / "v1"
PATH = tuple[int, ...]

# Numbers of the fields of FileDescriptorProto, DescriptorProto, EnumDescriptorProto and ServiceDescriptorProto.
MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, NESTED_ENUM, ONEOF = 2, 3, 4, 8
VALUE, METHOD = 2, 2


def make(*arguments: str) -> None:
    """Runs make as a person would, whoever called pytest."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        ["make", "--silent", *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    """The proto as the Makefile's own protoc understands it, comments included."""
    target = tmp_path_factory.mktemp("described") / "scoring.bin"
    rule = f"describe: ; @$(PROTOC) --include_source_info --descriptor_set_out={target} {PROTO}"
    make(f"--eval={rule}", "describe")
    (file,) = FileDescriptorSet.FromString(target.read_bytes()).file
    return file


def test_the_generated_code_is_what_the_protos_give(tmp_path: Path) -> None:
    make("protos", f"GENERATED={tmp_path / 'client'}", f"GENERATED_FOR_GATEWAY={tmp_path / 'gateway'}")
    for made_in, kept_in, names in (
        (Path("client", GENERATED), ROOT / "clients" / "python" / GENERATED, ("scoring_pb2", "prediction_log_pb2")),
        (Path("gateway", "open_inference"), ROOT / "bridge" / "codecs" / "open_inference", ("inference_pb2",)),
    ):
        made = {entry.name: entry.read_text() for entry in (tmp_path / made_in).iterdir()}
        assert set(made) == {f"{name}{suffix}" for name in names for suffix in (".py", ".pyi")}
        for name, text in made.items():
            assert (kept_in / name).read_text() == text, f"{name}: run `make protos`"


def messages_of(file: FileDescriptorProto) -> Iterator[tuple[PATH, DescriptorProto]]:
    """Every message but the entries that protoc makes up for maps."""
    waiting: list[tuple[PATH, DescriptorProto]] = [((MESSAGE, at), one) for at, one in enumerate(file.message_type)]
    while waiting:
        path, message = waiting.pop()
        if message.options.map_entry:
            continue
        yield path, message
        waiting += [((*path, NESTED, at), nested) for at, nested in enumerate(message.nested_type)]


def enums_of(file: FileDescriptorProto) -> Iterator[tuple[PATH, EnumDescriptorProto]]:
    yield from (((ENUM, at), enum) for at, enum in enumerate(file.enum_type))
    for path, message in messages_of(file):
        yield from (((*path, NESTED_ENUM, at), enum) for at, enum in enumerate(message.enum_type))


def services_of(file: FileDescriptorProto) -> Iterator[tuple[PATH, ServiceDescriptorProto]]:
    yield from (((SERVICE, at), service) for at, service in enumerate(file.service))


def parts_of(file: FileDescriptorProto) -> Iterator[tuple[PATH, str]]:
    """Everything that a reader meets, by its path in the descriptor."""
    for path, message in messages_of(file):
        yield path, message.name
        yield from (((*path, FIELD, at), f"{message.name}.{one.name}") for at, one in enumerate(message.field))
        yield from (
            ((*path, ONEOF, at), f"{message.name}.{one.name}")
            for at, one in enumerate(message.oneof_decl)
            if not one.name.startswith("_")  # what protoc makes up for `optional`
        )
    for path, enum in enums_of(file):
        yield path, enum.name
        yield from (((*path, VALUE, at), f"{enum.name}.{one.name}") for at, one in enumerate(enum.value))
    for path, service in services_of(file):
        yield path, service.name
        yield from (((*path, METHOD, at), f"{service.name}.{one.name}") for at, one in enumerate(service.method))


def test_every_part_has_a_comment_that_is_a_sentence(described: FileDescriptorProto) -> None:
    comments = {tuple(one.path): one.leading_comments.strip() for one in described.source_code_info.location}
    parts = list(parts_of(described))
    assert {"ScoreRequest.labels", "DefaultReason.DEFAULT_REASON_DRAINING", "ScoringService.Score"} <= {
        name for _, name in parts
    }
    bare = [name for path, name in parts if not re.search(r"[a-z].*\.$", comments.get(path, ""), re.DOTALL)]
    assert bare == []


def test_values_of_enums_carry_its_name_and_zero_is_unspecified(described: FileDescriptorProto) -> None:
    enums = [enum for _, enum in enums_of(described)]
    assert len(enums) >= 4
    screaming = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
    for enum in enums:
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
        assert [value.name for value in enum.value if not value.name.startswith(prefix)] == []
        assert [value.name for value in enum.value if not screaming.fullmatch(value.name)] == []
        assert (enum.value[0].name, enum.value[0].number) == (prefix + "UNSPECIFIED", 0)
        assert not enum.options.allow_alias


def test_names_are_cased_as_protobuf_s_style_asks(described: FileDescriptorProto) -> None:
    pascal, snake = re.compile(r"([A-Z][a-z0-9]+)+"), re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
    named = [name for _, name in parts_of(described) if "." not in name]
    methods = [method.name for _, service in services_of(described) for method in service.method]
    fields = [field.name for _, message in messages_of(described) for field in message.field]
    oneofs = [one.name.removeprefix("_") for _, message in messages_of(described) for one in message.oneof_decl]
    assert [name for name in named + methods if not pascal.fullmatch(name)] == []
    assert [name for name in fields + oneofs if not snake.fullmatch(name)] == []
    assert len(fields) > len(named) > len(methods) == 3


def test_the_package_is_versioned_and_lies_in_its_folder(described: FileDescriptorProto) -> None:
    assert re.fullmatch(r"[a-z]+\.v[1-9]\d*", described.package)
    assert Path(PROTO).parent == Path("protos", *described.package.split("."))
    assert described.syntax == "proto3"
    assert described.options.java_package == "io." + described.package
    assert described.options.java_multiple_files


def test_every_rpc_is_unary_and_has_messages_of_its_own(described: FileDescriptorProto) -> None:
    used: list[str] = []
    for _, service in services_of(described):
        assert service.name.endswith("Service")
        for method in service.method:
            own = (f".{described.package}.{method.name}Request", f".{described.package}.{method.name}Response")
            assert (method.input_type, method.output_type) == own
            assert not method.client_streaming
            assert not method.server_streaming
            used += own
    assert len(used) == len(set(used)) == 6
