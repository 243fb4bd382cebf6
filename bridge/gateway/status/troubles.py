"""What is wrong with a gateway, the worst first, each with what to do about it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.files import size_text
from bridge.gateway.status.drift import has_moved_much
from bridge.gateway.status.facts import Facts, LogFacts, VersionFacts
from bridge.gateway.status.traffic import RECENT, Traffic
from bridge.gateway.status.words import share_text, with_count
from bridge.layers.circuit import CircuitState
from bridge.models.version import State
from bridge.services.models import format_instant
from bridge.texts import brief

__all__ = ["MOST_REASON", "Trouble", "troubles_of"]

MOST_REASON = 500  # characters of a reason that are shown
_MANY_DEFAULTS = 0.01  # the share of rows in the last minutes
_LITTLE_SPACE = 0.05  # the share of the disk that is free
_LONG_HOLD_S = 0.05
_LONG_LAG_S = 10.0
_FULL = 0.8  # the share of the allowed bytes in flight


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        subject: what has it, such as "fraud/7" or "Prediction log".
        what: what is wrong, in a sentence.
        remedy: what to do, in a sentence or two.
        urgent: whether calls get no scores, or answers are lost to the record, because of it.
    """

    subject: str
    what: str
    remedy: str
    urgent: bool = False


def troubles_of(facts: Facts, traffic: dict[str, Traffic]) -> list[Trouble]:
    """Returns all that is wrong, what is urgent first; `traffic`: the calls of loaded versions, by "model/number"."""
    found = [*_of_gateway(facts), *_of_log(facts.log), *_of_stores(facts), *_of_unloaded(facts)]
    serving = {one.model: one.number for one in facts.versions if one.serving}
    loaded = {one.model: one for one in facts.versions if one.state is State.READY and _is_closed(one)}
    for version in facts.versions:
        found += _of_version(facts, version, traffic.get(version.name), serving=serving.get(version.model, 0))
        if not _is_closed(version):
            found.append(_tripped(facts, version, traffic.get(version.name), loaded.get(version.model)))
    found += _of_drift(facts)
    return sorted(found, key=lambda one: not one.urgent)


def _of_gateway(facts: Facts) -> Iterator[Trouble]:
    if facts.draining:
        yield Trouble("Gateway", "It is draining: it takes no new calls.", "Nothing, if you stopped it.", urgent=True)
    elif not facts.ready:
        yield _not_ready(facts)
    for what, count in facts.hanging.items():
        yield Trouble(
            "Repository",
            f"Reading {what} hangs; {with_count(count, 'thread waits', 'threads wait')} for the file system.",
            "Look at the file system and its server. Loaded versions go on serving; changes are not seen.",
            urgent=True,
        )
    for fault in facts.faults:
        remedy = "Repair the file: it is read again by itself."
        yield Trouble("Certificates and callers", _ended(brief(fault, MOST_REASON)), remedy)
    if facts.held_s > _LONG_HOLD_S:
        yield Trouble(
            "Event loop",
            f"One turn of it kept all calls waiting for {1000 * facts.held_s:.0f} ms within the last minute.",
            "Give the gateway a free core, and lower `max_message_bytes` if callers send very large requests.",
        )
    if facts.inflight_bytes > _FULL * facts.most_inflight_bytes:
        held, most = size_text(facts.inflight_bytes), size_text(facts.most_inflight_bytes)
        yield Trouble(
            "Gateway",
            f"Unanswered requests hold {held} of the allowed {most}; beyond that requests are refused.",
            "Look for the version that answers slowly. Raise `max_inflight_bytes` only if there is memory for it.",
        )


def _not_ready(facts: Facts) -> Trouble:
    if not facts.decided:
        return Trouble("Gateway", "It is still loading its versions.", "Wait: calls get default scores until then.")
    if not facts.versions:
        return Trouble("Gateway", "Its repository can't be read.", "Look at the file system.", urgent=True)
    return Trouble("Gateway", "It is not ready: no model serves.", "See the versions below.", urgent=True)


def _of_log(log: LogFacts | None) -> Iterator[Trouble]:
    if log is None:
        return
    name = "Prediction log"
    if log.lost:
        answered = "The calls were refused." if log.refuses else "Answers left without a record."
        remedy = "Make room on its disk or repair it; the gateway's own log has the system's error."
        was = f"{with_count(log.lost, 'record')} could not be written since the start. {answered}"
        yield Trouble(name, was, remedy, urgent=True)
    if log.fault:
        yield Trouble(name, f"{log.fault[:1].upper()}{log.fault[1:]}.", "Look at the disk and its server.", urgent=True)
    elif log.free_bytes < _LITTLE_SPACE * log.disk_bytes:
        free, of = size_text(log.free_bytes), size_text(log.disk_bytes)
        remedy = "Make room, or set `log_keep_s` or `log_keep_bytes`, so that old segments are removed."
        yield Trouble(name, f"Its disk has {free} of {of} left.", remedy, urgent=not log.free_bytes)
    if log.lag_s > _LONG_LAG_S:
        was = f"What was written in the last {log.lag_s:.0f} s is not on the disk yet."
        yield Trouble(name, was, "Look at the disk: a power cut would lose these records.", urgent=True)


def _of_stores(facts: Facts) -> Iterator[Trouble]:
    for name, state in facts.stores.items():
        if state:
            remedy = "Look at the store's server and the network. Calls that need it get default scores or errors."
            yield Trouble(f"Store {name}", f"It {_ended(brief(state, MOST_REASON))}", remedy, urgent=True)


def _of_unloaded(facts: Facts) -> Iterator[Trouble]:
    for model in facts.unloaded:
        remedy = f"If that was not meant, load it again: POST `/v2/repository/models/{model}/load`."
        yield Trouble(model, "This model was unloaded by an operator.", remedy)


def _of_version(facts: Facts, version: VersionFacts, traffic: Traffic | None, *, serving: int) -> Iterator[Trouble]:
    """Yields what is wrong with a version; `serving`: the number of the one that serves its model, 0 if none does."""
    name, reason = version.name, brief(version.reason, MOST_REASON)
    served = bool(serving) or version.model in facts.unloaded
    lacking = "" if served else " No version of this model serves."
    if version.state is State.REFUSED and version.number > serving:  # else a better one has taken its place
        remedy = "Repair the bundle, try it with `scorebridge check BUNDLE`, and deploy it as a new version."
        yield Trouble(name, f"It was refused: {_ended(reason)}{lacking}", remedy, urgent=not served)
    if version.state is State.WAITING and version.number > serving:
        at = "now" if version.retry_at is None else f"at {format_instant(version.retry_at)}"
        remedy = f"It is tried again {at}. Give the machine what is short: memory, time, descriptors or the disk."
        yield Trouble(name, f"It can't be loaded yet: {_ended(reason)}{lacking}", remedy, urgent=not served)
    workers = version.workers
    if workers is not None and not workers.able:
        remedy = "Look at the model's code and input for what hangs; raise `kill_after_s` only if it needs the time."
        was = "All of its workers hang, are being killed or are being started."
        yield Trouble(name, was, remedy, urgent=version.serving)
    if _is_closed(version) and (defaulted := _defaulted(version, traffic)):
        remedy = "Set `log_dir` to have such calls on record."
        if facts.log is not None:
            remedy = f"Since when, says `scorebridge log stats {shlex.quote(facts.log.folder)}`."
        yield Trouble(name, defaulted, remedy)


def _is_closed(version: VersionFacts) -> bool:
    return version.circuit in (None, CircuitState.CLOSED)


def _tripped(facts: Facts, version: VersionFacts, traffic: Traffic | None, other: VersionFacts | None) -> Trouble:
    """Returns what is said of a circuit that is not closed; `other`: a version to go back to, None if there is none."""
    said = "is open: the model failed again and again, and gets no calls."
    if version.circuit is CircuitState.HALF_OPEN:
        said = "is half-open: the model failed again and again, and is asked whether it answers."
    remedy = "It is asked again by itself; the gateway's own log has its failures."
    if other is not None and version.serving:
        folder = shlex.quote(facts.repository)
        command = f"scorebridge promote {other.model} {other.number} --repository {folder}"
        remedy = f"{remedy} To serve {other.name} instead: `{command}`."
    what = f"Its circuit {said} {_defaulted(version, traffic)}".rstrip()
    return Trouble(version.name, what, remedy, urgent=version.serving)


def _defaulted(version: VersionFacts, traffic: Traffic | None) -> str:
    """Returns a sentence on the rows with default scores, with their reasons; empty if they are few."""
    share = None if traffic is None else traffic.default_share
    if traffic is None or share is None or share <= _MANY_DEFAULTS:
        return ""
    reasons = sorted((version.default_rows or {}).items(), key=lambda one: -one[1])
    since = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:4])
    rows = with_count(traffic.rows, "row")
    return (
        f"Of its {rows} in the last {RECENT} minutes {share_text(share)} got a default score; since the start: {since}."
    )


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _of_drift(facts: Facts) -> Iterator[Trouble]:
    if facts.drift is None:
        return
    if facts.drift.failure:
        was = f"The drift of the last day could not be computed: {brief(facts.drift.failure, MOST_REASON)}"
        yield Trouble("Drift", was, "The figures below are older. Scoring is not touched by it.")
    for one in facts.drift.versions:
        much = [shift.name for shift in one.shifts if has_moved_much(shift)]
        if much:
            names = ", ".join(brief(name, 60) for name in much[:5]) + (" and others" if len(much) > 5 else "")  # noqa: PLR2004
            remedy = "Ask whoever makes these inputs what changed, and the model's author whether it still holds."
            yield Trouble(f"{one.model}/{one.version}", f"Moved much in the last day: {names}.", remedy)
