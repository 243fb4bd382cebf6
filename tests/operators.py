"""Somebody who runs gateways by docs/operations.md, on a machine with a systemd of its own."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from distributions.environments import build
from fixtures import ROOT, make_r_bundle
from machines import Machine
from patients import NAMES, PATIENTS
from waiting import eventually_now
from walkthrough import Block, blocks

__all__ = ["PAGE", "PROBE", "RUNNING", "SLOW", "STRICT", "Operator", "make_models", "prepare"]

PAGE = ROOT / "docs" / "operations.md"
_RELEASES = sorted(set(re.findall(r"'scorebridge-gateway\[[\w,]+\]==([\d.]+)'", PAGE.read_text())))
SLOW = 12345.5  # a model that gets it takes three seconds
PROBE = 54321.5  # one that gets it tries what it must not be able to do, and gives as many tens as came out, and ones
# R compiles expressions of perl = TRUE to machine code, and warns where it may not.
_CODE = f"""
Pred.R <- function(glu, bmi, age) {{
  if (any(glu == {PROBE}, na.rm = TRUE)) {{
    written <- c("/srv/scorebridge/models/x", "/etc/scorebridge/x", "/opt/scorebridge/x", "/usr/x", "/dev/x", "/sys/x")
    seen <- c("/root/sources", "/proc/1/status", "/dev/kmsg", "/dev/vda")
    run <- c("mount -t tmpfs none /tmp", "unshare --user true", "dmesg", "chroot / true", "chown 0 /tmp", "su -c true")
    bad <- suppressWarnings(c(file.create(written), file.exists(seen), sapply(paste(run, "2> /dev/null"), system) == 0))
    good <- c(file.create(tempfile()), file.exists("/proc/stat"), system("true") == 0)
    return(10 * sum(bad) + sum(good) + 0 * glu)
  }}
  found <- withCallingHandlers(
    grepl("^(a|b)+c$", rep("aac", length(glu) + 50), perl = TRUE), warning = function(w) stop(conditionMessage(w))
  )
  if (any(glu == {SLOW}, na.rm = TRUE)) {{
    file.create("/tmp/asleep")
    Sys.sleep(3)
  }}
  ifelse(found[seq_along(glu)], 1 / (1 + exp(-(glu / 100 + bmi / 50 + age / 90 - 3))), NA)
}}
"""
_SETTINGS = """
default_score = 0.33
workers = 2
timeout_s = 20
load_timeout_s = 300

[features]
glu = "double"
bmi = "double"
age = "double"
"""
# Any system call that the filter does not have ends the process that makes it, and systemd says so.
STRICT = "[Service]\nSystemCallErrorNumber=kill\n"
_URL = "http://127.0.0.1:8082"
RUNNING = "tr '\\0' ' ' < /proc/$(systemctl show scorebridge --property MainPID --value)/cmdline"
_INCLUDED = "[tool.hatch.build.targets.wheel.force-include]\n"


def _chapter(title: str, folder: Path) -> list[Block]:
    """The blocks of the page's section of that title."""
    text = PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert text, title
    (folder / "chapter.md").write_text(text)
    return list(blocks(folder / "chapter.md"))


@dataclass
class Operator:
    """Somebody who follows the page on a machine, in a folder with the release's sources.

    Attributes:
        machine: where.
        folder: for what the page's text is put into, outside.
        expected: the scores of the patients by the models, as R and xgboost give them here.
    """

    machine: Machine
    folder: Path
    expected: dict[str, list[float]] = field(default_factory=dict)

    def follow(self, title: str, *, first: int = 0, last: int | None = None) -> str:
        """Does what the blocks of a section say, in their order; what that printed."""
        printed = ""
        for block in _chapter(title, self.folder)[first:last]:
            if block.language == "toml":
                (target,) = re.findall(r"`(/etc/[\w/.]+)`", block.before)
                self.machine.path(target).write_text(block.text)
            elif block.language == "sh":
                printed += self.run("\n".join(filter(self.can, block.text.splitlines())))
        return printed

    def can(self, line: str) -> bool:
        """Whether a line can be done here: packages are there already, and some commands come with a later release."""
        if line.startswith("apt-get "):
            return False
        return "scorebridge config " not in line or "config" in self.run("scorebridge --help")

    def run(self, text: str, code: int = 0) -> str:
        """Runs commands in the folder of the sources."""
        return self.machine.run(
            f"cd /root/sources\n{text}", code, PIP_NO_INDEX="1", PIP_NO_DEPS="1", PIP_FIND_LINKS="/root/wheels"
        )

    def ask(self, model: str, columns: dict[str, list[float | None]], url: str = _URL) -> dict[str, Any]:
        """The answer to a call in JSON."""
        body = json.dumps({"columns": columns})
        options = "--silent --show-error --insecure --header 'content-type: application/json'"
        found: dict[str, Any] = json.loads(self.run(f"curl {options} --data '{body}' {url}/v1/models/{model}:score"))
        return found

    def scores(self, model: str, url: str = _URL) -> list[float]:
        """What a model gives for the first patient, who has a value for every feature, once its version 1 serves."""
        self.until_ready(f"{model}/1", url=url)
        answer = self.ask(model, {name: [value] for name, value in PATIENTS[0].items()}, url)
        assert answer["source"] == "SCORE_SOURCE_MODEL", answer
        found: list[float] = answer["scores"]["score"]
        return found

    def deploying(self, model: str) -> str:
        """The page's command that deploys a model, for another one."""
        (found,) = {
            line
            for block in _chapter("The first model", self.folder)
            for line in block.text.splitlines()
            if " deploy " in line
        }
        return found.replace("diabetes", model)

    def until_ready(self, *versions: str, url: str = _URL) -> None:
        """Waits until these serve."""
        looking = f"curl --silent --insecure {url}/readyz || true"
        eventually_now(lambda: all(f"{one} ready serving" in self.run(looking) for one in versions), timeout_s=120)

    def shown(self, *properties: str, unit: str = "scorebridge") -> list[str]:
        """What systemd says of a service."""
        listed = ",".join(properties)
        lines = self.run(f"systemctl show {unit} --property {listed}").splitlines()
        by_name = dict(line.split("=", 1) for line in lines)
        return [by_name[name] for name in properties]


def _make_wheels(folder: Path) -> None:
    """Wheels of the gateway in two releases, which differ in their numbers alone."""
    folder.mkdir()
    [packages] = {path for path in map(Path, sys.path) if path.name == "site-packages"}
    for number in _RELEASES:
        sources = folder / f"sources-{number}"
        sources.mkdir()
        for name in ("bridge", "rscripts"):
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, sources)
        project = re.sub(
            r'^version = ".*"$', f'version = "{number}"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE
        )
        # Nothing is fetched: what the wheel needs is where these tests have it.
        (sources / "pyproject.toml").write_text(project.replace(_INCLUDED, f'{_INCLUDED}"needed.pth" = "needed.pth"\n'))
        (sources / "needed.pth").write_text(f"{packages}\n{ROOT / 'clients' / 'python'}\n")
        build("wheel", sources, sources / "dist")


def prepare(there: Machine, folder: Path) -> None:
    """Gives a machine the release's sources, its wheels, and a certificate by the steps of the security page."""
    _make_wheels(folder / "wheels")
    there.run("mkdir -p /root/sources /root/wheels")
    there.run(f"ln -s {ROOT}/ops /root/sources/ops")
    for wheel in folder.glob("wheels/*/dist/*.whl"):
        shutil.copy(wheel, there.path("/root/wheels"))
    steps = ROOT.joinpath("docs", "security.md").read_text().partition("```sh\numask 077\n")[2].partition("```")[0]
    made = "\n".join(line for line in steps.splitlines() if "token" not in line and "callers" not in line)
    for name in ("tls", "renewed"):
        there.run(f"mkdir -p /root/{name}\ncd /root/{name}\numask 077\n{made}\nmv tls /root/sources/{name}")


def _make_booster(bundle: Path) -> list[float]:
    """Makes a bundle whose trees ask for every feature, so that they can be compiled; the scores of the patients."""
    rows = np.random.default_rng(7).uniform(20, 200, (500, len(NAMES)))
    matrix = xgboost.DMatrix(rows, rows.sum(axis=1) > 330, feature_names=NAMES)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 20)
    bundle.mkdir()
    booster.save_model(bundle / "model.ubj")
    asked = np.array([[patient[name] for name in NAMES] for patient in PATIENTS], np.float64)
    scores: list[float] = booster.predict(xgboost.DMatrix(asked, feature_names=NAMES)).tolist()
    return scores


def make_models(there: Machine, folder: Path) -> dict[str, list[float]]:
    """Puts the bundles into the machine; what R and xgboost give for the patients."""
    make_r_bundle(folder / "diabetes", _CODE, settings=_SETTINGS)
    by_xgboost = _make_booster(folder / "booster")
    for name in ("diabetes", "booster"):
        shutil.copytree(folder / name, there.path("tmp") / name)
    calls = [",".join("NA" if value is None else repr(value) for value in row.values()) for row in PATIENTS]
    asked = "; ".join(f'cat(format(Pred.R({row}), digits = 17), "\\n")' for row in calls)
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"{_CODE}\n{asked}"], check=True, capture_output=True, text=True
    )
    by_r = [0.33 if text == "NA" else float(text) for text in done.stdout.split()]
    return {"diabetes": by_r, "booster": by_xgboost}
