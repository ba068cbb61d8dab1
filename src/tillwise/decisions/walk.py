"""Walks one question along the road, from the snapshot to a receipt that only has to be written.

Whatever fails on the way is caught once, here: the use case's fallback answers and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Final

import msgspec
from msgspec.structs import replace as alter

from tillwise.decisions import receipts
from tillwise.decisions.decision import UNUSABLE, Decision, Degraded, Reason, Request, disclosing
from tillwise.decisions.fallback import fallback_of, why_of
from tillwise.decisions.given import given_row
from tillwise.decisions.models import InForce, Models
from tillwise.decisions.question import Question
from tillwise.decisions.receipt import FeaturesPart, Latency, ModelPart, PermitPart, Receipt, seed_of
from tillwise.decisions.receipts import Kept
from tillwise.decisions.use_case import Grounded, UseCase
from tillwise.errors import ArtifactDamaged, Conflict, InvalidInput
from tillwise.events.keys import order_code
from tillwise.events.log import read_head
from tillwise.events.people import find_pseudonym
from tillwise.features.row import FeatureRow
from tillwise.privacy.gate import Gate
from tillwise.privacy.permit import Permit
from tillwise.privacy.purposes import UNKNOWN
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import digest_of
from tillwise.vocabulary.clock import LogClock, Milliseconds
from tillwise.vocabulary.identity import Pseudonym, new_pseudonym
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.store import Snapshot, Store

THINKING_SHARE: Final = 0.8
"""The share of the deadline the steps may use; the rest is for the receipt to become durable."""
_ORDER: Final = {why: rank for rank, why in enumerate(Degraded)}


@dataclass(slots=True)
class Trail:
    """How far a question has come; what a fallback can still use."""

    wall: Milliseconds
    head: Head | None = None
    permit: Permit | None = None
    row: FeatureRow | None = None
    given: bool = False
    model: ModelPart | None = None
    fell_back: bool = False
    unusable: bool = False
    bare: Request | None = None
    supersedes: str | None = None
    strangers: tuple[bool, bool] = (False, False)
    gate: int = 0
    marks: list[int] = field(default_factory=list)

    def step(self) -> None:
        """Note that a step is done."""
        self.marks.append(perf_counter_ns())


class Draft(msgspec.Struct, frozen=True):
    """A receipt and what the transaction that writes it must check: `head` is the snapshot it came from.

    `strangers` says of subject and anonymous id whether they have no pseudonym in the log yet. `repeat` is True when
    this receipt is the stored answer to a request id. `anchored` drafts share a point that the log clock has passed:
    no event can land before it any more.
    """

    question: Question
    kept: Kept
    head: Head | None
    permit: Permit | None
    row: FeatureRow | None
    strangers: tuple[bool, bool] = (False, False)
    repeat: bool = False
    anchored: bool = False


class Walker:
    """Takes questions along the road. It reads; it writes nothing."""

    def __init__(
        self, store: Store, gate: Gate, models: Models, secrets: Secrets, clock: LogClock, wall: Callable[[], int]
    ) -> None:
        self._store = store
        self._gate = gate
        self._models = models
        self._secrets = secrets
        self._clock = clock
        self._wall = wall

    def walk(self, question: Question) -> Draft:
        """Answer in a snapshot of its own. Raises InvalidInput and Conflict, for what only the caller can mend."""
        trail = Trail(self._wall())

        def answer() -> Draft:
            with self._store.snapshot() as snapshot:
                trail.head = read_head(snapshot)
                return self._within(question, trail, snapshot, Point.after(trail.head, self._clock.now()))

        return self._caught(question, trail, answer)

    def walk_at(self, question: Question, snapshot: Snapshot, head: Head, point: Point) -> Draft:
        """Answer in a snapshot that several questions share, at a point anchored before (Recorder.anchor)."""
        trail = Trail(self._wall(), head)
        draft = self._caught(question, trail, lambda: self._within(question, trail, snapshot, point))
        return alter(draft, anchored=True)

    def _caught(self, question: Question, trail: Trail, answer: Callable[[], Draft]) -> Draft:
        try:
            return answer()
        except (InvalidInput, Conflict):
            raise
        except Exception as error:  # a broken store or step must not break the page
            trail.unusable = isinstance(error, ArtifactDamaged)
            return self._draft(question, trail, self._fall_back(question, trail, why_of(error)))

    def unrecorded(self, draft: Draft, why: Degraded) -> Draft:
        """Return what the caller gets when the receipt of `draft` could not be made durable: the declared action."""
        question, decision = draft.question, draft.kept.receipt.decision
        if decision.degraded is None or not decision.degraded.alarms:
            bare = question.bare if draft.row is not None else grounded(question)
            decision = fallback_of(question.use_case, draft.row, bare, why)
        first = min((why, decision.degraded or why), key=_ORDER.__getitem__)
        decision = replace(decision, degraded=first)
        action = question.use_case.unrecorded
        if action is not None and action != decision.action:
            reason = Reason("unrecorded", "This decision could not be put on record in time", 1.0)
            decision = replace(decision, action=action, reasons=(reason, *decision.reasons))
        receipt = replace_decision(draft.kept.receipt, decision, total=(perf_counter_ns() - question.started) // 1000)
        return alter(draft, kept=alter(draft.kept, receipt=receipt, delivered=False))

    def _within(self, question: Question, trail: Trail, snapshot: Snapshot, point: Point) -> Draft:
        trail.permit = self._permit(question, trail, snapshot, point)
        if question.asked is not None:
            stored = self._asked_before(question, trail, snapshot)
            if stored is not None:
                return Draft(question, stored, trail.head, trail.permit, None, repeat=True)
        trail.step()
        return self._draft(question, trail, self._decide(question, trail, snapshot))

    def _permit(self, question: Question, trail: Trail, snapshot: Snapshot, point: Point) -> Permit:
        request = question.request
        subject, new_subject = self._person(snapshot, request.subject, anonymous=False)
        visitor, new_visitor = self._person(snapshot, request.anonymous_id, anonymous=True)
        trail.strangers = (new_subject, new_visitor)
        began = perf_counter_ns()
        permit = self._gate.permit(
            snapshot, purpose=question.use_case.purpose, subject=subject, anonymous=visitor,
            country=question.country, point=point, signals=request.signals,
        )  # fmt: skip
        trail.gate = (perf_counter_ns() - began) // 1000
        return permit

    def _person(self, snapshot: Snapshot, user_id: str | None, *, anonymous: bool) -> tuple[Pseudonym | None, bool]:
        """Return a pseudonym, and True when it is a new one: somebody named whom the log has never seen."""
        if user_id is None:
            return None, False
        known = find_pseudonym(snapshot, self._secrets, user_id, anonymous=anonymous)
        return (new_pseudonym(), True) if known is None else (known, False)

    def _asked_before(self, question: Question, trail: Trail, snapshot: Snapshot) -> Kept | None:
        assert question.asked is not None and trail.permit is not None  # noqa: S101, PT018 checked by the caller
        before = receipts.asked_before(snapshot, question.asked, trail.wall)
        if before is None:
            return None
        check_same(before.question, question)
        stored = receipts.look_up(snapshot, before.decision_id)
        if stored is None:
            return None  # erased since: this is a new decision
        if trail.permit.granted or not stored.receipt.permit.granted:
            return stored
        trail.supersedes = before.decision_id
        return None

    def _decide(self, question: Question, trail: Trail, snapshot: Snapshot) -> Decision:
        use_case, request, permit = question.use_case, question.request, trail.permit
        assert permit is not None  # noqa: S101 the road starts with it
        trail.row = use_case.steps.know(permit, request, snapshot)
        if request.features is not None and permit.granted:
            trail.row, trail.given = given_row(use_case, request, trail.row), True
        trail.step()
        in_force = self._in_force(use_case, snapshot)
        if in_force is None:
            return self._fall_back(question, trail, Degraded.NO_MODEL)
        if question.spent(THINKING_SHARE):
            return self._fall_back(question, trail, Degraded.DEADLINE)
        if not permit.granted:
            return self._fall_back(question, trail, Degraded.NO_CONSENT)
        trail.model = ModelPart(in_force.version, in_force.features, in_force.released)
        score = use_case.steps.think(trail.row, in_force.model, request.explain)
        trail.step()
        if question.spent(THINKING_SHARE):
            return self._fall_back(question, trail, Degraded.DEADLINE)
        decision = use_case.steps.act(score, seed_of(question.decision_id), request.explain)
        trail.step()
        return disclosing(decision, permit.disclosures)

    def _in_force(self, use_case: UseCase, snapshot: Snapshot) -> InForce | None:
        in_force = self._models.current(snapshot, use_case.name)
        if in_force is not None and in_force.features and in_force.features != use_case.definition:
            raise ArtifactDamaged(f"{use_case.name}: the released model knows other feature definitions; train again")
        return in_force

    def _fall_back(self, question: Question, trail: Trail, why: Degraded) -> Decision:
        trail.fell_back = True
        trail.model = None
        trail.bare = question.bare if trail.row is not None else grounded(question)
        if trail.unusable:
            trail.bare = replace(trail.bare, body={**trail.bare.body, UNUSABLE: True})
        return fallback_of(question.use_case, trail.row, trail.bare, why)

    def _draft(self, question: Question, trail: Trail, decision: Decision) -> Draft:
        request, permit, row, use_case = question.request, trail.permit, trail.row, question.use_case
        receipt = Receipt(
            decision_id=question.decision_id,
            use_case=use_case.name,
            at=permit.point.at if permit else self._clock.now(),
            wall=trail.wall,
            epoch=permit.point.epoch if permit else 0,
            mark=permit.point.mark if permit else 0,
            permit=_permit_part(question, permit),
            decision=decision,
            policy=use_case.revision,
            explain=request.explain.value,
            features=None if row is None else _features_part(row, given=trail.given),
            facts={} if row is None else row.facts,
            request=None if trail.bare is None else trail.bare.body,
            model=trail.model,
            candidates=None if row is None or "candidates" not in row.facts else digest_of(row.facts["candidates"]),
            supersedes=trail.supersedes,
            simulated=request.simulated,
            fallback=trail.fell_back,
            latency=_latency(question, trail),
        )
        kept = Kept(
            receipt, permit.subject if permit else None, permit.anonymous if permit else None,
            self._order_ref(request), key_id=question.key_id,
        )  # fmt: skip
        return Draft(question, kept, trail.head if permit else None, permit, row, trail.strangers)

    def _order_ref(self, request: Request) -> int | None:
        order = request.body.get("order")
        order_id = order.get("id") if isinstance(order, dict) else request.body.get("order_id")
        return order_code(self._secrets, order_id) if isinstance(order_id, str) and order_id else None


def grounded(question: Question) -> Request:
    """Return the bare request of a fallback that knows no row, naming what it rests on instead."""
    bare, steps = question.bare, question.use_case.steps
    if not isinstance(steps, Grounded):
        return bare
    return replace(bare, body=steps.ground(bare.body, simulated=bare.simulated))


def check_same(before: bytes, question: Question) -> None:
    """Raise Conflict when a request id comes back with another body."""
    asked = question.asked
    if asked is not None and before != asked.question:
        named = (question.request.request_id or "")[:80]
        raise Conflict(f"request_id '{named}' was used for another body in the last 24 hours; use a new one")


def replace_decision(receipt: Receipt, decision: Decision, *, total: int) -> Receipt:
    """Return the receipt with another decision and total time."""
    return alter(receipt, decision=decision, latency=alter(receipt.latency, total=total))


def _permit_part(question: Question, permit: Permit | None) -> PermitPart:
    if permit is None:
        return PermitPart(question.country or UNKNOWN, question.use_case.purpose.value, None, granted=False)
    return PermitPart(
        permit.place, permit.purpose.value, permit.basis, permit.granted, permit.consent_seq, permit.withheld,
        permit.signals, permit.rules, permit.places,
    )  # fmt: skip


def _features_part(row: FeatureRow, *, given: bool) -> FeaturesPart:
    return FeaturesPart(row.definition, row.columns, row.values, row.snapshot, given)


def _latency(question: Question, trail: Trail) -> Latency:
    split = [0, 0, 0, 0]
    before = question.started
    for index, mark in enumerate(trail.marks):
        split[index] = (mark - before) // 1000
        before = mark
    total = (perf_counter_ns() - question.started) // 1000
    return Latency(split[0], split[1], split[2], split[3], total, trail.gate)
