"""Replay: take a past decision again from its receipt, and get the same bytes; or read the log again for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from tillwise.audit.log import ERASURE, RETENTION, acts_since
from tillwise.decisions import receipts
from tillwise.decisions.decision import Decision, Explain, disclosing
from tillwise.decisions.fallback import fallback_of
from tillwise.decisions.models import Models
from tillwise.decisions.question import bare_request
from tillwise.decisions.receipt import Receipt, decision_bytes
from tillwise.decisions.receipts import Kept
from tillwise.decisions.use_case import Recalling, UseCase
from tillwise.errors import ArtifactDamaged, NotFound, TillwiseError
from tillwise.features.online import OnlineFeatures
from tillwise.features.row import FeatureRow
from tillwise.privacy.gate import Gate
from tillwise.privacy.material import read_materials
from tillwise.privacy.permit import PastPermit, Permit
from tillwise.privacy.purposes import Rulebook
from tillwise.privacy.revisions import read_rulebook
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store


class Verdict(StrEnum):
    """What came of a replay. `erased` and `expired` are no mismatch: what it rested on is gone by right or by age."""

    SAME = "same"
    DIFFERS = "differs"
    ERASED = "erased"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay: the verdict, the recorded and the replayed decision as canonical JSON, and what differs or is gone."""

    verdict: Verdict
    recorded: bytes
    replayed: bytes | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A past decision with its reasons, and what it was made with; `complete` is False when that is gone."""

    kept: Kept
    decision: Decision
    use_case: UseCase | None = None
    model: Any = None
    row: FeatureRow | None = None
    complete: bool = True


class Replayer:
    """Takes decisions again. It reads; it writes nothing."""

    def __init__(self, store: Store, gate: Gate, models: Models, use_cases: Mapping[str, UseCase]) -> None:
        self._store = store
        self._gate = gate
        self._models = models
        self._use_cases = use_cases
        self._rulebooks: dict[str, Rulebook] = {}

    def replay(self, decision_id: str, *, from_log: bool = False) -> Replayed:
        """Replay one decision; raise NotFound when nobody knows it.

        From the receipt: its stored values, the named model and the named policy give the decision once more; `same`
        means equal bytes. From the log: every value is read again at the decision's own position and compared.
        """
        with self._store.snapshot() as snapshot:
            kept = receipts.find(snapshot, decision_id)
            recorded = decision_bytes(kept.receipt.decision)
            if from_log:
                return replace(self._read_again(snapshot, kept), recorded=recorded)
            try:
                replayed = decision_bytes(self._decide_again(snapshot, kept.receipt))
            except Gone as gone:
                return Replayed(Verdict.EXPIRED, recorded, notes=(str(gone),))
        verdict = Verdict.SAME if replayed == recorded else Verdict.DIFFERS
        return Replayed(verdict, recorded, replayed)

    def explain(self, decision_id: str) -> Told:
        """Return a past decision with every reason, computed exactly from what the receipt holds; raise NotFound."""
        with self._store.snapshot() as snapshot:
            kept = receipts.find(snapshot, decision_id)
            try:
                use_case, model = self.thinking(snapshot, kept.receipt)
                decision = self._decide_again(snapshot, kept.receipt, Explain.FULL)
            except Gone:
                return Told(kept, kept.receipt.decision, complete=False)
        return Told(kept, decision, use_case, model, self.row(kept.receipt))

    def thinking(self, snapshot: Snapshot, receipt: Receipt) -> tuple[UseCase, Any]:
        """Return the use case under the policy of a past decision, and its model; raise Gone."""
        use_case = self._as_it_was(snapshot, receipt)
        if receipt.model is None:
            return use_case, None
        try:
            return use_case, self._models.load(receipt.model.version)
        except ArtifactDamaged as error:
            raise Gone(f"the model {receipt.model.version} cannot be read any more: {error}") from error

    def row(self, receipt: Receipt) -> FeatureRow | None:
        """Return what a past decision knew."""
        features = receipt.features
        if features is None:
            return None
        permit = self._gate.again(_past(receipt))
        return FeatureRow(
            permit, features.definition, features.columns, features.values, receipt.facts, features.snapshot
        )

    def _decide_again(self, snapshot: Snapshot, receipt: Receipt, explain: Explain | None = None) -> Decision:
        use_case, model = self.thinking(snapshot, receipt)
        row, chosen = self.row(receipt), explain or Explain(receipt.explain)
        degraded = receipt.decision.degraded
        if receipt.fallback and degraded is not None:
            request = bare_request(receipt.request or {}, Explain(receipt.explain), simulated=receipt.simulated)
            return fallback_of(use_case, row, request, degraded)
        if row is None or model is None:
            raise Gone("the receipt holds nothing to think about")
        steps = use_case.steps
        return disclosing(
            steps.act(steps.think(row, model, chosen), receipt.seed, chosen), receipt.decision.disclosures
        )

    def _read_again(self, snapshot: Snapshot, kept: Kept) -> Replayed:
        receipt = kept.receipt
        for person in (kept.subject, kept.anonymous):
            if person is not None and snapshot.one("SELECT 1 FROM subjects WHERE pseudonym = ?", (person,)) is None:
                return Replayed(Verdict.ERASED, b"", notes=("the person was erased",))
        row = self.row(receipt)
        if row is None:
            return Replayed(Verdict.SAME, b"", notes=("nothing was read",))
        try:
            permit = self._permit_then(snapshot, kept)
            if permit.granted != receipt.permit.granted:
                return _explained(snapshot, receipt, ("permit",))
            again = self._row_again(snapshot, kept, permit, row)
        except Gone as gone:
            return Replayed(Verdict.EXPIRED, b"", notes=(str(gone),))
        if receipt.features is not None and receipt.features.given:
            return Replayed(Verdict.SAME, b"", notes=("the values were given by the caller",))
        return _explained(snapshot, receipt, _differing(row, again))

    def _permit_then(self, snapshot: Snapshot, kept: Kept) -> Permit:
        """Ask the gate again, at the decision's own position: consent, rules and uses are read as they stood then."""
        receipt = kept.receipt
        part = receipt.permit
        try:
            rules = self._rules_of(snapshot, part.rules)
        except NotFound as error:
            raise Gone(str(error)) from error
        places = part.places or (part.place,)
        gate = self._gate.as_of(rules, read_materials(snapshot, receipt.wall), receipt.wall, places)
        return gate.permit(
            snapshot, purpose=Purpose(part.purpose), subject=kept.subject, anonymous=kept.anonymous, country=None,
            point=receipt.point, signals=frozenset(part.signals),
        )  # fmt: skip

    def _rules_of(self, snapshot: Snapshot, revision: str) -> Rulebook:
        """Return the rules of a receipt: those in force, or a revision that was kept."""
        if revision == self._gate.rules.revision:
            return self._gate.rules
        if revision not in self._rulebooks:
            self._rulebooks[revision] = read_rulebook(snapshot, revision)
        return self._rulebooks[revision]

    def _row_again(self, snapshot: Snapshot, kept: Kept, permit: Permit, row: FeatureRow) -> FeatureRow:
        use_case = self._as_it_was(snapshot, kept.receipt)
        steps = use_case.steps
        if isinstance(steps, Recalling):
            return steps.recall(permit, row, snapshot)
        if not permit.granted or not row.values:
            return row
        if row.definition != use_case.definition:
            raise Gone("the feature definitions have changed since; replay it with the release of that time")
        keys = dict(row.facts.get("keys", {}))
        if keys.get("subject") not in (None, kept.subject, kept.anonymous):
            keys["subject"] = kept.subject  # seen for the first time then: the pseudonym came with the receipt
        # Raw rows only: what is checked must not rest on the tiles that served it.
        values = OnlineFeatures(use_case.features, tiled=False).read(
            snapshot, permit, keys, row.facts.get("numbers", {}),
            exclude_order=kept.order_ref, simulated=kept.receipt.simulated,
        )  # fmt: skip
        return replace(row, values=values)

    def _as_it_was(self, snapshot: Snapshot, receipt: Receipt) -> UseCase:
        """Return the use case under the policy of the decision."""
        use_case = self._use_cases.get(receipt.use_case)
        if use_case is None:
            raise Gone(f"the use case '{receipt.use_case}' of this decision is not installed any more")
        if receipt.policy == use_case.revision:
            return use_case
        body = receipts.find_policy(snapshot, receipt.policy)
        if body is None:
            raise Gone(f"the policy {receipt.policy} is gone")
        steps: Any = use_case.steps
        try:
            policy = msgspec.convert(body, type(use_case.policy), strict=False)
            return replace(use_case, steps=replace(steps, policy=policy), policy=policy)
        except (TypeError, ValueError) as error:
            raise Gone(f"the policy {receipt.policy} is of an older form: {error}") from error


class Gone(TillwiseError):
    """What a decision rested on cannot be had any more."""


def _past(receipt: Receipt) -> PastPermit:
    part = receipt.permit
    return PastPermit(
        Purpose(part.purpose), part.place, part.basis, receipt.point, part.granted, part.consent_seq, part.withheld,
        part.signals, part.rules,
    )  # fmt: skip


def _explained(snapshot: Snapshot, receipt: Receipt, differing: tuple[str, ...]) -> Replayed:
    """Say what a difference comes from: an erasure or a retention run since the decision, or nothing we know of.

    An erasure also takes rows that other people's features count (a shared device, a best seller): see rights/.
    """
    if not differing:
        return Replayed(Verdict.SAME, b"")
    erasures = acts_since(snapshot, ERASURE, receipt.wall)
    people = [ref for ref, said in erasures if said.get("why") != RETENTION]
    runs = [ref for ref, said in acts_since(snapshot, RETENTION, receipt.wall) if said.get("deleted", True)]
    for verdict, kind, acts in ((Verdict.ERASED, ERASURE, people), (Verdict.EXPIRED, RETENTION, runs)):
        if acts:
            why = f"changed by {len(acts)} {kind} entries of the audit log since then, the first is {acts[0]}"
            return Replayed(verdict, b"", notes=(*differing, why))
    return Replayed(Verdict.DIFFERS, b"", notes=differing)


def _differing(row: FeatureRow, again: FeatureRow) -> tuple[str, ...]:
    """Return the names of what is not equal, bit for bit."""
    pairs = zip(row.columns, row.values, again.values, strict=True)
    columns = [name for name, before, now in pairs if canonical(before) != canonical(now)]
    facts = [name for name in row.facts if canonical(row.facts[name]) != canonical(again.facts.get(name))]
    return (*columns, *facts)
