"""Traces reach the collector the shop names, and nobody else; they name no person."""

from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from knocking import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from toy_shop import ToyShop, build_toy

from tillwise.api.create import create_api
from tillwise.api.traces import TracedDoor
from tillwise.settings import ServeSettings

PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(HTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.bodies: list[bytes] = []
        self.paths: list[str] = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.paths.append(self.path)
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def traced(shop: ToyShop, url: str) -> ToyShop:
    serve = msgspec.structs.replace(shop.settings.serve, traces=url)
    return replace(shop, settings=msgspec.structs.replace(shop.settings, serve=serve))


def test_a_decision_is_a_span_of_the_callers_trace(tmp_path: Path) -> None:
    """The collector hears route, status, use case, action and the time of each step, under the caller's trace id."""
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    shop = traced(build_toy(tmp_path), f"http://127.0.0.1:{collector.server_port}")
    door = create_api(shop)
    assert isinstance(door, TracedDoor)
    body = {"subject": "u-secret-17", "place": {"country": "US"}, "order": {"id": "o-1", "amount": 990,
            "currency": "EUR", "items": []}, "payment": {"method": "card"}}  # fmt: skip
    headers = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}
    client = Client(door, shop.keys)
    assert client.post("/predict/fraud", role="decide", json=body, headers=headers).status_code == 200
    client.close()
    shop.close()
    door.traces.close()
    collector.shutdown()
    thread.join()
    collector.server_close()
    assert set(collector.paths) == {"/v1/traces"}
    sent = ExportTraceServiceRequest.FromString(collector.bodies[0])
    (span,) = sent.resource_spans[0].scope_spans[0].spans
    told = {each.key: each.value for each in span.attributes}
    assert (span.name, span.trace_id.hex()) == ("POST /predict/fraud", PARENT)
    assert told["http.response.status_code"].int_value == 200
    assert (told["tillwise.use_case"].string_value, told["tillwise.action"].string_value) == ("fraud", "approve")
    assert told["tillwise.total_us"].int_value > 0
    assert all(b"u-secret-17" not in each and b"o-1" not in each for each in collector.bodies)


def test_without_a_collector_nothing_is_traced(tmp_path: Path) -> None:
    """No setting, no span."""
    shop = build_toy(tmp_path)
    assert not isinstance(create_api(shop), TracedDoor)
    shop.close()


def test_a_collector_is_an_address() -> None:
    """Anything else stops the start."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"traces": "collector"}, ServeSettings)
