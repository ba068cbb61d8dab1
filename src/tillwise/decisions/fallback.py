"""When something fails on the road: why, and the answer that is given all the same."""

from __future__ import annotations

import logging
from dataclasses import replace

from tillwise.decisions.decision import Decision, Degraded, Reason, Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ArtifactDamaged, NotReleased, StoreUnavailable
from tillwise.features.row import FeatureRow

log = logging.getLogger("tillwise.decisions")


def why_of(error: Exception) -> Degraded:
    """Return the honest reason for a failure, and log it."""
    if isinstance(error, StoreUnavailable):
        why = Degraded.STORE_UNAVAILABLE
    elif isinstance(error, (ArtifactDamaged, NotReleased)):
        why = Degraded.NO_MODEL
    else:
        why = Degraded.INTERNAL
    log.error("a decision fell back (%s)", why.value, exc_info=error)
    return why


def fallback_of(use_case: UseCase, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
    """Return the declared fallback, and when even that fails, the declared safe action. Never raises."""
    try:
        decision = use_case.steps.fallback(row, request, why)
    except Exception:  # the last resort is an answer, too
        log.exception("%s: the fallback failed as well", use_case.name)
        action = use_case.unrecorded or "none"
        reasons = (Reason("fallback", "Nothing could be computed; this is the safe answer", 1.0),)
        return Decision(action, reasons, items=() if action == "items" else None, degraded=why)
    return decision if decision.degraded is why else replace(decision, degraded=why)
