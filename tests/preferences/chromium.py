"""Real headless Chromium, the door on a real port, and a shop's own page on another."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Page, Request
from toy_shop import SECRETS

from tillwise.api.door import Door
from tillwise.preferences.link import Links, Use
from tillwise.vocabulary.clock import wall_now

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
MISSING = "no Chromium on this machine (Debian: sudo apt-get install chromium): the preference centre is not seen"
IN_CI = os.environ.get("CI") == "true"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(door: Door, port: int) -> Iterator[None]:
    """Serve the door until the block ends."""
    server = uvicorn.Server(uvicorn.Config(door, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    ready = threading.Event()
    started = server.startup

    async def startup(*arguments: Any, **more: Any) -> None:
        await started(*arguments, **more)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def shop_page(port: int, html: str) -> Iterator[None]:
    """Serve one page of the shop's own, from another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode() if self.path == "/" else b""
            self.send_response(200 if body else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


@dataclass
class Eyes:
    """A browser that looks at one server and notes every request it makes."""

    browser: Browser
    base: str
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def page(self, *, scripts: bool = True, **context: Any) -> Iterator[Page]:
        """Open a page in a context of its own; no error may be left in its console."""
        made = self.browser.new_context(java_script_enabled=scripts, **context)
        made.set_default_timeout(10_000)
        made.on("request", self._note)
        page = made.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page
        finally:
            made.close()
        assert errors == []

    def _note(self, request: Request) -> None:
        self.seen.append(request.url)

    def link(self, who: str, language: str = "en", *, use: Use = Use.PAGES, anonymous: bool = False) -> str:
        """Return the address of a link for somebody in Germany."""
        text, _ = Links(SECRETS).mint(who, wall_now(), anonymous=anonymous, use=use, language=language, place="DE")
        return f"{self.base}/preferences/{'open' if use is Use.PAGES else 'banner'}?link={text}"
