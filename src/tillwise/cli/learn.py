"""`tillwise train`, `evaluate`, `score`: learn from the log, judge on what was never seen, decide for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from tillwise.access.reads import COMMAND_LINE
from tillwise.app import App, build_app
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show, progress
from tillwise.decisions.decision import Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput, NotReleased, TillwiseError
from tillwise.jobs import score, train
from tillwise.jobs.learning import Material
from tillwise.jobs.leaving import Outlet, Premises
from tillwise.jobs.progress import Progress
from tillwise.jobs.train import TrainResult
from tillwise.recipients.causes import cause_of
from tillwise.releases.card import Metric, ModelCard
from tillwise.use_cases.churn.audience import customers
from tillwise.use_cases.churn.features import ORDER
from tillwise.vocabulary.canonical import Json

BATCHES: Final[dict[str, Json | None]] = {
    "churn": {}, "recommendations": {"placement": "email", "k": 10}, "fraud": None,
}  # fmt: skip
"""What tillwise's own use cases are asked about everybody; fraud is asked about one order at a time."""
"""What a batch asks about each person; a use case that needs an order in hand has none."""
Moment = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


def material(app: App, bars: Progress, seed: int = 7) -> Material:
    """Return what a learner may use of this shop."""
    return Material(
        store=app.store, segments=app.segments, gate=app.gate, clock=app.clock, folder=app.folder.path, seed=seed,
        progress=bars, retention=app.retention,
    )  # fmt: skip


@click.command()
@click.argument("names", metavar="[USE_CASE]...", nargs=-1)
@click.option("--seed", type=int, default=7, show_default=True, help="The same log and seed give the same model.")
@shop_option
@json_option
def train_command(names: tuple[str, ...], seed: int, shop: Path, *, as_json: bool) -> None:
    """Train USE_CASE (default: all), and release the model, or its best baseline and why the model was refused."""
    show = Show(as_json)
    app = build_app(shop)
    documents = []
    failed: dict[str, str] = {}
    try:
        for name in names or tuple(app.learners):
            try:
                result = train_one(app, name, show, seed=seed)
                documents.append(_document(result))
            except TillwiseError as error:
                failed[name] = str(error)
                documents.append({"use_case": name, "released": None, "why": str(error)})
                show.line(f"{name}: {error}")
    finally:
        app.close()
    show.document(documents)
    if len(failed) == len(documents):
        why = "; ".join(f"{name}: {cause.removeprefix(f'{name}: ')}" for name, cause in failed.items())
        raise NotReleased(f"nothing could be released: {why}")


def train_one(app: App, name: str, show: Show, *, seed: int = 7) -> TrainResult:
    """Train one use case and show what came of it."""
    use_case = app.use_case(name)
    with progress(quiet=show.as_json) as bars:
        result = train.train(use_case, app.learners[name], material(app, bars, seed), app.releases)
    show_card(show, result.card)
    show.line(f"{name}: {result.choice.name} answers now. {result.choice.why}")
    show.line(f"report: {result.report}\n")
    return result


@click.command()
@click.argument("use_case")
@click.option("--from", "start", type=Moment, help="First day of the period (log clock, UTC).")
@click.option("--to", "end", type=Moment, help="End of the period, not included.")
@shop_option
@json_option
def evaluate_command(use_case: str, start: datetime | None, end: datetime | None, shop: Path, *, as_json: bool) -> None:
    """Judge who answers for USE_CASE on a period the model never saw, beside its baselines."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        with progress(quiet=as_json) as bars:
            card, _, report = train.evaluate(
                app.use_case(use_case), app.learners[use_case], material(app, bars), app.releases,
                start=_milliseconds(start), end=_milliseconds(end),
            )  # fmt: skip
    finally:
        app.close()
    show.document({"card": msgspec.to_builtins(card), "report": str(report)})
    show_card(show, card)
    show.line(f"report: {report}")


@click.command()
@click.argument("use_case")
@click.option("--out", required=True, type=OutFile(), help="A .parquet or .csv file.")
@click.option(
    "--for", "vendor", help="The vendor it is for: it then holds only what its record in vendors.toml allows."
)
@shop_option
@json_option
def score_command(use_case: str, out: Path, vendor: str | None, shop: Path, *, as_json: bool) -> None:
    """Decide for everybody the shop knows and write one row per person; without --for the file stays with the shop."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        chosen = app.use_case(use_case)
        reach = app.retention.reach((ORDER,), chosen.purpose)
        people = customers(app.store, app.secrets, app.clock.now(), reach, chosen.purpose.bit)
        with progress(quiet=as_json) as bars:
            number = app.written.begin(out)
            result = score.score(
                chosen, app.road, _questions(chosen, people), out, total=len(people), progress=bars,
                outlet=_outlet(app, vendor), premises=Premises(app.store, app.secrets, app.clock, COMMAND_LINE),
            )  # fmt: skip
            app.written.finish(number)
    finally:
        app.close()
    show.document({
        "file": str(out), "for": vendor, "kept_by_shop": vendor is None, "rows": result.rows,
        "left_out": result.left_out, "actions": result.actions,
        "withheld": dict(result.withheld), "columns": list(result.columns),
    })  # fmt: skip
    show.line(f"{out}: {result.rows} rows; {result.left_out} people left out, nothing personal may be read of them")
    if vendor is None:
        show.line("the file stays with the shop: delete it when it is used, and give it to nobody but by --for VENDOR")
    for code, n in sorted(result.withheld.items()):
        show.line(f"{n} people kept back from {vendor}: {cause_of(code).text} ({code})")
    if missing := [name for name in score.COLUMNS if name not in result.columns]:
        show.line(f"columns kept back from {vendor}, its record does not allow their categories: {', '.join(missing)}")
    show.table("actions", ("action", "people"), sorted(result.actions.items()))


def _outlet(app: App, vendor: str | None) -> Outlet | None:
    return None if vendor is None else Outlet(app.store, app.secrets, app.clock, app.outbound.gate, vendor)


def _questions(use_case: UseCase, people: Sequence[str]) -> Iterator[Request]:
    """Return one question per person. Raises InvalidInput for a use case that is asked about more than a person."""
    body = BATCHES.get(use_case.name, None if use_case.needed_fields else {})
    if body is None:
        raise InvalidInput(f"{use_case.name} is asked about more than a person, so not in batches")
    return (Request(request_id=None, body=body, subject=person) for person in people)


def show_card(show: Show, card: ModelCard) -> None:
    """Show a model beside its baselines on the untouched period."""
    contenders = [("this model", card.metrics), *((each.title, each.metrics) for each in card.baselines)]
    names = [metric.name for metric in card.metrics][:5]
    rows = [(name, *(_number(metrics, wanted) for wanted in names)) for name, metrics in contenders]
    test = next((split for split in card.splits if split.name == "test"), None)
    period = "" if test is None else f", {test.rows} rows from {_day(test.start)} to {_day(test.end)}"
    mark = " (simulated data)" if card.simulated else ""
    show.table(f"{card.use_case}{mark} · untouched test period{period}", ("", *names), rows)
    for warning in card.warnings:
        show.line(f"note: {warning.text}")


def _number(metrics: tuple[Metric, ...], name: str) -> str:
    metric = next((m for m in metrics if m.name == name), None)
    if metric is None:
        return "–"
    spread = "" if metric.low is None or metric.high is None else f" [{metric.low:.3f}, {metric.high:.3f}]"
    return f"{metric.value:.4f}{spread}"


def _document(result: TrainResult) -> dict[str, object]:
    return {
        "use_case": result.use_case,
        "released": result.released,
        "name": result.choice.name,
        "version": result.choice.version,
        "why": result.choice.why,
        "gates": msgspec.to_builtins(result.choice.gates),
        "metrics": msgspec.to_builtins(result.card.metrics),
        "baselines": msgspec.to_builtins(result.card.baselines),
        "report": str(result.report),
    }


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
