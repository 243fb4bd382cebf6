"""Asks a gateway for scores from Django: gunicorn --preload --chdir examples/web django_app:application.

It is a whole project in one file; in yours, `client` is a module of its own, and `risks` one of your views.
"""

import atexit
import json
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from scorebridge import InvalidRequest, ScoringClient

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=1 << 20,
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", os.urandom(32).hex()),
)
# One client for the whole process. It opens its connection at its first call, so it may be made before a fork.
# SCOREBRIDGE_URL says where the gateway is; SCOREBRIDGE_TLS_CA, SCOREBRIDGE_TOKEN_FILE and others how it knows us.
client = ScoringClient.from_env(timeout_s=0.5, default=0.33)
atexit.register(client.close)


@csrf_exempt  # services call it, not a browser with a session
@require_POST
def risks(request: HttpRequest) -> JsonResponse:
    """Answers rows, such as [{"glu": 148, "bmi": 33.6, "age": 50}], with a score and the reason of a default each."""
    try:
        answer = client.score("diabetes", json.loads(request.body))
    except (InvalidRequest, TypeError, ValueError) as error:  # such as a column that the model does not know
        return JsonResponse({"error": str(error)}, status=400)
    pairs = zip(answer.scores.tolist(), answer.reasons, strict=True)
    found = [{"risk": score, "default": reason} for score, reason in pairs]
    return JsonResponse({"source": str(answer.source), "risks": found})


urlpatterns = [path("risks", risks)]
application = get_wsgi_application()
