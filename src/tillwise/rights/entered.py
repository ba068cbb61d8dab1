"""What enters the audit log, in the order in which the job takes it over."""

from __future__ import annotations

from typing import Final

from tillwise.audit.log import ACTS
from tillwise.audit.source import Source
from tillwise.decisions import receipts
from tillwise.privacy import ledger

RECEIPT: Final = receipts.LOGGED
CONSENT: Final = ledger.LOGGED
REQUEST: Final = "request"
"""The kind of act that ends a person's request."""
SOURCES: Final[tuple[Source, ...]] = (ACTS, CONSENT, RECEIPT)
