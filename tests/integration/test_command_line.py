"""The command line as a person uses it."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fixtures import ROOT, SCOREBRIDGE, Cancer, Pima, make_r_bundle


def run(*command: object, code: int = 0) -> str:
    done = subprocess.run(
        [str(SCOREBRIDGE), *(str(part) for part in command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@contextmanager
def serving(repository: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A gateway process, and what it printed up to its ready line."""
    command = [str(SCOREBRIDGE), "serve", "--repository", str(repository), "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            lines: list[str] = []
            while not (lines and lines[-1].startswith("ready ")):
                line = (process.stdout.readline() if process.stdout else "").rstrip("\n")
                assert line, "the gateway ended before it was ready"
                lines.append(line)
            yield process, lines
        finally:
            process.kill()


NOTES = {
    "auto": "",
    "grpc": "",
    "native": "front=native (does not bound what it receives: see docs/security.md)",
}


@pytest.fixture(scope="module")
def deployed(pima: Pima, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two versions that serve, and one that does not."""
    repository = tmp_path_factory.mktemp("deployed") / "repository"
    assert "deployed glm/1" in run("deploy", pima.folder / "glm", "--repository", repository, "--model", "glm")
    assert "deployed glm/2" in run("deploy", pima.folder / "glm", "--repository", repository, "--model", "glm")
    broken = repository / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{}")
    return repository


def test_check_and_deploy(pima: Pima, deployed: Path) -> None:
    checked = run("check", pima.folder / "glm")
    assert "outputs: score (double)" in checked
    assert "20 golden rows came out" in checked
    assert "age: double" in checked
    again = run("deploy", pima.folder / "glm", "--repository", deployed, "--model", "glm", "--version", 2, code=1)
    assert again.strip() == "glm/2 exists already, and a version is never replaced: deploy under another number"
    assert "is not a model's name" in run(
        "deploy", pima.folder / "glm", "--repository", deployed, "--model", "GLM", code=1
    )


@pytest.mark.parametrize("front", NOTES)
def test_serve_models_score(pima: Pima, deployed: Path, tmp_path: Path, front: str) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    rows = [",".join(f"{value:.17g}" for value in row) for row in pima.rows]
    source.write_text("\n".join([",".join(pima.names), *rows]) + "\n")
    with serving(deployed, "--front", front) as (process, lines):
        assert lines[0].startswith("refused broken/1: ")
        _, grpc_part, http_part, *note = lines[-1].split()
        assert " ".join(note) == NOTES[front]
        url, http = grpc_part.removeprefix("grpc="), http_part.removeprefix("http=")
        listed = run("models", "--url", url)
        assert "ready (serves)" in listed
        assert "refused" in listed
        said = run("score", "glm", "--url", url, "--input", source, "--output", target, "--timeout", 10)
        assert said.strip() == "332 rows by glm/2, 0 of them with the default score"
        scored = [float(line.split(",")[0]) for line in target.read_text().splitlines()[1:]]
        assert scored == pima.direct["glm"].tolist()
        assert urllib.request.urlopen(f"http://{http}/livez").read() == b"ok\n"
        assert b"glm/2 ready serving" in urllib.request.urlopen(f"http://{http}/readyz").read()
        taken = run("serve", "--repository", deployed, "--grpc-port", url.rpartition(":")[2], "--front", front, code=1)
        assert "is the port taken?" in taken
        assert "NOT_FOUND" in run("score", "nobody", "--url", url, "--input", source, "--output", target, code=1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("version", [0, -1, 2**31])
def test_a_version_that_can_not_be_is_refused_before_anything_is_loaded_or_written(
    tmp_path: Path, version: int
) -> None:
    repository = tmp_path / "repository"
    said = run(
        "deploy", tmp_path / "no bundle", "--repository", repository, "--model", "m", "--version", version, code=1
    )
    assert said.startswith(f"{version} is not a version: ")
    assert not repository.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("--timeout", value) for value in ("0", "-1", "inf", "nan")), ("--version", "-1"), ("--version", "99999999999")],
)
def test_a_value_that_an_option_can_not_take_is_said_of_the_option(tmp_path: Path, option: str, value: str) -> None:
    said = run("score", "m", "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv", option, value, code=2)
    assert re.search(rf"Invalid value for '?{option}\b", said)
    assert "in.csv" not in said


def test_what_a_trial_found_can_be_told_in_json(pima: Pima, tmp_path: Path) -> None:
    found = json.loads(run("check", pima.folder / "glm", "--json"))
    assert [(one["name"], one["type"]) for one in found["features"]] == [(name, "double") for name in pima.names]
    assert (found["outputs"], found["golden_rows"]) == ([{"name": "score", "type": "double"}], 20)
    assert (found["row_wise"], found["row_wise_reason"], found["waived"]) == (True, None, [])
    target = ["--repository", tmp_path / "repository", "--model", "glm", "--json"]
    assert json.loads(run("deploy", pima.folder / "glm", *target)) == {"model": "glm", "version": 1} | found
    unproven = make_r_bundle(tmp_path / "unproven", "Pred.R <- function(b) b + k", settings='row_wise = "none"')
    assert len(run("check", unproven, "--json", code=1).splitlines()) == 1


def test_a_bundle_without_features_gets_them_proposed(tmp_path: Path) -> None:
    code = "Pred.R <- function(speed, size, extra = 1) predict(fit, data.frame(speed, size))"
    fit = "cars$size <- factor(rep(c('s', 'l'), 25), c('s', 'l'), ordered = TRUE); fit <- lm(dist ~ speed + size, cars)"
    bundle = make_r_bundle(tmp_path / "cars", code, fit)
    checked = run("check", bundle)
    assert "any type: what the caller sends is passed on" in checked
    assert '[features]\n"speed" = "double"\n"size" = {type = "factor", levels = ["s", "l"], ordered = true}' in checked
    assert "outputs: score (double)" in checked


def test_an_empty_repository_is_served(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, lines):
        assert len(lines) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "is not a folder" in run("serve", "--repository", tmp_path / "nowhere", code=1)


def test_any_number_of_signals_ends_a_gateway_with_code_0(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with serving(tmp_path) as (process, _):
            while process.poll() is None:
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            assert process.returncode == 0


@pytest.mark.timeout(900)  # it waits as long as a busy machine needs
def test_the_demo_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(SCOREBRIDGE.with_name("python")), str(ROOT / "examples" / "demo.py")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.count("MODEL") == 4
    assert "DEFAULT (DEADLINE)" in done.stdout


@pytest.mark.parametrize(
    ("name", "target", "sentence"),
    [
        (
            "model.toml",
            "../secret",
            "model.toml is a link, and links are not copied: put what it leads to in its place",
        ),
        ("zero", "/dev/zero", "zero is a link, and links are not copied: put what it leads to in its place"),
        (
            "manifest.json",
            "../secret",
            "manifest.json is a link, and links are not copied: put what it leads to in its place",
        ),
        ("pipe", "", "pipe is not a regular file, but a FIFO"),
    ],
)
def test_deploy_names_a_link_or_a_special_file_and_copies_nothing(
    cancer: Cancer, tmp_path: Path, name: str, target: str, sentence: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of nobody else")
    secret.chmod(0o600)
    bundle = shutil.copytree(cancer.folder, tmp_path / "bundle")
    (bundle / name).unlink(missing_ok=True)
    if target:
        (bundle / name).symlink_to(target)
    else:
        os.mkfifo(bundle / name)
    repository = tmp_path / "repository"
    assert run("deploy", bundle, "--repository", repository, "--model", "m", code=1).strip() == sentence
    assert not repository.exists()


def test_check_follows_a_link_and_says_that_deploy_does_not(cancer: Cancer, tmp_path: Path) -> None:
    bundle = shutil.copytree(cancer.folder, tmp_path / "bundle")
    (bundle / "model.ubj").rename(tmp_path / "model.ubj")
    (bundle / "model.ubj").symlink_to("../model.ubj")
    said = "note: deploy would refuse this bundle: model.ubj is a link, and links are not copied"
    assert said in run("check", bundle)
