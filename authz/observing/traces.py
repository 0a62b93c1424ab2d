"""Sends one span for each answer, in the trace of the request. Loaded only where a collector is named.

The only owner of `opentelemetry`, which also reads its own variables, such as OTEL_EXPORTER_OTLP_HEADERS.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from authz.deciding.decision import Allowed
from authz.deciding.judge import Judgement
from authz.deciding.observation import Observation
from authz.deciding.reasons import Reason
from authz.tokens.proof import Refusal

QUEUE: Final = 2_048
BATCH: Final = 512
PERIOD_MS: Final = 1_000
TIMEOUT: Final = 5.0
MAX_PARENT: Final = 128
NANO: Final = 1e9


class Traces:
    """Sends spans in batches from a thread of its own; a collector that is slow or down costs spans and nothing else.

    `endpoint` is the collector's URL (OTLP over HTTP); without a path, `/v1/traces` is meant.
    """

    def __init__(self, endpoint: str, worker: int, version: str) -> None:
        _silence()
        self._exporter = _Exporter(endpoint=spans_url(endpoint), timeout=TIMEOUT)
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=PERIOD_MS
        )
        resource = Resource.create(
            {"service.name": "authz", "service.version": version, "service.instance.id": str(worker)}
        )
        provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("authz", version)
        self._propagator = TraceContextTextMapPropagator()

    def observe(self, observation: Observation) -> None:
        """Trace an answer, unless the caller's trace is not recorded."""
        if not observation.judgement.ids.is_traced:
            return
        headers: Mapping[str, str] = {} if observation.request is None else observation.request.headers
        # Never `tracestate`: a client could write anything into it, and the collector would get it.
        parent = headers.get("traceparent", "")[:MAX_PARENT]
        start = None if observation.at is None else round(observation.at * NANO)
        span = self._tracer.start_span(
            "authz.check",
            self._propagator.extract({"traceparent": parent} if parent else {}),
            SpanKind.SERVER,
            _attributes(observation.judgement, observation.revision),
            start_time=start,
        )
        if observation.judgement.decision.reason is Reason.INTERNAL_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end(None if start is None else start + round(observation.seconds * NANO))

    def dropped(self) -> int:
        """Return how many spans the collector did not take."""
        return self._exporter.failed

    def close(self, seconds: float) -> None:
        """Send the spans that wait, for at most `seconds`; drop the rest."""
        ending = threading.Thread(target=self._processor.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(seconds)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry gives it no types


def spans_url(endpoint: str) -> str:
    """Return where a collector takes spans (OTLP specification, "OTLP/HTTP Request")."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(path="/v1/traces")) if parts.path in {"", "/"} else endpoint


def _attributes(judgement: Judgement, revision: str) -> dict[str, str]:
    """Return a span's attributes: words of the policy and of this program, and the request's id."""
    decision, token, caller = judgement.decision, judgement.token, judgement.caller
    identity = decision.identity if isinstance(decision, Allowed) else None
    issuer = token.issuer if token else None
    attributes = {
        "authz.reason": decision.reason.value,
        "authz.token_error": token.error.value if isinstance(token, Refusal) else None,
        "authz.backend_service": decision.backend_service,
        "authz.unit_primitive": identity.unit_primitive or None if identity else None,
        "authz.tier": caller.tier if caller else None,
        "authz.issuer": None if issuer is None else issuer.name,
        "authz.revision": revision,
        "authz.request_id": judgement.ids.request_id,
    }
    return {name: value for name, value in attributes.items() if value is not None}


class _Exporter(OTLPSpanExporter):
    """Counts the spans that it could not send."""

    failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failed += len(spans)
        return result


def _silence() -> None:
    """Keep the library's own lines out of the log: they are plain text, one for each failed export."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
