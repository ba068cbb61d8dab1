"""A use case is one declaration: purpose, features, model, policy, fallback, limits. Adding one is one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from msgspec import inspect

from tillwise.decisions.decision import Decision, Degraded, Explain, Request
from tillwise.features.feature import FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.canonical import Json, digest_of
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot


class Steps(Protocol):
    """The four steps between permit and receipt that differ from use case to use case.

    `think` and `act` are pure: the same row, model and policy give the same bytes, which is what replay checks. They
    read facts as JSON gives them back: lists, not tuples; text keys. `steps` is a frozen dataclass with a field
    `policy`, so that replay can put back the policy of a past decision.
    """

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        """Read what the permit allows; a refused permit gives a row of the request alone.

        `facts` may hold `keys` {key: code or None} and `numbers` {request column: number}: replay from the log reads
        the features again with them. `candidates` in it is hashed into the receipt.
        """
        ...

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        """Score the row with a loaded model."""
        ...

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        """Apply rules and policy; `seed` drives exploration and comes from the decision id."""
        ...

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        """Answer without a model, without a profile, or without anything: always valid, always honest.

        `row` is None when nothing could be read. The request's body comes without personal text (`question.PERSONAL`).
        """
        ...


@runtime_checkable
class Recalling(Protocol):
    """Steps that read the log again in their own way, for `replay --from-log`."""

    def recall(self, permit: Permit, row: FeatureRow, snapshot: Snapshot) -> FeatureRow:
        """Return the row of a past decision as the log has it now, at the permit's point."""
        ...


@runtime_checkable
class Grounded(Protocol):
    """Steps whose fallback rests on something kept even when nothing could be read for the question."""

    def ground(self, body: Json, *, simulated: bool) -> Json:
        """Return the body of the question with the name of what the fallback will rest on; the receipt keeps it."""
        ...


@dataclass(frozen=True)
class UseCase:
    """One question the shop asks, and everything the road needs to answer it.

    `policy` is a msgspec-encodable frozen struct or dataclass: its hash is the policy revision. `significant` use
    cases need a signed override where a gate has no verdict.

    `unrecorded` is the action when the receipt could not be made durable in time (fraud: `review`), and when even the
    fallback fails; None keeps the fallback's own. `adverse` actions are explained with what would have changed them.

    `asks` are the fields of a question beside the common ones, as a msgspec struct: a shop's own use case is asked at
    `POST /predict/<name>` with them.
    """

    name: str
    purpose: Purpose
    features: FeatureSet
    steps: Steps
    policy: Any
    significant: bool = False
    unrecorded: str | None = None
    adverse: frozenset[str] = frozenset()
    asks: type[msgspec.Struct] | None = None

    @cached_property
    def plain_fields(self) -> frozenset[str] | None:
        """Return the names of the fields of `asks` that may enter a receipt and be shown to a fallback: numbers, yes or
        no, and words of a fixed list. None without `asks`: then the body is one of tillwise's own.
        """
        if self.asks is None:
            return None
        told = inspect.type_info(self.asks)
        fields = told.fields if isinstance(told, inspect.StructType) else ()
        return frozenset(field.encode_name for field in fields if _is_plain(field.type))

    @cached_property
    def needed_fields(self) -> frozenset[str]:
        """Return the names of the fields of `asks` that every question must have."""
        fields = () if self.asks is None else msgspec.structs.fields(self.asks)
        return frozenset(field.encode_name for field in fields if field.required)

    @cached_property
    def revision(self) -> str:
        """Return the policy's content name."""
        return digest_of(self.policy)

    @cached_property
    def definition(self) -> str:
        """Return the content name of the feature definitions."""
        return self.features.hash


_PLAIN: Final = (
    inspect.IntType, inspect.FloatType, inspect.BoolType, inspect.NoneType, inspect.LiteralType, inspect.EnumType,
)  # fmt: skip


def _is_plain(known: inspect.Type) -> bool:
    match known:
        case inspect.UnionType(types=kinds):
            return all(_is_plain(kind) for kind in kinds)
        case inspect.ListType(item_type=item):
            return _is_plain(item)
        case inspect.Metadata(type=inner):
            return _is_plain(inner)
    return isinstance(known, _PLAIN)
