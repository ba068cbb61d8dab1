"""OpenTelemetry traces, when the shop names a collector: one span per call, with what a decision came to.

Needs the extra `tillwise[telemetry]`; without `[serve] traces` in tillwise.toml none of it is imported and nothing
leaves. Span names are route names and attributes name use cases, actions and times: nobody's id is in them. Names
follow OpenTelemetry's semantic conventions for HTTP servers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from tillwise.api.body import Receive
from tillwise.api.door import Door, Scope, Send
from tillwise.api.entry import Admission
from tillwise.api.metrics import Metrics
from tillwise.api.route import Route
from tillwise.decisions.answer import Answer
from tillwise.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

PATH: Final = "/v1/traces"
STEPS: Final = ("permit", "know", "think", "act", "total")


class Traces:
    """Sends spans to one collector, in the background; `close` sends what is left."""

    def __init__(self, url: str) -> None:
        self._provider = _provider(url)
        self.figures = TracedMetrics()
        self.tracer = self._provider.get_tracer("tillwise", version("tillwise"))

    def close(self) -> None:
        """Send what is left and end."""
        self._provider.shutdown()


def _provider(url: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "tillwise.toml [serve] traces names a collector: `pip install 'tillwise[telemetry]'` first, or take it out"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": "tillwise"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url.rstrip("/") + PATH)))
    return provider


class TracedDoor(Door):
    """A door whose every call is a span, a child of the caller's when it sent a W3C `traceparent`."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        admission: Admission,
        traces: Traces,
        *,
        on_start: Callable[[], object],
        on_stop: Callable[[], None],
    ) -> None:
        def stop() -> None:
            on_stop()
            traces.close()

        super().__init__(routes, admission, traces.figures, on_start=on_start, on_stop=stop)
        self.traces = traces

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an extra
            TraceContextTextMapPropagator,
        )

        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = TraceContextTextMapPropagator().extract(sent)
        status = 0

        async def watched(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        with self.traces.tracer.start_as_current_span(scope["method"], parent, SpanKind.SERVER) as span:
            await super()._serve(scope, receive, watched)
            name = str(scope.get("tillwise.route", "unmatched"))
            span.update_name(name)
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", name.partition(" ")[2] or name)
            span.set_attribute("http.response.status_code", status)


class TracedMetrics(Metrics):
    """Figures that also tell the call's span what was decided, and how long each step of the road took."""

    def decided(self, answer: Answer, *, dry_run: bool) -> None:
        """Count a decision, and describe it in the span."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415 - an extra

        super().decided(answer, dry_run=dry_run)
        receipt, span = answer.receipt, get_current_span()
        span.set_attribute("tillwise.use_case", receipt.use_case)
        span.set_attribute("tillwise.action", receipt.decision.action)
        degraded = receipt.decision.degraded
        span.set_attribute("tillwise.degraded", "" if degraded is None else degraded.value)
        for step in STEPS:
            span.set_attribute(f"tillwise.{step}_us", getattr(receipt.latency, step))
