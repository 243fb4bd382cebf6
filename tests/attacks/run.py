"""All attacks on a gateway, one after the other, as a table: what they cost in memory, and what others got meanwhile.

    make attack
    make attack ATTACK="--root OTHER_CHECKOUT --seconds 3 --way grpc"

Each way of serving has a gateway of its own, under 1 GiB of memory; one that an attack has ended is started anew.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import train_cancer
from attacks.arsenal import ARSENAL
from attacks.gauge import ROOT, WAYS, Gauge, Gauged, make_certificate

from bridge.bundles.bundle import make_manifest
from bridge.bundles.repository import Repository

_MIB = 1 << 20

_HEAD = (
    "| way | attack | peak MiB | others' model answers | their slowest, ms | hold, ms | log MiB | alive |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose gateway is attacked")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each attack goes on")
    parser.add_argument("--way", action="append", choices=[*WAYS], help="how the gateway serves; all ways without it")
    parser.add_argument("--only", action="append", choices=[*ARSENAL], help="this attack; all of them without it")
    return parser.parse_args()


def _cells(seen: Gauged) -> str:
    hold = "" if seen.hold_ms is None else f"{seen.hold_ms:.0f}"
    return (
        f"{seen.peak_bytes / _MIB:.0f} | {seen.scored} of {seen.others} | {1000 * seen.slowest_s:.0f} | {hold} "
        f"| {seen.log_bytes / _MIB:.1f} | {'yes' if seen.alive else 'NO'}"
    )


def main() -> int:
    """Runs them; 1 if a gateway has ended or others' calls were lost where they may not be."""
    asked = _arguments()
    failed = False
    with tempfile.TemporaryDirectory(prefix="scorebridge-attack-") as temporary:
        folder = Path(temporary)
        _, rows = train_cancer.train(folder)
        repository = Repository(folder / "repository")
        with repository.staged(folder / "cancer") as staged:
            repository.publish(staged, make_manifest(staged, None), "cancer", 1)
        certificate = make_certificate(folder)
        sys.stdout.write(_HEAD)
        for way in asked.way or WAYS:
            front, tls = WAYS[way]
            with ExitStack() as stack:
                gauge: Gauge | None = None
                for number, name in enumerate(asked.only or ARSENAL):
                    if gauge is None or gauge.popen.poll() is not None:
                        own = folder / f"{way}-{number}"
                        own.mkdir()
                        made = Gauge.of(
                            repository.path, list(rows.columns), own, front, certificate if tls else None, asked.root
                        )
                        gauge = stack.enter_context(made)
                    seen = gauge.attack(name, asked.seconds, folder)
                    sys.stdout.write(f"| {way} | {name} | {_cells(seen)} |\n")
                    sys.stdout.flush()
                    attack = ARSENAL[name]
                    must_hold = attack.native if front == "native" else attack.grpc
                    failed = failed or (must_hold and not (seen.alive and seen.scored == seen.others))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
