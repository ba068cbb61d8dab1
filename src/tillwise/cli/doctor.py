"""`tillwise doctor`: what is missing or unsafe, in plain words, with the fix. Exit code 1 when something is wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from tillwise.app import build_app
from tillwise.app.doctor import examine
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show


@click.command()
@shop_option
@json_option
def doctor_command(shop: Path, *, as_json: bool) -> None:
    """Say what is missing, unsafe or stale, with the command that mends it."""
    app = build_app(shop)
    try:
        findings = examine(app)
    finally:
        app.close()
    show = Show(as_json)
    show.document([asdict(finding) for finding in findings])
    show.table("doctor", ("", "about", "says", "mend"), [(f.level, f.about, f.says, f.mend) for f in findings])
    wrong = sum(finding.level == "wrong" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    show.line(f"{wrong} wrong, {warnings} warnings")
    if wrong:
        raise SystemExit(1)
