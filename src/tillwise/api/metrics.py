"""Figures for Prometheus: how many answers, how fast, which actions, which fallbacks. No label leads to a person."""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tillwise.decisions.answer import Answer

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers keep their figures together; `serve` sets it before they start."""
SECONDS: Final = (0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
GATE_SECONDS: Final = (
    0.00001,
    0.00002,
    0.00003,
    0.00005,
    0.000075,
    0.0001,
    0.00015,
    0.0002,
    0.0003,
    0.0005,
    0.001,
    0.005,
)
MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one process; with several workers, `page` shows the sums of all of them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "tillwise_http_answers", "HTTP answers by route and status", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "tillwise_http_seconds", "Seconds from the first byte of a call to the end of its answer", ("route",),
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._decisions = Counter(
            "tillwise_decisions", "Decisions by use case, action and degraded reason",
            ("use_case", "action", "degraded"), registry=self._registry,
        )  # fmt: skip
        self._unrecorded = Counter(
            "tillwise_decisions_unrecorded", "Answers whose receipt was not durable in time", ("use_case",),
            registry=self._registry,
        )  # fmt: skip
        self._gate = Histogram(
            "tillwise_gate_seconds", "Seconds the gate took to say what may be read, a part of every decision",
            buckets=GATE_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._by_answer: dict[tuple[str, int], Counter] = {}
        self._by_route: dict[str, Histogram] = {}
        self._by_decision: dict[tuple[str, str, str], Counter] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP answer. Children are kept: finding one by its labels costs more than counting."""
        counter = self._by_answer.get((route, status))
        if counter is None:
            counter = self._by_answer[route, status] = self._answers.labels(route, str(status))
            self._by_route[route] = self._seconds.labels(route)
        counter.inc()
        self._by_route[route].observe(seconds)

    def decided(self, answer: Answer, *, dry_run: bool) -> None:
        """Count one decision that was given out."""
        decision = answer.decision
        degraded = "" if decision.degraded is None else decision.degraded.value
        key = (answer.receipt.use_case, decision.action, degraded)
        counter = self._by_decision.get(key)
        if counter is None:
            counter = self._by_decision[key] = self._decisions.labels(*key)
        counter.inc()
        self._gate.observe(answer.receipt.latency.gate / 1_000_000)
        if not (answer.recorded or dry_run):
            self._unrecorded.labels(answer.receipt.use_case).inc()

    def page(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self._registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
        return generate_latest(gathered)
