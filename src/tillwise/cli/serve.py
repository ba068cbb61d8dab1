"""`tillwise serve`: the HTTP API and the console."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.api.serve import serve
from tillwise.cli.main import json_option, shop_option
from tillwise.settings import ShopFolder


@click.command()
@click.option("--host", help="Address to listen on (default: tillwise.toml's, which is loopback).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (default: tillwise.toml's).")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes on this shop's one database.")
@shop_option
@json_option
def serve_command(host: str | None, port: int | None, workers: int | None, shop: Path, *, as_json: bool) -> None:
    """Serve the HTTP API and the console until interrupted."""
    settings = ShopFolder(shop).settings().serve
    serve(shop, host=host or settings.host, port=port or settings.port, workers=workers or settings.workers)
