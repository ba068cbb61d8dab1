"""kill -9 a server under load, again and again: nothing acknowledged is lost, nothing is there twice.

    python benchmarks/survive.py [--rounds 100] [--workers 1] [--shop DIR]

Protocol. Each round starts `tillwise serve` on the same folder, loads it from several threads with tracked events
(batches of 5) and fraud decisions, kills its whole process group with SIGKILL at a random moment, and remembers what
was acknowledged: an event by `{"success": true}`, a decision by `"recorded": true`. What was under way when the server
died is sent once more in the next round with the same message id, as a real client would. After the last round the log
is read and counted: every acknowledged event and every answered decision must be there exactly once, every repeated
event at most once. A restart counts until `/readyz` answers 200. Targets: 0 lost, 0 duplicated, restart ≤ 5 s.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tillwise.access.keys import create_key
from tillwise.cli.init import create_shop
from tillwise.settings import ShopFolder
from tillwise.stores.sqlite import SqliteStore

Message = dict[str, Any]


@dataclass
class Book:
    """What the clients know: what was acknowledged, and what was under way when the server died."""

    events: set[str] = field(default_factory=set)
    decisions: set[str] = field(default_factory=set)
    retry: list[list[Message]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    refused: Counter[str] = field(default_factory=Counter)
    numbers: int = 0

    def batch(self) -> list[Message]:
        """Return messages to send: those under way at the last death first, else new ones."""
        with self.lock:
            if self.retry:
                return self.retry.pop()
            first = self.numbers
            self.numbers += 5
        return [
            {
                "type": "track", "event": "Product Viewed", "anonymousId": f"a-{n % 97}", "messageId": f"survive-{n}",
                "properties": {"product_id": f"survive-{n}"},
            }
            for n in range(first, first + 5)
        ]  # fmt: skip


class Client(threading.Thread):
    """One client: sends until the server is gone."""

    def __init__(self, port: int, keys: dict[str, str], book: Book, *, decides: bool) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._keys = keys
        self._book = book
        self._decides = decides
        self._stop_asked = False

    def stop(self) -> None:
        """Send nothing more."""
        self._stop_asked = True

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        send = self._decide if self._decides else self._track
        try:
            while not self._stop_asked:
                send(connection)
        except (OSError, http.client.HTTPException):
            return  # the server is dead: what was under way stays unacknowledged
        finally:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, path: str, role: str, body: Any) -> Any:
        headers = {"authorization": f"Bearer {self._keys[role]}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            self._book.refused[f"{path} {answer.status}"] += 1
            return {}
        return json.loads(text)

    def _track(self, connection: http.client.HTTPConnection) -> None:
        messages = self._book.batch()
        try:
            answer = self._post(connection, "/v1/batch", "server", {"batch": messages})
        except BaseException:
            with self._book.lock:
                self._book.retry.append(messages)
            raise
        with self._book.lock:
            if answer.get("success"):
                self._book.events.update(message["messageId"] for message in messages)
            else:
                self._book.retry.append(messages)

    def _decide(self, connection: http.client.HTTPConnection) -> None:
        number = random.getrandbits(60)
        body = {
            "request_id": f"r-{number}", "subject": f"u-{number % 50}", "place": {"country": "DE"},
            "order": {"id": f"o-{number}", "amount": 2590, "currency": "EUR"}, "payment": {"method": "card"},
            "deadline_ms": 5000,
        }  # fmt: skip
        answer = self._post(connection, "/predict/fraud", "decide", body)
        if answer.get("recorded"):
            with self._book.lock:
                self._book.decisions.add(answer["decision_id"])


def start(folder: Path, port: int, workers: int) -> subprocess.Popen[bytes]:
    """Start the server in a process group of its own."""
    command = [sys.executable, "-m", "tillwise", "serve", "--shop", str(folder), "--port", str(port),
               "--workers", str(workers)]  # fmt: skip
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)


def wait_ready(port: int, process: subprocess.Popen[bytes]) -> float:
    """Wait for the server; return the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        if process.poll() is not None:
            raise SystemExit(f"the server did not start: exit code {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return time.monotonic() - began
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the server did not get ready in 120 s")


def one_round(folder: Path, keys: dict[str, str], book: Book, workers: int, draw: random.Random) -> float:
    """Start, load, kill; return the seconds of the start."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    process = start(folder, port, workers)
    try:
        seconds = wait_ready(port, process)
        clients = [Client(port, keys, book, decides=index % 2 == 1) for index in range(6)]
        for client in clients:
            client.start()
        time.sleep(draw.uniform(0.05, 0.6))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for client in clients:
        client.stop()
        client.join(15)
    return seconds


@dataclass(frozen=True)
class Found:
    """What the log holds in the end."""

    events: int
    decisions: int
    lost_events: int
    lost_decisions: int
    doubled: int
    sound: bool


def count(folder: Path, book: Book) -> Found:
    """Read the log and compare it with the clients' book."""
    database = sqlite3.connect(ShopFolder(folder).database)
    try:
        bodies = database.execute("SELECT body FROM events WHERE body LIKE '%survive-%'")
        events = Counter(item for (body,) in bodies for item in json.loads(body).values() if "survive-" in str(item))
        rows = database.execute("SELECT decision_id, count(*) FROM receipts WHERE delivered = 1 GROUP BY decision_id")
        decisions = dict(rows.fetchall())
        sound = database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        database.close()
    return Found(
        events=len(events),
        decisions=len(decisions),
        lost_events=sum(1 for event in book.events if event not in events),
        lost_decisions=sum(1 for decision in book.decisions if decision not in decisions),
        doubled=sum(1 for times in (*events.values(), *decisions.values()) if times > 1),
        sound=sound,
    )


def survive(folder: Path, rounds: int, workers: int, seed: int = 7) -> tuple[Book, Found, list[float]]:
    """Run all rounds; return the book, what was found, and the seconds of every start."""
    store = SqliteStore(ShopFolder(folder).database)
    try:
        keys = {role: create_key(store, role, days=2)[1] for role in ("server", "decide")}
    finally:
        store.close()
    book, draw = Book(), random.Random(seed)
    starts: list[float] = []
    for number in range(rounds):
        starts.append(one_round(folder, keys, book, workers, draw))
        if sys.stderr.isatty():
            sys.stderr.write(f"\rround {number + 1} of {rounds}, {len(book.events)} events acknowledged ")
    return book, count(folder, book), starts


def main() -> None:
    """Survive, and say so; exit code 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--shop", type=Path, help="a shop folder to use; it keeps what is sent")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.shop or Path(made) / "shop"
        if asked.shop is None:
            create_shop(folder)
        book, found, starts = survive(folder, asked.rounds, asked.workers)
    print(f"{asked.rounds} × kill -9: {len(book.events)} events and {len(book.decisions)} decisions acknowledged")
    sound = "sound" if found.sound else "DAMAGED"
    print(f"in the log: {found.events} events, {found.decisions} decisions; the file is {sound}")
    print(f"lost: {found.lost_events} events, {found.lost_decisions} decisions; twice: {found.doubled}  (target: 0)")
    print(f"restart: slowest {max(starts):.2f} s, median {sorted(starts)[len(starts) // 2]:.2f} s   (target: ≤ 5 s)")
    if book.refused:
        print(f"refused meanwhile: {dict(book.refused)}")
    if found.lost_events or found.lost_decisions or found.doubled or not found.sound:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
