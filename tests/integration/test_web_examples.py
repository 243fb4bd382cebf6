"""The examples of web applications: each asks a real gateway, holds no model, and answers where no gateway does."""

import asyncio
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi.testclient import TestClient
from fixtures import ROOT, put
from gateways import GatewayProcess
from patients import PATIENTS, make_diabetes
from scorebridge import ScoringClient

NOBODY = "127.0.0.1:1"
JSON = {"content-type": "application/json"}
APPS = ["flask", "fastapi", "django"]
Ask = Callable[[Any], httpx2.Response]


class Served(NamedTuple):
    """A gateway with the model, and what the model gives for the patients."""

    url: str
    scores: list[float]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("web")
    scores = make_diabetes(folder / "bundle")
    put(folder / "bundle", folder / "repository", "diabetes")
    gateway = GatewayProcess(folder / "repository")
    yield Served(gateway.url, scores)
    gateway.end(signal.SIGTERM)


@contextmanager
def asking(app: str, target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks an application in this process, whose client asks the target."""
    monkeypatch.setenv("SCOREBRIDGE_URL", target)
    module = importlib.import_module(f"web.{app}_app")
    if app == "fastapi":
        with TestClient(module.app) as client:
            yield lambda body: client.post("/risks", content=body, headers=JSON)
        return
    wsgi = module.app if app == "flask" else module.application
    with ScoringClient(target, timeout_s=2, default=0.33) as own:
        monkeypatch.setattr(module, "client", own)
        with httpx2.Client(transport=httpx2.WSGITransport(app=wsgi), base_url="http://localhost") as client:
            yield lambda body: client.post("/risks", content=body, headers=JSON)


@pytest.mark.parametrize("app", APPS)
def test_it_answers_the_model_s_scores(served: Served, app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(app, served.url, monkeypatch) as ask:
        found = ask(json.dumps(PATIENTS)).json()
    assert found == {"source": "MODEL", "risks": [{"risk": score, "default": None} for score in served.scores]}


@pytest.mark.parametrize("app", APPS)
def test_where_no_gateway_answers_it_says_that_it_gives_its_default(app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with asking(app, NOBODY, monkeypatch) as ask:
        found = ask(json.dumps(PATIENTS)).json()
    assert found["source"] == "CLIENT_DEFAULT"
    assert [one["risk"] for one in found["risks"]] == [0.33, 0.33]
    assert {one["default"] for one in found["risks"]} <= {"UNAVAILABLE", "DEADLINE", "CLIENT_CIRCUIT_OPEN"}


WRONG = [
    *('[{"glu": 4711.5, "bmi": 1}]', '[{"glu": 4711.5, "bmi": 1, "age": 2, "weight": 3}]', '[{"glu": [4711.5]}]'),
    *(
        '{"glu": {"a": 4711.5}}',
        '"4711.5"',
        "4711.5",
        "[4711.5]",
        '[{"glu": 4711.5',
        "[null]",
        '[{"glu": "4711.5"}, {"glu": 1}]',
    ),
]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("body", WRONG)
def test_what_is_no_patients_is_refused_without_its_values(
    served: Served, app: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking(app, served.url, monkeypatch) as ask:
        answer = ask(body)
    assert answer.status_code in (400, 422)
    if app != "fastapi":  # which itself shows a caller what it sent
        assert "4711" not in answer.text


@pytest.mark.parametrize("app", ["flask_app:app", "django_app:application"])
async def test_it_works_in_every_worker_of_a_gunicorn_that_loaded_it_before_the_fork(
    served: Served, tmp_path: Path, app: str
) -> None:
    socket = tmp_path / "socket"
    command = ("-m", "gunicorn", "--preload", "--workers", "2", "--bind", f"unix:{socket}", "--no-control-socket")
    logging = ("--access-logfile", "-", "--access-logformat", "%(p)s")
    gunicorn = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, *logging, "--chdir", str(ROOT / "examples" / "web"), app),
        env=os.environ | {"SCOREBRIDGE_URL": served.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert gunicorn.stdout is not None
    assert gunicorn.stderr is not None
    try:
        workers: set[int] = set()
        while len(workers) < 2:
            line = (await gunicorn.stderr.readline()).decode()
            assert line
            workers |= {int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", line)}
        transport = httpx2.AsyncHTTPTransport(uds=str(socket))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
            answered: set[int] = set()
            while answered != workers:  # the kernel chooses who answers
                answers = await asyncio.gather(*(client.post("/risks", json=PATIENTS) for _ in range(4)))
                assert [answer.json()["source"] for answer in answers] == ["MODEL"] * 4
                answered |= {int((await gunicorn.stdout.readline()).strip(b"<>\n")) for _ in answers}
    finally:
        gunicorn.terminate()
        await gunicorn.communicate()
    assert gunicorn.returncode == 0
