"""Retention of what left: who received data, what waited to be sent and never was, and signals seen."""

from __future__ import annotations

from tillwise.jobs.outlived import Counts, Cutoff
from tillwise.vocabulary.store import Transaction


def old_handovers(transaction: Transaction, cutoff: Cutoff) -> Counts:
    """Delete hand-overs, finished tasks, messages that waited in vain and signals, up to the moment.

    A hand-over stays as long as it holds anybody whose data are left alone.
    """
    old = (cutoff.moment,)
    people = transaction.all(
        "SELECT p.subject, p.sent FROM sent_people p JOIN sent s ON s.id = p.sent WHERE s.wall <= ?", old
    )
    gone = [(subject, sent) for subject, sent in people if not cutoff.spares(subject)]
    transaction.run_many("DELETE FROM sent_people WHERE subject = ? AND sent = ?", gone)
    signals = transaction.all("SELECT subject, signal FROM signals_seen WHERE wall <= ?", old)
    silent = [(subject, signal) for subject, signal in signals if not cutoff.spares(subject)]
    transaction.run_many("DELETE FROM signals_seen WHERE subject = ? AND signal = ?", silent)
    counts = {
        "sent_people": len(gone),
        "sent": transaction.run(
            "DELETE FROM sent WHERE wall <= ? AND NOT EXISTS (SELECT 1 FROM sent_people p WHERE p.sent = sent.id)", old
        ),
        "sent_tasks": transaction.run("DELETE FROM sent_tasks WHERE done IS NOT NULL AND wall <= ?", old),
        "outbox": transaction.run("DELETE FROM outbox WHERE queued <= ?", old),
        "signals_seen": len(silent),
    }
    return {table: n for table, n in counts.items() if n}
