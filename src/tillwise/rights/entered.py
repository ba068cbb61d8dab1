"""What enters the audit log, and where the content of each entry is found again."""

from __future__ import annotations

from typing import Final

from tillwise.audit.log import ACTS, ERASURE, enter
from tillwise.decisions.receipt import encode
from tillwise.decisions.receipts import Kept
from tillwise.vocabulary.store import Transaction

RECEIPT: Final = "receipt"
REQUEST: Final = "request"
CONTENTS: Final = {
    RECEIPT: (
        "SELECT CAST(r.body AS TEXT) || '|' || coalesce(CAST(coalesce(r.subject, r.anonymous) AS TEXT), '') || '|' ||"
        " coalesce(CAST(r.order_ref AS TEXT), '')"
        " FROM receipts r WHERE r.decision_id = l.ref"
    ),
    REQUEST: ACTS,
    ERASURE: ACTS,
}
"""Per kind of entry, the SQL expression that finds its content; for `audit.log.verify`."""


class AuditReceipts:
    """The hook on receipts: each one leaves a leaf in its own transaction, with whom and which order it was about."""

    def __call__(self, transaction: Transaction, kept: Kept) -> None:
        """Enter a receipt."""
        who = kept.anonymous if kept.subject is None else kept.subject
        about = "|".join("" if key is None else str(key) for key in (who, kept.order_ref))
        enter(transaction, RECEIPT, kept.receipt.decision_id, encode(kept.receipt) + b"|" + about.encode())
