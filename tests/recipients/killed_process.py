"""A process that is killed after a message arrived and before it could note so."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tillwise.app import build_app
from tillwise.connectors.outbound_http import Line
from tillwise.connectors.outbound_sinks import Sinks


class Deadly(Line):
    """Posts, and dies before anybody hears of the answer."""

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        super().post(body, headers)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


app = build_app(Path(sys.argv[1]))
gate, settings = app.outbound.gate, app.outbound.sinks.settings
Sinks(app.store, app.secrets, app.clock, gate, settings, app.use_cases, line=Deadly).deliver()
