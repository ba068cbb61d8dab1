"""`tillwise replay`: take a past decision again and compare, byte for byte."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tillwise.app import App, build_app
from tillwise.app.auditing import erased_proof
from tillwise.cli.looked import note_decision
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.decisions.replay import Replayed, Verdict
from tillwise.errors import NotFound
from tillwise.vocabulary.canonical import Json


@click.command()
@click.argument("decision_id")
@click.option("--from-log", is_flag=True, help="Read every feature again from the log, at the decision's position.")
@shop_option
@json_option
def replay_command(decision_id: str, shop: Path, *, from_log: bool, as_json: bool) -> None:
    """Replay DECISION_ID from its receipt: same, differs, erased or expired. Exit code 1 when it differs."""
    app = build_app(shop)
    try:
        replayed, proof = _replay(app, decision_id, from_log=from_log)
        if proof is None:
            note_decision(app, decision_id, "replay")
    finally:
        app.close()
    show = Show(as_json)
    again = None if replayed.replayed is None else msgspec.json.decode(replayed.replayed)
    show.document(
        {
            "decision_id": decision_id,
            "verdict": replayed.verdict.value,
            "notes": list(replayed.notes),
            "recorded": msgspec.json.decode(replayed.recorded) if replayed.recorded else None,
            "replayed": again,
            "proof": proof,
        }
    )
    show.line(f"{decision_id}: {replayed.verdict.value}")
    for note in replayed.notes:
        show.line(f"  {note}")
    if replayed.verdict is Verdict.DIFFERS:
        raise SystemExit(1)


def _replay(app: App, decision_id: str, *, from_log: bool) -> tuple[Replayed, Json | None]:
    try:
        return app.replayer.replay(decision_id, from_log=from_log), None
    except NotFound:
        proof = erased_proof(app.store, app.secrets, decision_id)
        if proof is None:
            raise
    notes = ["it was erased together with the person it was about"]
    if proof["entry"] is not None:
        notes.append(f"entry {proof['entry']} of the audit log says so: tillwise audit prove {decision_id}")
    return Replayed(Verdict.ERASED, b"", notes=tuple(notes)), proof
