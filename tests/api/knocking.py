"""A client that knocks at a door without a network; blocking, so that tests read well."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tillwise.api.door import Door


class Client:
    """Knocks at a door without a network; blocking, so that tests read well."""

    def __init__(self, door: Door, keys: dict[str, str], address: str = "127.0.0.1") -> None:
        self.door = door
        self.keys = keys
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(door, raise_app_exceptions=True, client=(address, 5000))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420")

    def send(self, method: str, path: str, *, role: str = "", **arguments: Any) -> httpx.Response:
        """Send a request with the Bearer key of a role."""
        headers = dict(arguments.pop("headers", {}))
        if role:
            headers["authorization"] = f"Bearer {self.keys[role]}"
        return self._loop.run_until_complete(self._http.request(method, path, headers=headers, **arguments))

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.send("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self.send("POST", path, **arguments)

    def close(self) -> None:
        self._loop.run_until_complete(self._http.aclose())
        self._loop.close()
