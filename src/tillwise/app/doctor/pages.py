"""People's own pages: whether the addresses that lead to them, and that may frame the banner, are fit for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding

_HERE: Final = ("localhost", "127.0.0.1", "::1")


def pages(app: App) -> Iterator[Finding]:
    """Look at `[serve] public_url` and `origins`."""
    serve = app.settings.serve
    mend = "set it under [serve] in tillwise.toml and start `tillwise serve` again"
    if serve.host not in _HERE and not serve.public_url:
        says = "links to the preference centre begin with whatever name your server calls: public_url is not set"
        yield Finding("warning", "pages", says, mend)
    if _is_open(serve.public_url):
        says = f"people's own pages are reached without TLS, at {serve.public_url}: anybody on the way can read them"
        yield Finding("wrong", "pages", says, "put TLS in front of it, then set public_url to the https address")
    for origin in serve.origins:
        if _is_open(origin):
            says = f"{origin} may show the banner without TLS: anybody on the way can answer for people"
            yield Finding("warning", "pages", says, f"write the https address in origins: {mend}")


def _is_open(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and (parts.hostname or "") not in _HERE
