"""What enters the audit log, in the order in which the job takes it over."""

from __future__ import annotations

from typing import Final

from tillwise.access import reads
from tillwise.audit.log import ACTS
from tillwise.audit.source import Source
from tillwise.decisions import receipts
from tillwise.outcomes import outcomes
from tillwise.privacy import ledger

RECEIPT: Final = receipts.LOGGED
CONSENT: Final = ledger.LOGGED
REQUEST: Final = "request"
"""The kind of act that ends a person's request."""
STEP: Final = "request.step"
"""The kind of act each step of a request leaves, its receipt the first: how it stands then, and nobody's name."""
FORGOTTEN: Final = "request.forgotten"
"""The kind of act that names the answered requests whose rows ended with their retention."""
READ: Final = reads.LOGGED
READ_PERSON: Final = reads.PEOPLE
OUTCOME: Final = outcomes.LOGGED
SOURCES: Final[tuple[Source, ...]] = (ACTS, CONSENT, RECEIPT, READ, READ_PERSON, OUTCOME)
