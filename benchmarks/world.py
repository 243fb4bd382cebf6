"""What is measured: real models, deployed, with the requests for them and what their own libraries answer."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import train_cancer
import xgboost
from demo import HERE, INPUTS, run
from load import SCOREBRIDGE, SERVER_CORE, pinned_gateway, server
from scorebridge.batch import Batch
from scorebridge.v1 import scoring_pb2 as pb

from bridge.prediction_log.reader import read_log

__all__ = ["Times", "World", "free_port", "wait_for_port"]

_HERE = Path(__file__).parent
_SAMPLE = 200
_CANCELLED = 1  # gRPC's status code


@dataclass(frozen=True)
class Times:
    """How long and how often: `seconds` of load in each of `rounds` turns."""

    seconds: float
    rounds: int
    calls: int


class World:
    """One folder with everything; removed at the end."""

    def __init__(self, bench: Path, times: Times) -> None:
        self.bench = bench
        self.times = times
        self.mlserver_http = ""
        self.work = Path(tempfile.mkdtemp(prefix="bench-"))
        self.repository = self.work / "repository"
        self.booster, self.tumours = train_cancer.train(self.work)
        run("Rscript", "--vanilla", HERE / "train_pima.R", self.work)
        for model in ("cancer", "glm", "forest"):
            run(SCOREBRIDGE, "deploy", self.work / model, "--repository", self.repository, "--model", model)

    def close(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.work)

    def cancer_rows(self, count: int) -> np.ndarray[Any, Any]:
        """Real rows, again and again, with a little noise so that no two are the same."""
        rows = np.resize(self.tumours.to_numpy(), (count, 30))
        noisy: np.ndarray[Any, Any] = rows * np.random.default_rng(3).normal(1, 0.02, rows.shape)
        return noisy

    def cancer_request(self, rows: np.ndarray[Any, Any]) -> bytes:
        """A ScoreRequest of these rows."""
        return Batch("cancer", rows, None, {}).message().SerializeToString()

    def cancer_scores(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the booster says of them."""
        scores: np.ndarray[Any, Any] = self.booster.predict(
            xgboost.DMatrix(rows, feature_names=list(self.tumours.columns))
        )
        return scores

    def script(self, name: str) -> Path:
        """A peer's."""
        return _HERE / "peers" / name

    @cached_property
    def pima(self) -> pd.DataFrame:
        """The rows of Pima.te, and what R says of them."""
        return pd.read_csv(self.work / "direct.csv", dtype=str).astype(float)  # each digit, in every pandas

    def pima_rows(self, count: int) -> dict[str, np.ndarray[Any, Any]]:
        """Columns for the R models."""
        return {name: np.resize(self.pima[name].to_numpy(np.float64), count) for name in INPUTS}

    def pima_request(self, model: str, count: int) -> bytes:
        """A ScoreRequest of so many rows."""
        return Batch(model, self.pima_rows(count), None, {}).message().SerializeToString()

    @contextmanager
    def recorded_gateway(self, *options: str, cores: str = SERVER_CORE) -> Iterator[tuple[str, int, Path]]:
        """A gateway that records, as in real life: its address, process and log, which is removed afterwards."""
        log = Path(tempfile.mkdtemp(dir=self.work, prefix="log-"))
        with pinned_gateway(self.repository, "--log-dir", str(log), *options, cores=cores) as (url, pid):
            yield url, pid, log
        shutil.rmtree(log)

    @contextmanager
    def with_settings(self, model: str, settings: str) -> Iterator[None]:
        """Meanwhile another version of a model serves, which differs in its model.toml alone."""
        bundle = self.work / f"{model}-changed"
        shutil.copytree(self.work / model, bundle)
        toml = bundle / "model.toml"
        toml.write_text(settings + toml.read_text())
        name = f"{model}-changed"
        shutil.rmtree(self.repository / name, ignore_errors=True)
        run(SCOREBRIDGE, "deploy", bundle, "--repository", self.repository, "--model", name)
        shutil.rmtree(bundle)
        yield
        shutil.rmtree(self.repository / name)

    @contextmanager
    def mlserver(self) -> Iterator[str]:
        """MLServer with the same booster; its address."""
        saved = self.work / "model.json"
        self.booster.save_model(saved)
        with self.mlserver_of(
            saved, "mlserver_xgboost.XGBoostModel", self.mlserver_request(self.cancer_rows(1))
        ) as url:
            yield url

    @contextmanager
    def mlserver_of(self, saved: Path, runtime: str, first: Path, cores: str = SERVER_CORE) -> Iterator[str]:
        """MLServer with a saved model, in its own environment, at its fastest: no worker processes; its address.

        Its model is called cancer, and has answered the request in the file `first`.
        """
        folder = self.work / "mlserver"
        folder.mkdir(exist_ok=True)
        ports = [free_port() for _ in range(3)]
        settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, "grpc_max_message_length": 64 << 20}
        settings |= dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "cancer", "implementation": runtime, "parameters": {"uri": str(saved)}}
        (folder / "model-settings.json").write_text(json.dumps(model))
        program = self.bench / "mlserver" / "bin" / "mlserver"
        command = ["taskset", "-c", cores, str(program), "start", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                address = f"127.0.0.1:{ports[1]}"
                self.ask_mlserver(address, first)
                self.mlserver_http = f"127.0.0.1:{ports[0]}"
                yield address
            finally:
                process.terminate()

    def mlserver_request(self, rows: np.ndarray[Any, Any]) -> Path:
        """A ModelInferRequest of these rows as one raw tensor of float32."""
        return self.mlserver_tensor(rows.astype(np.float32))

    def mlserver_tensor(self, rows: np.ndarray[Any, Any], *output: str) -> Path:
        """A ModelInferRequest of these rows as one raw tensor of their own type, which may ask for one output."""
        np.save(self.work / "rows.npy", rows)
        path = self.work / f"mlserver-{len(rows)}.bin"
        self._mlserver("make", self.work / "rows.npy", path, *output)
        return path

    def ask_mlserver(self, address: str, request: Path) -> np.ndarray[Any, Any]:
        """What it answers, as an array without its shape."""
        self._mlserver("ask", address, request, self.work / "scores.npy")
        scores: np.ndarray[Any, Any] = np.load(self.work / "scores.npy")
        return scores

    def check_mlserver(self, address: str, request: Path, rows: np.ndarray[Any, Any]) -> None:
        """Its scores are the booster's."""
        expected = self.cancer_scores(rows.astype(np.float32))
        assert np.array_equal(self.ask_mlserver(address, request).astype(np.float32), expected)

    def _mlserver(self, *arguments: object) -> None:
        run(self.bench / "mlserver" / "bin" / "python", self.script("mlserver_request.py"), *arguments)

    @contextmanager
    def echo(self) -> Iterator[str]:
        """The bare grpc.aio echo; its address."""
        with server([sys.executable, self.script("echo.py")]) as (address, _):
            yield address

    def check_log(self, log: Path, expected: np.ndarray[Any, Any]) -> int:
        """What was answered, as recorded: model scores only, a sample of them equal to the bit. How many calls."""
        calls = 0
        for entry in read_log(log):
            record = entry.record
            if not record.method.endswith("/Score"):
                continue
            if record.status == _CANCELLED:
                continue  # those that were in flight when the load ended
            calls += 1
            assert record.status == 0, record.error_message
            assert not record.defaulted, "a default score is no prediction"
            if calls % _SAMPLE == 1:
                (column,) = pb.ScoreResponse.FromString(record.response).scores
                kind = column.WhichOneof("values")
                values = np.array(getattr(column, str(kind)).values, expected.dtype)
                assert values.tobytes() == expected.tobytes()
        return calls


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def wait_for_port(port: int, timeout_s: float = 30) -> None:
    """Returns once somebody listens there."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
