"""Makes calls with whatever Python client is the first on the path, of any release, and prints what came.

Run as `python ask.py HOST:PORT`, it reads calls from standard input and prints the client's file and the answers, all
as JSON. A call is one of

    {"call": "score", "model": ..., "columns": {...} or "matrix": [[...]], "options": {...}, "cancel_after_s": ...}
    {"call": "models"}
    {"call": "model", "model": ...}

It must run with the clients of all releases, so it uses only what the first one had, and nothing else of the checkout.
"""

import asyncio
import json
import math
import sys
from typing import Any

import numpy as np
import scorebridge
from scorebridge import AsyncScoringClient, ScoringError


async def main(url: str) -> None:
    """Makes the calls, one after the other."""
    answers = []
    async with AsyncScoringClient(url) as client:
        for call in json.load(sys.stdin):
            answers.append(await _answer(client, call))  # noqa: PERF401 - not at once: their order is on record
    json.dump({"client": scorebridge.__file__, "answers": answers}, sys.stdout)


async def _answer(client: AsyncScoringClient, call: dict[str, Any]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(call.get("cancel_after_s")):
            return await _called(client, call)
    except TimeoutError:
        return {"cancelled": True}
    except ScoringError as error:
        return {"error": type(error).__name__, "reason": error.reason}


async def _called(client: AsyncScoringClient, call: dict[str, Any]) -> dict[str, Any]:
    if call["call"] == "models":
        return {"states": [[one.model, one.version, str(one.state)] for one in await client.models()]}
    if call["call"] == "model":
        return {"versions": len(await client.model(call["model"]))}
    rows = np.array(call["matrix"]) if "matrix" in call else call["columns"]
    answer = await client.score(call["model"], rows, **call.get("options", {}))
    return {
        "source": str(answer.source),
        "version": answer.version,
        "digest": answer.digest,
        "scores": {name: [_number(one) for one in column.tolist()] for name, column in answer.columns.items()},
        "reasons": answer.reasons,
    }


def _number(score: Any) -> Any:
    return None if isinstance(score, float) and math.isnan(score) else score


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
