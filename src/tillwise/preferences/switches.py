"""What counts for each purpose now, asked of the gate itself, so that the page shows what a decision would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tillwise.events.log import read_head
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.judgement import GPC
from tillwise.privacy.purposes import UNKNOWN, Default
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

NO_SWITCH: Final = frozenset({Purpose.FRAUD_PREVENTION, Purpose.OPERATIONS, Purpose.SERVICE, Purpose.MODERATION})
"""What does not rest on a yes: it is shown, and cannot be switched here."""
BANNED: Final = "banned_in_place"
_CAUSES: Final = frozenset(
    {"consent_refused", "consent_withdrawn", "consent_missing", "consent_invalidated", "consent_expired", "gpc",
     "consent_renewal_needed", "guardian_missing", "banned_for_minors", BANNED, "no_basis_in_place", "restricted"}
)  # fmt: skip
_SPOKEN: Final = frozenset({"given", "refused", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose switches are shown, where they are, and the signals their browser sent."""

    person: Pseudonym | None
    anonymous: bool
    place: str
    signals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Switch:
    """One purpose. `why` names the sentence why it is on or off, `said` is given, refused, withdrawn or empty."""

    purpose: Purpose
    on: bool
    why: str
    since: Milliseconds | None
    said: str
    notice: str
    source: str
    fixed: bool
    pursued: bool = True
    """False where nothing here does it any more: it can be taken back, and a new yes is not asked for."""

    @property
    def choosable(self) -> bool:
        """Return True when a yes or no counts here."""
        return not self.fixed and self.why not in (BANNED, "banned_for_minors")


def read_switches(
    snapshot: Snapshot, gate: Gate, purposes: Iterable[Purpose], reader: Reader, now: Milliseconds
) -> list[Switch]:
    """Return the switch of each purpose as it stands in this snapshot, in the order of Purpose.

    What the person once said yes to is among them, even where nothing pursues it today: they can still take it back.
    """
    said = (
        {} if reader.person is None else {str(row["purpose"]): row for row in ledger.history(snapshot, reader.person)}
    )
    point = Point.after(read_head(snapshot), now)
    given = {Purpose(name) for name, row in said.items() if row["state"] == "given"}
    shown = sorted({*purposes, *given} - {Purpose.OPERATIONS}, key=list(Purpose).index)
    found = [_switch(snapshot, gate, purpose, reader, point, said.get(purpose.value)) for purpose in shown]
    pursued = set(purposes)
    return [each if each.purpose in pursued else replace(each, pursued=False) for each in found]


def heeding(gate: Gate, purposes: Iterable[Purpose], reader: Reader) -> tuple[Purpose, ...]:
    """Return the purposes for which the place's rule takes the browser's signal as a no."""
    wall = wall_now()
    rules = [gate.rules.rule(reader.place or UNKNOWN, each, wall, visitor=reader.anonymous) for each in purposes]
    return tuple(rule.purpose for rule in rules if GPC in rule.signals)


def _switch(
    snapshot: Snapshot, gate: Gate, purpose: Purpose, reader: Reader, point: Point, row: dict[str, str | int] | None
) -> Switch:
    granted, cause, basis = _asked(snapshot, gate, purpose, reader, point)
    state = "" if row is None else str(row["state"])
    return Switch(
        purpose,
        granted,
        "always" if granted and purpose in NO_SWITCH else _why(granted, cause, basis, row),
        None if row is None else int(row.get("since") or row["at"]),
        state if state in _SPOKEN else "",
        "" if row is None else str(row["notice"]),
        "" if row is None else str(row["source"]),
        purpose in NO_SWITCH,
    )


def _asked(
    snapshot: Snapshot, gate: Gate, purpose: Purpose, reader: Reader, point: Point
) -> tuple[bool, str, str | None]:
    """Ask the gate; for somebody never seen, judge by the rule of their place alone."""
    if reader.person is None:
        return _by_rule(gate, purpose, reader)
    permit = gate.permit(
        snapshot, purpose=purpose, subject=None if reader.anonymous else reader.person,
        anonymous=reader.person if reader.anonymous else None, country=reader.place or None, point=point,
        signals=reader.signals,
    )  # fmt: skip
    return permit.granted, permit.withheld[0].cause if permit.withheld else "", permit.basis


def _by_rule(gate: Gate, purpose: Purpose, reader: Reader) -> tuple[bool, str, str | None]:
    rule = gate.rules.rule(reader.place or UNKNOWN, purpose, wall_now(), visitor=reader.anonymous)
    if rule.default is Default.BAN:
        return False, BANNED, None
    if rule.default is Default.OPT_IN:
        return False, "consent_missing", None
    if reader.signals & set(rule.signals):
        return False, GPC, None
    return True, "", rule.basis


def _why(granted: bool, cause: str, basis: str | None, row: dict[str, str | int] | None) -> str:  # noqa: FBT001
    """Return the key of the sentence that says why."""
    if not granted:
        if cause == "consent_withdrawn" and row is not None and row["source"] == "objection":
            return "objection"
        return cause if cause in _CAUSES else "other"
    state = "" if row is None else str(row["state"])
    if state == "given":
        return "given"
    if state == "declared" and basis == "consent":
        return "declared_consent"
    return {"notice": "notice", "implied_consent": "opt_out"}.get(basis or "", "legitimate")
