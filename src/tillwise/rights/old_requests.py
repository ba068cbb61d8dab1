"""Requests answered long ago: the proof that they were answered ends with the time in which it is asked for."""

from __future__ import annotations

from tillwise.audit.log import enter_act
from tillwise.jobs.outlived import Counts, Cutoff
from tillwise.rights.entered import FORGOTTEN
from tillwise.vocabulary.store import Transaction


def old_requests(transaction: Transaction, cutoff: Cutoff) -> Counts:
    """Delete requests finished up to the moment, with their steps; what entered the audit log stays there."""
    old = "SELECT id FROM rights_requests WHERE finished IS NOT NULL AND finished <= ?"
    gone = [row[0] for row in transaction.all(f"{old} ORDER BY id", (cutoff.moment,))]
    if gone:
        enter_act(transaction, FORGOTTEN, {"requests": gone})
    counts = {
        table: transaction.run(f"DELETE FROM {table} WHERE {column} IN ({old})", (cutoff.moment,))
        for table, column in (("rights_asked", "request"), ("rights_steps", "request"), ("rights_requests", "id"))
    }
    return {table: n for table, n in counts.items() if n}
