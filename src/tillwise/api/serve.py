"""Serving a shop: one process, or several on its one database, each with its own App built from the folder."""

from __future__ import annotations

import atexit
import gc
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import uvicorn
from threadpoolctl import threadpool_limits

from tillwise.api.create import create_api
from tillwise.api.door import Door
from tillwise.api.metrics import MULTIPROCESS
from tillwise.app import build_app
from tillwise.app.upkeep import Upkeep
from tillwise.errors import ConfigurationError
from tillwise.privacy.ledger import holds_benchmark
from tillwise.vocabulary.store import Store

SHOP: Final = "TILLWISE_SHOP"
"""The folder a worker process builds its App from."""
PARENT: Final = "TILLWISE_PARENT"
SWITCH_SECONDS: Final = 0.0005
"""How long the committing thread waits for the interpreter; every answer waits for it, and 5 ms are too many."""
GRACE_SECONDS: Final = 10


def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 8420, workers: int = 1) -> None:
    """Serve until interrupted; calls in progress are finished and queued receipts written before it returns.

    Raises ConfigurationError when the shop holds data on the basis `benchmark`, its folder cannot be used, or somebody
    else listens on the port.
    """
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": "httptools",
        "ws": "none",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }
    _check_address(host, port)
    # The server stops gracefully and then repeats the signal: by then everything is done, so it is a good end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if workers == 1:
        door = build_door(folder)
        tune()
        _say(host, port, workers)
        uvicorn.run(door, **options)
        return
    _check_shop(folder)
    _say(host, port, workers)
    figures = tempfile.mkdtemp(prefix="tillwise-figures-")
    os.environ |= {SHOP: str(folder.resolve()), PARENT: str(os.getpid()), MULTIPROCESS: figures}
    try:
        uvicorn.run(
            "tillwise.api.serve:worker", factory=True, workers=workers, timeout_worker_healthcheck=60, **options
        )
    finally:
        shutil.rmtree(figures, ignore_errors=True)


def build_door(folder: Path) -> Door:
    """Build a shop and its door; refuse one that holds benchmark data."""
    app = build_app(folder)
    try:
        _refuse_benchmark(app.store, folder)
        upkeep = Upkeep(app)

        def stop() -> None:
            upkeep.stop()
            app.close()

        door = create_api(app, on_start=upkeep.start, on_stop=stop)
    except BaseException:
        app.close()
        raise
    return door


def _check_shop(folder: Path) -> None:
    """Build the shop once before several processes do: what is wrong is then said once, and nothing was announced."""
    app = build_app(folder)
    try:
        _refuse_benchmark(app.store, folder)
    finally:
        app.close()


def _check_address(host: str, port: int) -> None:
    """Raise ConfigurationError when this address cannot be listened on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found[:1]:
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except socket.gaierror:
        raise ConfigurationError(f"'{host}' is no address of this machine: use one of its own") from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what listens there, or choose another --port"
        ) from None


def _refuse_benchmark(store: Store, folder: Path) -> None:
    with store.snapshot() as snapshot:
        if holds_benchmark(snapshot):
            raise ConfigurationError(
                f"{folder} holds data on the basis `benchmark`, which lets everything be read: it is not served."
                " Import the data again with the basis people were told"
            )


def worker() -> Door:
    """Build the door of one of several processes; it ends when the process that started it is gone."""
    threading.Thread(target=_follow, args=(int(os.environ[PARENT]),), daemon=True, name="tillwise-parent").start()
    door = build_door(Path(os.environ[SHOP]))
    tune()
    return door


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def tune() -> None:
    """Set this process up for answering: its interpreter, its numeric threads, its collector."""
    sys.setswitchinterval(SWITCH_SECONDS)
    threadpool_limits(1, user_api="blas")  # one decision's small products must not wait for another's threads
    gc.collect()
    gc.freeze()  # what is loaded now stays: the collector need not look at it at every turn
    atexit.register(gc.unfreeze)


def _say(host: str, port: int, workers: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"tillwise serves http://{shown}:{port} with {workers} worker{'s'[: workers > 1]}; Ctrl-C stops\n")
    if not _is_loopback(host):
        sys.stderr.write("It can be reached from other machines: put TLS in front of it\n")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
