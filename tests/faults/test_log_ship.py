"""log ship where the engine, the way to it or the disk fails: every record once, or it says what it did not do."""

import base64
import json
import os
import signal
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from prediction_logs import record, write_log
from search_nodes import SearchNode, running_node
from search_proxies import Fault, SearchProxy, cut_answer, lost_answer, proxied, status
from ship_commands import ship_once, shipping
from small_disks import mounted
from waiting import eventually_now

from bridge.shipping import shipper
from bridge.shipping.shipper import Shipper

CALLS = "scorebridge-calls-*"


@pytest.fixture
def proxy(search_node: SearchNode) -> Iterator[SearchProxy]:
    with proxied(search_node.url) as made:
        yield made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten calls in two segments."""
    write_log(tmp_path / "log", [record(f"a{n}") for n in range(6)], [record(f"b{n}") for n in range(4)])
    return tmp_path / "log"


def spoiled(change: Any) -> Fault:
    """The engine does it, and its answer is changed."""

    def spoil(conversation: Any) -> None:
        code, raw = conversation.forward()
        answer = json.loads(raw)
        change(answer)
        conversation.reply(code, json.dumps(answer).encode())

    return spoil


def item(place: int, code: int) -> Fault:
    """One of the documents has another status."""

    def change(answer: Any) -> None:
        answer["items"][place]["index"] |= {"status": code, "error": {"type": "made_up_exception", "reason": "u-17"}}

    return spoiled(change)


@pytest.mark.parametrize(
    "faults",
    [
        [status(429), status(429)],
        [status(503, Retry_After="0"), status(502), status(500)],
        [cut_answer],
        [lost_answer, cut_answer, status(429, Retry_After="0"), lost_answer],
        [item(3, 429), item(0, 503)],
    ],
    ids=["429", "503", "cut", "mixed", "items"],
)
def test_every_record_is_there_once_after_passing_faults(
    search_node: SearchNode, proxy: SearchProxy, log: Path, faults: list[Fault]
) -> None:
    proxy.faults += faults
    done = ship_once(log, proxy.url)
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[-1].startswith("10 documents sent, 0 of them")
    assert search_node.count(CALLS) == 10
    assert len(proxy.bulks) > len(faults)
    assert "the search engine is not available, and is tried again" in done.stderr
    assert "the search engine is available again" in done.stderr


def test_only_what_had_no_room_is_sent_again(search_node: SearchNode, proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [item(3, 429)]
    assert ship_once(log, proxy.url).exit_code == 0
    assert [bulk.count(b'"_id"') for bulk in proxy.bulks] == [10, 1]
    assert search_node.count(CALLS) == 10


def test_a_bulk_that_is_too_large_is_halved(search_node: SearchNode, proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [status(413), status(413)]
    assert ship_once(log, proxy.url).exit_code == 0
    assert [bulk.count(b'"_id"') for bulk in proxy.bulks] == [10, 5, 2, 2, 2, 2, 2]
    assert search_node.count(CALLS) == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer["items"].pop(),
        lambda answer: answer["items"].reverse(),
        lambda answer: answer.pop("items"),
        lambda answer: answer["items"][2]["index"].update(status="200"),
        lambda answer: answer["items"].__setitem__(1, {"create": answer["items"][1]["index"]}),
    ],
    ids=["fewer", "other order", "none", "no number", "other verb"],
)
def test_results_that_are_not_those_of_what_was_sent_stop_it(proxy: SearchProxy, log: Path, change: Any) -> None:
    proxy.faults += [spoiled(change)]
    done = ship_once(log, proxy.url)
    assert done.exit_code == 2
    assert "bulk" in done.stderr
    assert list(log.glob("*.position")) == []
    assert ship_once(log, proxy.url).exit_code == 0


def test_a_document_that_is_too_large_by_itself_is_named(proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [status(413)] * 100
    done = ship_once(log, proxy.url)
    assert [bulk.count(b'"_id"') for bulk in proxy.bulks] == [10, 5, 2, 1]
    assert (done.exit_code, "was refused with status 413, too_large" in done.stderr) == (2, True)


def test_damage_and_a_reject_file_that_can_not_be_written_end_it_with_codes(proxy: SearchProxy, log: Path) -> None:
    path = min(log.glob("*.sblog"))
    path.write_bytes(path.read_bytes().replace(b"a3", b"x3"))
    done = ship_once(log, proxy.url)
    assert (done.exit_code, "skipped" in done.stderr, "9 documents sent" in done.stderr) == (1, True, True)
    proxy.faults += [item(0, 400), item(0, 400)]
    done = ship_once(log, proxy.url, "--index", "other", "--reject", str(log / "none" / "file"))
    assert (done.exit_code, f"{log}/none/file: No such file or directory" in done.stderr) == (2, True)


def test_an_engine_that_stays_away_ends_the_patience(proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [status(503, Retry_After="0")] * 1000
    done = ship_once(log, proxy.url, "--patience", "0.3")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == f"{proxy.url}: it answered with status 503"


def test_a_document_that_is_refused_is_named_without_its_values(proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [item(7, 400), item(0, 400)]
    done = ship_once(log, proxy.url)
    assert done.exit_code == 2
    identity = "02" * 16 + "-7"
    assert f"record 7 (document {identity} of scorebridge-calls-risk) was refused with status 400" in done.stderr
    assert "u-17" not in done.stderr


def test_refused_documents_go_to_a_file_if_there_is_one(proxy: SearchProxy, log: Path, tmp_path: Path) -> None:
    proxy.faults += [item(7, 400), item(0, 400)]
    done = ship_once(log, proxy.url, "--reject", str(tmp_path / "rejected.jsonl"))
    assert (done.exit_code, "9 documents sent, 0 of them" in done.stderr) == (1, True)
    (line,) = (tmp_path / "rejected.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["id"], told["status"], told["error"]["reason"]) == ("02" * 16 + "-7", 400, "u-17")
    assert told["document"]["request_id"] == "b1"
    assert stat.S_IMODE((tmp_path / "rejected.jsonl").stat().st_mode) == 0o600
    assert ship_once(log, proxy.url).exit_code == 0


@pytest.mark.parametrize("code", [401, 403, 404])
def test_what_is_no_fault_of_a_document_is_never_put_into_that_file(
    proxy: SearchProxy, log: Path, tmp_path: Path, code: int
) -> None:
    proxy.faults += [item(0, code)]
    done = ship_once(log, proxy.url, "--reject", str(tmp_path / "rejected.jsonl"))
    assert done.exit_code == 2
    assert not (tmp_path / "rejected.jsonl").exists()


@pytest.mark.parametrize(("code", "said"), [(401, "it wants a user"), (403, "has not the rights"), (302, "status 302")])
def test_an_engine_that_refuses_us_is_not_tried_again(proxy: SearchProxy, log: Path, code: int, said: str) -> None:
    proxy.faults += [status(code, Location="http://127.0.0.1:1/")]
    done = ship_once(log, proxy.url)
    assert (done.exit_code, said in done.stderr, len(proxy.bulks)) == (2, True, 1)


def test_passwords_and_keys_come_from_files_and_are_read_anew(proxy: SearchProxy, log: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("päss\n")
    assert ship_once(log, proxy.url, "--user", "ship", "--password-file", str(secret)).exit_code == 0
    expected = base64.b64encode("ship:päss".encode()).decode()
    assert {one["Authorization"] for one in proxy.headers} == {f"Basic {expected}"}
    proxy.headers.clear()
    assert ship_once(log, proxy.url, "--api-key-file", str(secret), "--rows").exit_code == 2  # HTTP takes no umlauts
    secret.write_text("a2V5")
    assert ship_once(log, proxy.url, "--api-key-file", str(secret), "--rows").exit_code == 0
    assert {one["Authorization"] for one in proxy.headers} == {"ApiKey a2V5"}


def test_one_process_ships_a_log_to_a_place(search_node: SearchNode, log: Path) -> None:
    with shipping(log, search_node.url):
        eventually_now(lambda: list(log.glob("*.position")))
        second = ship_once(log, search_node.url)
        assert (second.exit_code, "another process ships" in second.stderr) == (2, True)
        assert ship_once(log, search_node.url, "--index", "other").exit_code == 0


def test_sigterm_ends_it_while_the_engine_is_away(proxy: SearchProxy, log: Path) -> None:
    proxy.faults += [status(503)] * 1000
    with shipping(log, proxy.url) as process:
        eventually_now(lambda: len(proxy.bulks) > 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert list(log.glob("*.position")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_after_the_bulk_under_way(
    proxy: SearchProxy, search_node: SearchNode, log: Path, number: signal.Signals, code: int
) -> None:
    def end(conversation: Any) -> None:
        process.send_signal(number)
        conversation.reply(*conversation.forward())

    proxy.faults += [end]
    with shipping(log, proxy.url) as process:
        assert process.wait(30) == code
    assert search_node.count(CALLS) == 10
    assert len(list(log.glob("*.position"))) == 1


@pytest.mark.parametrize(("asked", "nice"), [(None, 10), (3, 3)])
def test_the_niceness_is_the_one_that_was_asked_for(
    search_node: SearchNode, log: Path, asked: int | None, nice: int
) -> None:
    expected = os.getpriority(os.PRIO_PROCESS, 0) + nice
    with shipping(log, search_node.url, nice=asked) as process:
        eventually_now(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == expected)


def test_a_full_disk_stops_it_and_says_so(search_node: SearchNode, proxy: SearchProxy, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        write_log(disk.path / "log", [record("a"), record("b")])

        def fill(conversation: Any) -> None:
            disk.fill(0)
            conversation.reply(*conversation.forward())

        proxy.faults += [fill]
        done = ship_once(disk.path / "log", proxy.url)
        assert done.exit_code == 2
        assert ".position can't be written: No space left on device. Free some space" in done.stderr
        disk.empty()
        again = ship_once(disk.path / "log", proxy.url)
        assert (again.exit_code, again.stderr.startswith("2 documents sent")) == (0, True)
        assert search_node.count(CALLS) == 2


def test_bulks_are_bounded(search_node: SearchNode, proxy: SearchProxy, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shipper, "_MOST_BULK_BYTES", 5000)
    write_log(tmp_path / "log", [record(f"c{n}", [1.0] * 30) for n in range(20)])
    most: list[int] = []
    deliver = Shipper._deliver

    def counted(self: Shipper) -> None:
        most.append(len(self._bulk))
        deliver(self)

    monkeypatch.setattr(Shipper, "_deliver", counted)
    assert ship_once(tmp_path / "log", proxy.url, "--rows").exit_code == 0
    assert search_node.count("scorebridge-predictions-*") == 600
    assert max(map(len, proxy.bulks)) <= 5000
    assert max(most) < 20


def test_a_node_that_restarts_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, [record("a")])
    with running_node() as node, shipping(log, node.url) as process:
        eventually_now(lambda: list(log.glob("*.position")))
        node.kill()
        write_log(log, [record("a")], [record(f"b{n}") for n in range(50)])
        node.start()
        eventually_now(lambda: node.ask("GET", "/_cluster/health")["status"] != "red")
        eventually_now(lambda: node.count(CALLS) == 51)
        assert process.poll() is None


def test_a_certificate_that_is_not_trusted_is_refused(search_node: SearchNode, log: Path, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    pair = ours.issue("search", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with proxied(search_node.url, context) as proxy:
        refused = ship_once(log, proxy.url, "--tls-ca", str(others.certificate))
        assert (refused.exit_code, "its certificate is not trusted" in refused.stderr) == (2, True)
        assert ship_once(log, proxy.url, "--tls-ca", str(ours.certificate)).exit_code == 0
    done = ship_once(log, "https://127.0.0.1:1", "--tls-ca", str(tmp_path / "none.pem"))
    assert (done.exit_code, "must hold certificates in PEM" in done.stderr) == (2, True)
