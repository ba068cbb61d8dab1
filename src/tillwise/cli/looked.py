"""Who looks at a decision at a terminal is written down before it is shown."""

from __future__ import annotations

from tillwise.access.reads import COMMAND_LINE, log_read
from tillwise.app import App
from tillwise.decisions import receipts
from tillwise.vocabulary.store import Transaction


def note_decision(app: App, decision_id: str, what: str) -> None:
    """Enter in the access ledger that `what` shows a decision; raise NotFound when there is none."""

    def work(transaction: Transaction) -> None:
        kept = receipts.find(transaction, decision_id)
        about = [key for key in (kept.subject, kept.anonymous) if key is not None]
        log_read(transaction, who=COMMAND_LINE, what=what, reason=what, subjects=about, decision_id=decision_id)

    app.store.commit(work).result()
