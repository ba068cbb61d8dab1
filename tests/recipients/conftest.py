"""A shop at its border, with a sink that listens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bordering_shop import RECORD, Server, fill, make_shop, serving, sink_settings, write_vendors

from tillwise.app import App, build_app


@dataclass
class Border:
    """The built shop, its folder, and the sink it tells of churn decisions."""

    app: App
    folder: Path
    server: Server


@pytest.fixture
def border(tmp_path: Path) -> Iterator[Border]:
    """Three customers in Germany, a vendor in the United States whose papers are in order."""
    folder = tmp_path / "shop"
    with serving() as server:
        make_shop(folder, more=sink_settings(server.url, outcomes='"purchase"'))
        write_vendors(folder, RECORD)
        app = build_app(folder)
        fill(app)
        yield Border(app, folder, server)
        app.close()
