"""The part of `tillwise work` that is owed to people: interrupted erasures, deadlines, models to be learnt anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tillwise.app import App
from tillwise.errors import TillwiseError
from tillwise.rights.lineage import Renewal
from tillwise.vocabulary.clock import wall_now

WAIT_MS: Final = 16 * 86_400_000
"""A renewal waits so long for others to share the training, or for the shop to train; then `work` does it itself."""


def owed(app: App) -> dict[str, object]:
    """Finish what was interrupted, forget what is no longer needed, learn anew what is due; name what is open."""
    finished = app.rights.resume(who="work")
    forgotten = app.rights.requests.forget_asked()
    now = wall_now()
    waiting = app.rights.requests.open()
    late, soon = sum(each.overdue(now) for each in waiting), sum(each.soon(now) for each in waiting)
    done: dict[str, object] = {
        "people's requests": f"{len(waiting)} open, {late} overdue, {soon} due within 7 days",
        "erasures finished": len(finished),
        "copies no longer fetched": forgotten,
    }
    for renewal in app.rights.renewals():
        done[f"learn {renewal.use_case} anew"] = _renew(app, renewal, now)
    return done


def _renew(app: App, renewal: Renewal, now: int) -> str:
    """Train when the renewal has waited long enough; else say until when it is due."""
    until = datetime.fromtimestamp(renewal.due / 1000, UTC).strftime("%Y-%m-%d")
    if now - renewal.since < WAIT_MS:
        return f"due by {until}: tillwise train {renewal.use_case}"
    from tillwise.cli.learn import train_one  # noqa: PLC0415 - learners are loaded only when something is learnt
    from tillwise.cli.show import Show  # noqa: PLC0415

    try:
        return f"trained: {train_one(app, renewal.use_case, Show(as_json=True)).choice.name} answers now"
    except TillwiseError as error:
        return f"due by {until}, and could not be trained: {error}"
