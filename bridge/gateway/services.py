"""The services of one gateway, and what they share: who may call, the reading of requests and their one flow."""

from collections.abc import Callable

from bridge.callers.access import Access
from bridge.config import GatewaySettings
from bridge.fronts.front import Methods, add_health_and_reflection
from bridge.layers.shares import Shares
from bridge.models.registry import Registry
from bridge.prediction_log.recorder import LogRecorder
from bridge.services.answer import Answering
from bridge.services.health import Health
from bridge.services.identity import GrpcIdentity
from bridge.services.intake import Intake
from bridge.services.json_scoring import JsonScoring
from bridge.services.open_inference import INFERENCE_SERVICE, InferenceService
from bridge.services.open_inference_http import InferenceHttp
from bridge.services.open_inference_intake import InferIntake
from bridge.services.openapi import describe_routes
from bridge.services.scoring import SERVICE, ScoringService

__all__ = ["SERVICES", "Services"]

SERVICES = (SERVICE, INFERENCE_SERVICE)


class Services:
    """The services of one gateway.

    Args:
        settings: the gateway's settings.
        registry: the gateway's versions.
        recorder: writes the prediction log; None keeps no log.
        ready: whether calls should be sent to this gateway.

    Attributes:
        access: who may call.
        intake: reads the messages of scorebridge.v1.
        inflight: limits the bytes of requests of every wire.
        answering: answers requests for scores of every wire.
        health: the servicer of grpc.health.v1.
        methods: the gRPC methods of all services.
        routes: the routes of the HTTP port, but for its pages.

    Raises:
        ConfigError: the file of callers can't be read or is not valid.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        registry: Registry,
        recorder: LogRecorder | None,
        ready: Callable[[], bool],
    ) -> None:
        self.access = Access(settings.callers, certificates=settings.tls_client_ca is not None)
        self.intake = Intake(registry, settings.max_columns)
        self.inflight = Shares(settings.max_inflight_bytes, "bytes in flight")
        self.answering = Answering(registry, recorder, self.inflight, settings.max_columns)
        identity = GrpcIdentity(
            self.access,
            encrypted=settings.tls_certificate is not None,
            certificates=settings.tls_client_ca is not None,
        )
        self.health = Health(self.access, identity, SERVICES, self.answering.counters.refused)
        self.methods = Methods()
        scoring = ScoringService(registry, self.answering, self.intake, identity)
        self.methods.add_registered_method_handlers(SERVICE, scoring.handlers())
        infer_intake = InferIntake(self.intake.counting)
        inference = InferenceService(registry, self.answering, infer_intake, identity, ready)
        self.methods.add_registered_method_handlers(INFERENCE_SERVICE, inference.handlers())
        inference_http = InferenceHttp(registry, self.answering, infer_intake, self.access, ready)
        json = JsonScoring(registry, self.answering, self.intake.counting, self.access)
        routes = [*json.routes(), *inference_http.routes()]
        self.routes = [*routes, describe_routes(routes)]
        add_health_and_reflection(self.methods, self.health, SERVICES)
