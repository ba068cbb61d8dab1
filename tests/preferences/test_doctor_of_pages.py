"""The doctor speaks up where the addresses of people's own pages would put them at risk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tillwise.app.build import build_app
from tillwise.app.doctor.pages import pages
from tillwise.cli.init import create_shop
from tillwise.settings import ServeSettings, Settings


@pytest.mark.parametrize(("serve", "found"), [
    (ServeSettings(), []),
    (ServeSettings(origins=("http://localhost:3000",), public_url="http://127.0.0.1:8420"), []),
    (ServeSettings(host="0.0.0.0", public_url="https://privacy.shop.example"), []),
    (ServeSettings(host="0.0.0.0"), ["public_url is not set"]),
    (ServeSettings(public_url="http://privacy.shop.example"), ["without TLS"]),
    (ServeSettings(origins=("http://shop.example", "https://shop.example")), ["may show the banner without TLS"]),
])  # fmt: skip
def test_an_address_without_tls_is_named(tmp_path: Path, serve: ServeSettings, found: list[str]) -> None:
    """What is only this machine's, or has TLS, is fine."""
    create_shop(tmp_path / "shop")
    app = build_app(tmp_path / "shop")
    try:
        said = [finding.says for finding in pages(replace(app, settings=Settings(serve=serve)))]
    finally:
        app.close()
    assert len(said) == len(found)
    assert all(words in text for words, text in zip(found, said, strict=True))
