"""Take consent back in a storm, kill the server in the middle of it: no decision may use what was withdrawn before.

    python benchmarks/withdrawal.py [--calls 200000] [--people 1000] [--kill-every 10] [--shop DIR] [--history FILE]

Protocol. `tillwise serve --workers 2` on a fresh shop (or a copy of DIR), asked by 16 client threads in two processes
over HTTP: of the calls 15 % grant marketing consent for DE (with a notice served to that person), 15 % withdraw it,
15 % decide with `Sec-GPC: 1`, 55 % decide without (`POST /predict/churn`). Half of all calls go to 5 % of the people,
so that grants, withdrawals and decisions of one person overlap. Every `--kill-every` seconds one worker, or the whole
server, gets SIGKILL; the supervisor replaces the worker, this program restarts the server.

Every call is written down with its start and end on the machine's monotonic clock, which all processes share; a call
whose connection broke has no end: it may or may not have happened. `withdrawal_check.py` judges the history; it knows
nothing of tillwise. A decision counts as using the purpose when its permit withholds nothing. Target: 0 decisions that
used a purpose whose withdrawal was acknowledged before they started.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tillwise.access.keys import create_key
from tillwise.app import build_app
from tillwise.cli.init import create_shop

PROCESSES, THREADS, WORKERS = 2, 8, 2
DEADLINE_MS, PATIENCE_S = 2_000, 30.0
BROKEN = (OSError, http.client.HTTPException)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        shop = Path(scratch) / "shop"
        if arguments.shop:
            shutil.copytree(arguments.shop, shop)
        else:
            create_shop(shop)
        history = Path(arguments.history or Path(scratch) / "history.jsonl")
        with _serving(shop) as server:
            kills, seconds = storm(server, _key(shop), history, arguments)
        print(f"{arguments.calls} calls in {seconds:.0f} s ({arguments.calls / seconds:.0f}/s), SIGKILL: {kills}")
        checker = Path(__file__).with_name("withdrawal_check.py")
        raise SystemExit(subprocess.run([sys.executable, str(checker), str(history)], check=False).returncode)


class Server:
    """A server in a process group of its own, which may be killed and started again on the same port."""

    def __init__(self, shop: Path) -> None:
        self._shop = shop
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "tillwise", "serve", "--shop", str(self._shop), "--port", str(self.port)]
        self._process = subprocess.Popen([*command, "--workers", str(WORKERS)], start_new_session=True)
        until = time.monotonic() + 120
        while not _answers(self.port):
            if time.monotonic() > until or self._process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.1)

    def kill(self, draw: random.Random) -> str:
        """Kill one worker, or everything, and see to it that somebody answers again."""
        assert self._process is not None
        workers = _workers(self._process.pid)
        if workers and draw.random() < 0.5:
            os.kill(draw.choice(workers), signal.SIGKILL)
            return "worker"
        self.end(signal.SIGKILL)
        self.start()
        return "server"

    def end(self, how: signal.Signals) -> None:
        """End the whole group, and nothing else."""
        if self._process is not None:
            os.killpg(self._process.pid, how)
            self._process.wait()


def _workers(parent: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with_arguments = Path(f"/proc/{child}/cmdline")
        if with_arguments.exists() and b"spawn_main" in with_arguments.read_bytes():
            found.append(int(child))
    return found


@contextmanager
def _serving(shop: Path) -> Iterator[Server]:
    server = Server(shop)
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGTERM)


def storm(server: Server, key: str, history: Path, arguments: argparse.Namespace) -> tuple[dict[str, int], float]:
    """Let the clients ask and the killer kill; return how often it did, and the seconds of the storm."""
    notice = _serve_notices(server.port, key, arguments.people)
    parts = [history.with_suffix(f".{n}") for n in range(PROCESSES)]
    each = arguments.calls // PROCESSES
    clients = [
        multiprocessing.Process(
            target=ask, args=(server.port, key, notice, arguments.people, each, arguments.seed + n, part)
        )
        for n, part in enumerate(parts)
    ]
    began, draw, kills = time.monotonic(), random.Random(arguments.seed), {"worker": 0, "server": 0}
    for client in clients:
        client.start()
    due = began + arguments.kill_every
    while any(client.is_alive() for client in clients):
        time.sleep(0.1)
        if arguments.kill_every and time.monotonic() >= due:
            kills[server.kill(draw)] += 1
            due = time.monotonic() + arguments.kill_every
    seconds = time.monotonic() - began
    with history.open("wb") as whole:
        for part in parts:
            whole.write(part.read_bytes())
            part.unlink()
    if any(client.exitcode for client in clients):
        raise SystemExit("a client failed")
    return kills, seconds


def ask(port: int, key: str, notice: str, people: int, calls: int, seed: int, out: Path) -> None:
    """Run the threads of one client process, and write down what they saw."""
    seen: list[list[dict[str, Any]]] = [[] for _ in range(THREADS)]
    threads = [
        threading.Thread(target=_client, args=(port, key, notice, people, calls // THREADS, seed * 100 + n, seen[n]))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with out.open("w") as file:
        for rows in seen:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def _client(port: int, key: str, notice: str, people: int, calls: int, seed: int, seen: list[dict[str, Any]]) -> None:
    draw, caller = random.Random(seed), Caller(port, key)
    while len(seen) < calls:
        person = draw.randrange(people // 20 or 1) if draw.random() < 0.5 else draw.randrange(people)
        kind = draw.choices(("grant", "withdraw", "signal", "decide"), (15, 15, 15, 55))[0]
        row = caller.call(f"p-{person}", kind, notice)
        if row is not None:
            seen.append(row)


class Caller:
    """One keep-alive connection, opened again when it broke."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._open: http.client.HTTPConnection | None = None

    def call(self, person: str, kind: str, notice: str) -> dict[str, Any] | None:
        """Make one call and return what is known of it; None when it certainly never reached the server."""
        try:
            connection = self._connected()
        except BROKEN:
            time.sleep(0.05)
            return None
        method, path, body, headers = _request(person, kind, notice)
        row: dict[str, Any] = {"person": person, "kind": kind, "begin": time.monotonic_ns(), "end": None}
        try:
            connection.request(method, path, json.dumps(body), {**headers, "Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
        except (*BROKEN, ValueError):
            connection.close()
            self._open = None
            return row
        row["end"] = time.monotonic_ns()
        row["status"] = answer.status
        if kind in ("signal", "decide") and answer.status == 200:
            row["used"] = not read["permit"]["withheld"]
        return row

    def _connected(self) -> http.client.HTTPConnection:
        if self._open is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            connection.connect()
            self._open = connection
        return self._open


def _request(person: str, kind: str, notice: str) -> tuple[str, str, dict[str, Any], dict[str, str]]:
    if kind in ("grant", "withdraw"):
        state = "given" if kind == "grant" else "withdrawn"
        body = {"purpose": "marketing", "state": state, "notice_id": notice, "country": "DE", "source": "storm"}
        return "PUT", f"/consent/{person}", body, {}
    asked = {"subject": person, "place": {"country": "DE"}, "deadline_ms": DEADLINE_MS, "explain": "none"}
    return "POST", "/predict/churn", asked, {"Sec-GPC": "1"} if kind == "signal" else {}


def _serve_notices(port: int, key: str, people: int) -> str:
    """Serve the notice to everybody; return its id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    notice = ""
    for person in range(people):
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("GET", f"/notice?subject=p-{person}&country=DE", headers=headers)
        notice = json.loads(connection.getresponse().read())["notice_id"]
    connection.close()
    return notice


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except BROKEN:
        return False


def _key(shop: Path) -> str:
    app = build_app(shop)
    try:
        return create_key(app.store, "admin")[1]
    finally:
        app.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds; 0 = never")
    parser.add_argument("--shop", help="a built shop to copy, instead of a fresh one")
    parser.add_argument("--history", help="where to keep the history")
    parser.add_argument("--folder", help="where the scratch folder goes")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
