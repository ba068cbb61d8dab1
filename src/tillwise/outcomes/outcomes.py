"""What happened after a decision, as told by the shop: appended, never edited, found by decision or by order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.audit import log as audit_log
from tillwise.audit.log import add_columns
from tillwise.audit.source import Source
from tillwise.errors import InvalidInput
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    *audit_log.TABLES,
    "CREATE TABLE IF NOT EXISTS outcomes (id INTEGER PRIMARY KEY, decision_id TEXT, order_ref INTEGER,"
    " kind TEXT NOT NULL, value REAL NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " salt BLOB, leaf BLOB) STRICT",
    "CREATE INDEX IF NOT EXISTS outcomes_decision ON outcomes (decision_id) WHERE decision_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS outcomes_order ON outcomes (order_ref) WHERE order_ref IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS outcomes_kind ON outcomes (kind, at)",
)
KINDS: Final = (
    "chargeback", "fraud_confirmed", "fraud_cleared", "purchase", "click", "return", "unsubscribe", "complaint",
)  # fmt: skip
"""The closed list: what a label may be made of. `value` is 1 or 0 for a yes or no, minor units for money."""
LOGGED: Final = Source(
    "outcome", "outcomes", ("id",), ("id", "decision_id", "order_ref", "kind", "value", "at", "seq", "epoch"), "id"
)  # fmt: skip
"""How outcomes enter the audit log."""
_NEXT: Final = (
    "SELECT 1 + max(coalesce((SELECT max(id) FROM outcomes), 0),"
    " coalesce((SELECT max(upto) FROM audit_runs WHERE source = ?1), 0),"
    " coalesce((SELECT upto FROM audit_began WHERE source = ?1), 0))"
)
"""The next id: the log follows it, so that it is never given twice, also after the newest outcomes went."""
_COLUMNS = "decision_id, order_ref, kind, value, at"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that happened to a decided thing. `at` is when it became known, in log-clock milliseconds."""

    kind: str
    value: float
    at: int
    decision_id: str | None = None
    order_ref: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"'{self.kind[:40]}' is no outcome; one of: {', '.join(KINDS)}", field="kind")
        if self.decision_id is None and self.order_ref is None:
            raise InvalidInput("an outcome names the decision or the order it belongs to", field="decision_id")
        if not math.isfinite(self.value):
            raise InvalidInput("an outcome's value is a finite number", field="value")


OnOutcome = Callable[[Transaction, Outcome], None]
"""Runs in the outcome's own transaction; what it raises undoes the outcome."""


def append(transaction: Transaction, outcome: Outcome) -> int:
    """Write an outcome at the end of the log and return its id.

    It becomes visible to learning from the log's own clock on, even when `outcome.at` claims an earlier time: nobody
    could have learnt from it before it was told.
    """
    head = transaction.one("SELECT seq, at, epoch FROM head WHERE one = 1")
    seq, told, epoch = head if head is not None else (0, 0, 0)
    row = transaction.one(_NEXT, (LOGGED.name,))
    number = 1 if row is None else int(row[0])
    told_at = max(outcome.at, told)
    said = (
        number, outcome.decision_id, outcome.order_ref, outcome.kind, float(outcome.value), told_at, seq, epoch
    )  # fmt: skip
    transaction.run(
        f"INSERT INTO outcomes (id, {_COLUMNS}, seq, epoch, salt, leaf) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*said, *LOGGED.seal(said)),
    )
    return number


def upgrade(transaction: Transaction) -> None:
    """Give the outcomes of an earlier release their leaves' columns; repeating it changes nothing."""
    add_columns(transaction, LOGGED.table)


def of_decision(snapshot: Snapshot, decision_id: str, order_ref: int | None = None) -> list[Outcome]:
    """Return the outcomes of a decision, and of its order when it had one, in the order they were told."""
    rows = snapshot.all(
        f"SELECT {_COLUMNS} FROM outcomes WHERE decision_id = ? OR order_ref = ? ORDER BY id", (decision_id, order_ref)
    )
    return [_outcome(row) for row in rows]


def of_kinds(snapshot: Snapshot, kinds: Sequence[str], *, before: int) -> list[Outcome]:
    """Return the outcomes of these kinds known before a log-clock time, in the order they were told."""
    marks = ", ".join("?" for _ in kinds)
    sql = f"SELECT {_COLUMNS} FROM outcomes WHERE kind IN ({marks}) AND at < ? ORDER BY id"
    return [_outcome(row) for row in snapshot.all(sql, (*kinds, before))]


def _outcome(row: Sequence[object]) -> Outcome:
    decision_id, order_ref, kind, value, at = row
    return Outcome(
        kind=str(kind),
        value=float(str(value)),
        at=int(str(at)),
        decision_id=None if decision_id is None else str(decision_id),
        order_ref=None if order_ref is None else int(str(order_ref)),
    )
