"""A decision explained as a person may ask for it: procedure, data and where they came from, effect, reasons, and what
would have changed it (CJEU C-203/22), with what a human reviewer found."""

from __future__ import annotations

from tillwise.decisions.explanation import explanation
from tillwise.decisions.replay import Replayer
from tillwise.review.case import COLUMNS, case_of
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Store


def explain_decision(store: Store, replayer: Replayer, decision_id: str) -> Json:
    """Return the whole explanation of one decision; raise NotFound."""
    told = explanation(replayer, decision_id)
    with store.snapshot() as snapshot:
        told["review"] = review = _review(snapshot, decision_id)
        told["data"]["imports"] = _imports(snapshot, told["data"]["epoch"])
    if review is not None:
        told["procedure"]["human_involved"] = True
        found = f"A person looked at it and found: {review['verdict']}." if review["verdict"] else (
            "A person is to look at it, and has not yet."
        )  # fmt: skip
        told["procedure"]["human"] = found
    return told


def _review(snapshot: Snapshot, decision_id: str) -> Json | None:
    row = snapshot.one(f"SELECT {COLUMNS} FROM reviews WHERE decision_id = ?", (decision_id,))
    if row is None:
        return None
    case = case_of(row)
    verdict = None if case.verdict is None else case.verdict.value
    return {"state": case.state, "verdict": verdict, "reason": case.reason, "decided": case.decided}


def _imports(snapshot: Snapshot, epoch: int) -> list[str]:
    """Return the names of the mappings whose rows the decision could see, beside the shop's live events."""
    rows = snapshot.all("SELECT mapping FROM epochs WHERE visible AND epoch <= ? ORDER BY epoch", (epoch,))
    return [str(row[0]).rpartition("/")[2] for row in rows]
