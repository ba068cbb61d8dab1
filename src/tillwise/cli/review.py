"""`tillwise review`: the queue of decisions somebody has to look at."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path

import click
import msgspec

from tillwise.access.reads import COMMAND_LINE, log_read
from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.review.case import Case, subjects_of
from tillwise.vocabulary.store import Transaction


@click.group()
def review_command() -> None:
    """List, take and decide what waits for a person."""


@review_command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@shop_option
@json_option
def list_command(limit: int, shop: Path, *, as_json: bool) -> None:
    """Show what waits, those worth most first."""
    app = build_app(shop)
    try:
        cases = app.reviews.waiting(limit=limit)
        _note_read(app, "review list", cases)
    finally:
        app.close()
    _show_cases(Show(as_json), cases)


@review_command.command("take")
@click.argument("decision_id", required=False)
@click.option("--as", "reviewer", default=getuser, help="Who is looking (default: your login).")
@shop_option
@json_option
def take_command(decision_id: str | None, reviewer: str, shop: Path, *, as_json: bool) -> None:
    """Hold DECISION_ID, or the best that nobody holds, for 15 minutes, and show why it is here."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        case = app.reviews.take(reviewer, decision_id)
        if case is not None:
            _note_read(app, "review take", [case])
        told = None if case is None else app.replayer.explain(case.decision_id)
    finally:
        app.close()
    if case is None or told is None:
        show.document(None)
        show.line("Nothing waits.")
        return
    reasons = told.decision.reasons
    show.document({"case": msgspec.to_builtins(case), "reasons": msgspec.to_builtins(reasons)})
    show.line(f"{case.decision_id} · worth {case.value / 100:.2f} · score {told.decision.score}")
    show.table("why", ("share", "reason"), [(round(reason.weight, 3), reason.text) for reason in reasons])
    show.line(f"Then: tillwise review decide {case.decision_id} approve|decline --reason '…'")


@review_command.command("decide")
@click.argument("decision_id")
@click.argument("verdict", type=click.Choice(["approve", "decline"]))
@click.option("--reason", required=True, help="Why; kept with the verdict.")
@click.option("--as", "reviewer", default=getuser, help="Who decides (default: your login).")
@shop_option
@json_option
def decide_command(decision_id: str, verdict: str, reason: str, reviewer: str, shop: Path, *, as_json: bool) -> None:
    """Write a verdict with its reason; the model learns from it."""
    app = build_app(shop)
    try:
        case = app.reviews.decide(reviewer, decision_id, verdict, reason)
    finally:
        app.close()
    show = Show(as_json)
    show.document(msgspec.to_builtins(case))
    show.line(f"{case.decision_id}: {verdict}")


def _note_read(app: App, what: str, cases: list[Case]) -> None:
    """Write down whose cases somebody is shown at a terminal, before they are."""

    def work(transaction: Transaction) -> None:
        ids = [case.decision_id for case in cases]
        one = ids[0] if len(ids) == 1 else None
        about = subjects_of(transaction, ids)
        log_read(transaction, who=COMMAND_LINE, what=what, reason="review", subjects=about, decision_id=one)

    app.store.commit(work).result()


def _show_cases(show: Show, cases: list[Case]) -> None:
    show.document(msgspec.to_builtins(cases))
    rows = [(c.decision_id, c.use_case, round(c.value / 100, 2), c.reviewer or "–") for c in cases]
    show.table("waiting", ("decision", "use case", "worth", "held by"), rows)
    if not cases:
        show.line("Nothing waits.")
