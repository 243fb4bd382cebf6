"""docs/operations.md, followed on a machine with a systemd of its own, with the services of ops/systemd."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from machines import machine
from operators import PAGE, PROBE, RUNNING, SLOW, STRICT, Operator, make_models, prepare
from patients import PATIENTS
from waiting import eventually_now

pytestmark = pytest.mark.timeout(600)  # it installs, deploys and restarts, as slowly as the machine does

COMMANDS = re.compile(
    r"`((?:systemctl|journalctl|findmnt|curl|ss|scorebridge|runuser|ps|df|openssl|systemd-cgtop) [^`]*)`"
)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Who has installed the service and deployed two models; the filter of system calls ends what it doesn't let be."""
    folder = tmp_path_factory.mktemp("operator")
    (folder / "machine").mkdir()
    with machine(folder / "machine") as there:
        prepare(there, folder)
        operator = Operator(there, folder)
        operator.expected = make_models(there, folder)
        drop_in = there.path("/etc/systemd/system/scorebridge.service.d")
        drop_in.mkdir()
        (drop_in / "strict.conf").write_text(STRICT)
        assert "active (running)" in operator.follow("Install it as a service")
        operator.follow("The first model", last=1)
        operator.run(operator.deploying("booster"))
        operator.until_ready("diabetes/1", "booster/1")
        yield operator
        said = operator.run("journalctl --no-pager --unit scorebridge")
        assert "Traceback" not in said
        assert "SIGSYS" not in said


@pytest.fixture
def restored(operator: Operator) -> Iterator[Operator]:
    """The operator of a gateway whose settings and drop-ins are put back after the test."""
    kept = "/etc/scorebridge/scorebridge.toml", "/etc/systemd/system/scorebridge.service.d"
    operator.run(f"mkdir /root/kept; cp -a {' '.join(kept)} /root/kept")
    yield operator
    operator.run(f"rm -rf {' '.join(kept)}")
    operator.run(
        f"mv /root/kept/scorebridge.toml {kept[0]}; mv /root/kept/scorebridge.service.d {kept[1]}; rmdir /root/kept"
    )
    operator.run("chown -R scorebridge:scorebridge /var/lib/scorebridge /var/cache/scorebridge")
    operator.run("systemctl daemon-reload; systemctl reset-failed; systemctl restart scorebridge")
    operator.until_ready("diabetes/1", "booster/1")


def matches(found: list[float], expected: list[float]) -> bool:
    """The same numbers, of 32 bits where they are xgboost's."""
    return np.array_equal(np.array(found, np.float32), np.array(expected, np.float32))


def test_the_first_model_is_there_and_listed(operator: Operator) -> None:
    printed = operator.follow("The first model", first=1)
    assert "diabetes/1 ready serving" in printed
    assert re.search(r"booster +1 +ready \(serves\)", printed)


@pytest.mark.parametrize("model", ["diabetes", "booster"])
def test_a_model_in_the_sandbox_scores_as_outside(operator: Operator, model: str) -> None:
    columns = {name: [row[name] for row in PATIENTS] for name in PATIENTS[0]}
    answer = operator.ask(model, columns)
    assert matches(answer["scores"]["score"], operator.expected[model])


def test_trees_are_compiled_to_machine_code_in_the_sandbox(operator: Operator) -> None:
    assert ".so" in operator.run("ls /var/cache/scorebridge/trees")


def test_every_process_of_the_service_has_the_user_and_none_of_root_s_rights(operator: Operator) -> None:
    pids = operator.run("systemctl show scorebridge --property MainPID --value; pgrep -u scorebridge").split()
    assert len(set(pids)) >= 5  # the gateway; a shim, a parent and two workers of R
    for pid in pids:
        status = operator.machine.path(f"/proc/{pid}/status").read_text()
        assert re.findall(r"^(?:CapEff|CapBnd):\s+(\w+)$", status, re.MULTILINE) == ["0" * 16] * 2
        assert re.findall(r"^(?:NoNewPrivs|Seccomp):\s+(\d)$", status, re.MULTILINE) == ["1", "2"]


def test_a_bundle_s_code_can_do_in_the_sandbox_what_it_needs_and_no_more(operator: Operator) -> None:
    answer = operator.ask("diabetes", {"glu": [PROBE], "bmi": [33.6], "age": [50]})
    assert answer["scores"]["score"] == [3.0]


def test_calls_that_are_under_way_get_their_scores_when_the_service_is_stopped(operator: Operator) -> None:
    columns = {"glu": [SLOW], "bmi": [33.6], "age": [50]}
    asking = operator.machine.start(
        f"curl --silent --data '{json.dumps({'columns': columns})}' --header 'content-type: application/json' "
        "http://127.0.0.1:8082/v1/models/diabetes:score"
    )
    (main,) = operator.shown("MainPID")
    eventually_now(lambda: operator.run(f"ls /proc/{main}/root/tmp/asleep 2>/dev/null || true"))
    operator.run("systemctl stop scorebridge")
    printed, _ = asking.communicate()
    assert json.loads(printed)["source"] == "SCORE_SOURCE_MODEL"
    assert operator.shown("ExecMainStatus", "Result") == ["0", "success"]
    assert not operator.run("pgrep -u scorebridge || true")
    operator.run("systemctl start scorebridge")
    assert matches(operator.scores("diabetes"), operator.expected["diabetes"][:1])


@pytest.mark.parametrize("whole", [False, True], ids=["the gateway", "all of the service"])
def test_killed_it_is_started_again_and_its_log_is_whole(operator: Operator, whole: bool) -> None:
    (before,) = operator.shown("NRestarts")
    operator.scores("booster")
    operator.run(f"systemctl kill --signal KILL {'' if whole else '--kill-who main '}scorebridge")
    eventually_now(lambda: operator.shown("NRestarts", "ActiveState") == [str(int(before) + 1), "active"], timeout_s=60)
    operator.until_ready("diabetes/1", "booster/1")
    assert "ok: " in operator.run("scorebridge log verify /var/lib/scorebridge/log")


def test_a_killed_worker_costs_the_gateway_nothing(operator: Operator) -> None:
    main, before = operator.shown("MainPID", "NRestarts")
    workers = operator.run("pgrep -u scorebridge --newest Rserve")
    operator.run(f"kill -9 {workers}")
    eventually_now(lambda: workers not in operator.run("pgrep -u scorebridge Rserve"))
    assert matches(operator.scores("diabetes"), operator.expected["diabetes"][:1])
    assert operator.shown("MainPID", "NRestarts") == [main, before]


def test_wrong_settings_are_told_in_the_journal_and_mended_settings_start_it(operator: Operator) -> None:
    settings = operator.machine.path("/etc/scorebridge/scorebridge.toml")
    right = settings.read_text()
    settings.write_text(f"{right}grace = 3\n")
    try:
        operator.run("systemctl restart scorebridge", code=1)
        assert "grace" in operator.run("journalctl --no-pager --unit scorebridge --lines 20")
    finally:
        settings.write_text(right)
    operator.until_ready("diabetes/1", "booster/1")  # nobody has started it


def test_upgraded_and_rolled_back(operator: Operator) -> None:
    assert "promoted" in operator.follow("Upgrade, and roll back", last=1)
    operator.until_ready("diabetes/1")
    assert "0.2.0" in operator.follow("Upgrade, and roll back", first=1, last=3)
    assert matches(operator.scores("diabetes"), operator.expected["diabetes"][:1])
    assert "/opt/scorebridge/0.2.0/" in operator.run(RUNNING)
    operator.follow("Upgrade, and roll back", first=3)
    assert "/opt/scorebridge/0.1.0/" in operator.run(RUNNING)
    assert "ok: " in operator.run("scorebridge log verify /var/lib/scorebridge/log")


def test_r_as_a_user_of_its_own_in_the_sandbox(restored: Operator) -> None:
    restored.run("install -o scorebridge -g scorebridge -m 0400 tls/gateway.key /etc/scorebridge/tls/gateway.key")
    restored.follow("The sandbox")
    restored.until_ready("diabetes/1", "booster/1")
    assert matches(restored.scores("diabetes"), restored.expected["diabetes"][:1])
    assert len(restored.run("pgrep -u rserve Rserve").split()) >= 3
    pid = restored.run("pgrep -u rserve --newest Rserve").strip()
    status = restored.machine.path(f"/proc/{pid}/status").read_text()
    assert re.findall(r"^(?:CapPrm|CapEff|NoNewPrivs):\s+(\w+)$", status, re.MULTILINE) == ["0" * 16, "0" * 16, "1"]


def test_a_renewed_certificate_is_served_without_a_restart(restored: Operator) -> None:
    assert "ready serving" in restored.follow("Certificates", last=1)
    main = restored.shown("MainPID")
    restored.follow("Certificates", first=1, last=2)
    serial = restored.run("openssl x509 -noout -serial -in renewed/gateway.pem").strip()
    eventually_now(lambda: serial in restored.follow("Certificates", first=2))
    assert restored.shown("MainPID") == main
    assert matches(restored.scores("booster", "https://127.0.0.1:8082"), restored.expected["booster"][:1])


def test_keys_that_root_alone_may_read_come_as_credentials(restored: Operator) -> None:
    restored.run("install -m 0400 tls/gateway.pem tls/gateway.key /etc/scorebridge/tls")
    restored.run("install -m 0644 ops/systemd/credentials.conf /etc/systemd/system/scorebridge.service.d/")
    restored.run("systemctl daemon-reload; systemctl restart scorebridge")
    assert matches(restored.scores("booster", "https://127.0.0.1:8082"), restored.expected["booster"][:1])


def test_a_backup_is_restored_and_the_log_goes_on(operator: Operator) -> None:
    operator.scores("booster")
    backed_up, restored = (operator.follow("Backup and restore", first=at, last=at + 1) for at in (0, 1))
    assert [re.findall(r"ok: \d+ records", printed) for printed in (backed_up, restored)]
    operator.until_ready("diabetes/1", "booster/1")
    operator.scores("booster")
    assert "ok: " in operator.run("scorebridge log verify /var/lib/scorebridge/log")


def test_the_shipper_s_service_can_read_the_log(operator: Operator) -> None:
    operator.run("printf 'SHIP_TO=http://127.0.0.1:9\\nSHIP_OPTIONS=\\n' > /etc/scorebridge/ship.env")
    operator.follow("The log's size, and where it goes")
    folder = operator.machine.path("/etc/systemd/system/scorebridge-ship.service.d")
    folder.mkdir()
    # There is nothing to ship to: the sandbox is what is tried.
    verifying = "/opt/scorebridge/current/bin/scorebridge log verify /var/lib/scorebridge/log"
    (folder / "try.conf").write_text(f"{STRICT}ExecStart=\nExecStart={verifying}\n")
    operator.run("systemctl daemon-reload; systemctl start scorebridge-ship")
    eventually_now(lambda: operator.shown("ActiveState", unit="scorebridge-ship") == ["inactive"])
    assert operator.shown("Result", "ExecMainStatus", unit="scorebridge-ship") == ["success", "0"]
    assert "ok: " in operator.run("journalctl --no-pager --unit scorebridge-ship")


def test_the_units_are_what_systemd_takes(operator: Operator) -> None:
    for name in ("scorebridge.service", "scorebridge-ship.service"):
        operator.run(f"install -D -m 0644 ops/systemd/{name} /root/units/{name}")
        assert not operator.run(f"systemd-analyze verify /root/units/{name}")


@pytest.mark.parametrize("title", ["The log's size, and where it goes", "Alerts"])
def test_the_commands_of_a_section_work(operator: Operator, title: str) -> None:
    assert operator.follow(title).strip()


def test_every_command_for_the_night_works(operator: Operator) -> None:
    answer = operator.ask("diabetes", {"glu": [SLOW], "bmi": [33.6], "age": [50]})
    section = PAGE.read_text().partition("## When it burns")[2]
    commands = [cell for line in section.splitlines() if line.startswith("|") for cell in COMMANDS.findall(line)]
    assert len(commands) > 15
    operator.run("install -m 0444 tls/gateway.pem /etc/scorebridge/tls/")
    for command in dict.fromkeys(commands):
        printed = operator.run(command.replace("REQUEST_ID", answer["request_id"]))
        assert printed.strip() or "kill" in command or "restart" in command, command
    eventually_now(lambda: operator.shown("ActiveState") == ["active"], timeout_s=60)
    operator.until_ready("diabetes/1", "booster/1")
    operator.follow("When it burns")
    assert {"journal", "readyz", "stats"} == set(operator.run("ls /root/night").split())
