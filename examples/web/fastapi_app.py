"""Asks a gateway for scores from FastAPI: uvicorn --app-dir examples/web fastapi_app:app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from scorebridge import AsyncScoringClient, InvalidRequest, ScoringError


class Patient(BaseModel):
    """What the model takes of one patient; None where it is not known."""

    model_config = ConfigDict(strict=True, extra="forbid")  # else "148" were a number, and a typing error no column

    glu: float | None
    bmi: float | None
    age: int | None


class Risk(BaseModel):
    """The score of a patient, and the reason if it is a default."""

    risk: float
    default: str | None


class Risks(BaseModel):
    """The scores of all patients, and where they come from."""

    source: str
    risks: list[Risk]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens one client for the whole process, on its event loop, and closes it at the end."""
    # SCOREBRIDGE_URL says where the gateway is; SCOREBRIDGE_TLS_CA, SCOREBRIDGE_TOKEN_FILE and others how it knows us.
    async with AsyncScoringClient.from_env(timeout_s=0.5, default=0.33) as client:
        with suppress(ScoringError):  # where no gateway answers yet, patients get the default
            await client.warm_up(timeout_s=2)
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/risks")
async def risks(patients: Annotated[list[Patient], Field(max_length=1000)], request: Request) -> Risks:
    """Answers each patient with a score, and the reason if it is a default."""
    client: AsyncScoringClient = request.app.state.client
    try:
        answer = await client.score("diabetes", [patient.model_dump() for patient in patients])
    except (InvalidRequest, ValueError) as error:
        raise HTTPException(400, str(error)) from error
    pairs = zip(answer.scores.tolist(), answer.reasons, strict=True)
    return Risks(source=str(answer.source), risks=[Risk(risk=score, default=reason) for score, reason in pairs])
