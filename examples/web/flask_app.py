"""Asks a gateway for scores from Flask: gunicorn --preload --chdir examples/web flask_app:app."""

import atexit

from flask import Flask, request
from flask.typing import ResponseReturnValue
from scorebridge import InvalidRequest, ScoringClient

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1 << 20
# One client for the whole process. It opens its connection at its first call, so it may be made before a fork.
# SCOREBRIDGE_URL says where the gateway is; SCOREBRIDGE_TLS_CA, SCOREBRIDGE_TOKEN_FILE and others how it knows us.
client = ScoringClient.from_env(timeout_s=0.5, default=0.33)
atexit.register(client.close)


@app.post("/risks")
def risks() -> ResponseReturnValue:
    """Answers rows, such as [{"glu": 148, "bmi": 33.6, "age": 50}], with a score and the reason of a default each."""
    try:
        answer = client.score("diabetes", request.get_json())
    except (InvalidRequest, TypeError, ValueError) as error:  # such as a column that the model does not know
        return {"error": str(error)}, 400
    return {
        "source": str(answer.source),
        "risks": [
            {"risk": score, "default": reason}
            for score, reason in zip(answer.scores.tolist(), answer.reasons, strict=True)
        ],
    }
