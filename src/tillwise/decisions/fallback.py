"""When something fails on the road: why, and the answer that is given all the same."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import monotonic
from typing import Final

from tillwise.decisions.decision import Decision, Degraded, Reason, Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ArtifactDamaged, NotReleased, StoreUnavailable, TillwiseError
from tillwise.features.row import FeatureRow

log = logging.getLogger("tillwise.decisions")
AGAIN_SECONDS: Final = 60.0
_MOST_SAID: Final = 100
_said: dict[str, float] = {}


def why_of(error: Exception) -> Degraded:
    """Return the honest reason for a failure, and log it."""
    if isinstance(error, StoreUnavailable):
        why = Degraded.STORE_UNAVAILABLE
    elif isinstance(error, (ArtifactDamaged, NotReleased)):
        why = Degraded.NO_MODEL
    else:
        why = Degraded.INTERNAL
    if isinstance(error, TillwiseError):
        _say_once(f"a decision fell back ({why.value}): {error}")
    else:
        log.error("a decision fell back (%s)", why.value, exc_info=error)
    return why


def _say_once(text: str) -> None:
    """Log what readyz says as well, and what may hold for every decision of an hour, at most once a minute."""
    now = monotonic()
    if now - _said.get(text, -AGAIN_SECONDS) >= AGAIN_SECONDS:
        if len(_said) >= _MOST_SAID:
            _said.clear()
        _said[text] = now
        log.error("%s", text)


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
