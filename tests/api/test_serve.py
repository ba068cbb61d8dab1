"""Serving for real: several processes on one database, a clean end, and what must never be served."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from knocking import Client

from tillwise.api.serve import build_door, serve
from tillwise.app import build_app
from tillwise.cli.init import create_shop
from tillwise.errors import ConfigurationError
from tillwise.privacy import ledger
from tillwise.settings import ShopFolder
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import survive

VIEW = {"event": "Product Viewed", "anonymousId": "a-1", "properties": {"product_id": "sku-1"}}
ORDER = {"order": {"id": "o-1", "amount": 900, "currency": "EUR"}, "payment": {"method": "card"}}


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    process = survive.start(folder, port, workers)
    try:
        survive.wait_ready(port, process)
        yield port, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(port: int, method: str, path: str, key: str, body: Any = None) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}


def test_several_workers_share_one_database_and_one_page_of_figures(tmp_path: Path) -> None:
    """Every worker sees what any of them acknowledged; figures are the sums; SIGTERM ends all of them cleanly."""
    keys = create_shop(tmp_path / "shop")
    with serving(tmp_path / "shop", 2) as (port, process):
        for number in range(12):
            assert ask(port, "POST", "/v1/track", keys["server"], VIEW | {"messageId": f"m-{number}"})[0] == 200
            status, text, headers = ask(port, "POST", "/predict/fraud", keys["decide"], ORDER)
            assert status == 200
            assert "server" not in headers
            decision_id = json.loads(text)["decision_id"]
            assert ask(port, "GET", f"/decisions/{decision_id}", keys["decide"])[0] == 200
        figures = ask(port, "GET", "/metrics", keys["admin"])[1]
        assert 'tillwise_http_answers_total{route="POST /v1/track",status="200"} 12.0' in figures
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with SqliteStore(ShopFolder(tmp_path / "shop").database).snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM events") == (12,)


def test_three_times_killed_and_nothing_lost(tmp_path: Path) -> None:
    """ARCHITECTURE 8.1: an accepted event or a recorded answer survives `kill -9`. A hundred rounds: benchmarks."""
    create_shop(tmp_path / "shop")

    book, found, _ = survive.survive(tmp_path / "shop", rounds=3, workers=1)

    assert book.events
    assert book.decisions
    assert (found.lost_events, found.lost_decisions, found.doubled, found.sound) == (0, 0, 0, True)


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    create_shop(tmp_path / "shop")
    with serving(tmp_path / "shop", 2) as (port, process):
        process.kill()
        process.wait()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return
    pytest.fail("a worker still listens")


def test_benchmark_data_is_never_served(tmp_path: Path) -> None:
    create_shop(tmp_path / "shop")
    app = build_app(tmp_path / "shop")
    basis = ledger.DeclaredBasis("DE", {Purpose.RECOMMEND: ledger.PurposeBasis("benchmark")})
    app.store.commit(lambda rows: ledger.declare(rows, [Pseudonym(7)], basis, source="test", now=1)).result()
    app.close()

    with pytest.raises(ConfigurationError, match="benchmark"):
        build_door(tmp_path / "shop")


def test_the_real_shop_describes_the_horizons_it_answers_for(tmp_path: Path) -> None:
    create_shop(tmp_path / "shop")
    door = build_door(tmp_path / "shop")
    client = Client(door, {})
    described = client.get("/openapi.json").json()
    client.close()
    door._on_stop()

    whole_numbers = described["components"]["schemas"]["ChurnAsk"]["properties"]["horizon_days"]["anyOf"][0]
    assert whole_numbers["enum"] == [90]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_somebody_listens_on_is_refused_before_anything_is_announced(tmp_path: Path, workers: int) -> None:
    """Exit code 1 and one line that names the address and what to do; nothing claims to serve."""
    create_shop(tmp_path / "shop")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "tillwise", "serve", "--shop", str(tmp_path / "shop"), "--port", str(port),
             "--workers", str(workers)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert "--port" in line


def test_a_name_that_is_no_address_is_refused(tmp_path: Path) -> None:
    """A misspelt host is the operator's to mend: the line says what belongs there."""
    create_shop(tmp_path / "shop")
    with pytest.raises(ConfigurationError, match="no address of this machine"):
        serve(tmp_path / "shop", host="nosuch.invalid", port=8420)
