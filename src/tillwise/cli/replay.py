"""`tillwise replay`: take a past decision again and compare, byte for byte."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tillwise.app import build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.decisions.replay import Verdict


@click.command()
@click.argument("decision_id")
@click.option("--from-log", is_flag=True, help="Read every feature again from the log, at the decision's position.")
@shop_option
@json_option
def replay_command(decision_id: str, shop: Path, *, from_log: bool, as_json: bool) -> None:
    """Replay DECISION_ID from its receipt: same, differs, erased or expired. Exit code 1 when it differs."""
    app = build_app(shop)
    try:
        replayed = app.replayer.replay(decision_id, from_log=from_log)
    finally:
        app.close()
    show = Show(as_json)
    again = None if replayed.replayed is None else msgspec.json.decode(replayed.replayed)
    show.document(
        {
            "decision_id": decision_id,
            "verdict": replayed.verdict.value,
            "notes": list(replayed.notes),
            "recorded": msgspec.json.decode(replayed.recorded),
            "replayed": again,
        }
    )
    show.line(f"{decision_id}: {replayed.verdict.value}")
    for note in replayed.notes:
        show.line(f"  {note}")
    if replayed.verdict is Verdict.DIFFERS:
        raise SystemExit(1)
