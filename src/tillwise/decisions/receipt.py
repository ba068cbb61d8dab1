"""The receipt: everything a decision rested on, so that it can be replayed, explained and contested.

Who it was about stands in columns beside it (decisions/receipts.py), never in here: no user id, no raw key, no text a
person wrote. Its bytes are canonical JSON.
"""

from __future__ import annotations

import hashlib

import msgspec

from tillwise.decisions.decision import Decision
from tillwise.privacy.permit import Withheld
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.position import Point


class PermitPart(msgspec.Struct, frozen=True):
    """What was allowed, on which basis, by which revision of the rules, and what was withheld for which cause.

    `places` are all that were known, where that was more than `place`, whose rule decided.
    """

    place: str
    purpose: str
    basis: str | None
    granted: bool
    consent_seq: int = 0
    withheld: tuple[Withheld, ...] = ()
    signals: tuple[str, ...] = ()
    rules: str = ""
    places: tuple[str, ...] = ()


class FeaturesPart(msgspec.Struct, frozen=True):
    """The values the decision knew. `given` marks values the caller sent: they are never trained on."""

    definition: str
    columns: tuple[str, ...]
    values: tuple[float | None, ...]
    snapshot: str | None = None
    given: bool = False


class ModelPart(msgspec.Struct, frozen=True):
    """Which model answered, by which feature definitions, since when (wall clock, Unix ms)."""

    version: str
    features: str
    released: int


class Latency(msgspec.Struct, frozen=True):
    """Where the time went, in microseconds; `total` ends when the receipt is handed to the store.

    `gate` is the gate's own span, a part of `permit`: reading what the person said and weighing it.
    """

    permit: int = 0
    know: int = 0
    think: int = 0
    act: int = 0
    total: int = 0
    gate: int = 0


class Receipt(msgspec.Struct, frozen=True):
    """One decision. `at` is the log clock, `wall` real time, both Unix ms; `epoch` and `mark` the point of the log.

    `request` is the caller's question without personal text, kept only where the fallback answered; otherwise all
    that was known is `features` and `facts`.
    """

    decision_id: str
    use_case: str
    at: int
    wall: int
    epoch: int
    mark: int
    permit: PermitPart
    decision: Decision
    policy: str
    explain: str
    features: FeaturesPart | None = None
    facts: Json = {}
    request: Json | None = None
    model: ModelPart | None = None
    candidates: str | None = None
    experiment: Json | None = None
    supersedes: str | None = None
    simulated: bool = False
    fallback: bool = False
    latency: Latency = Latency()

    @property
    def point(self) -> Point:
        """Return what of the log the decision could see."""
        return Point(self.epoch, self.at, self.mark)

    @property
    def seed(self) -> int:
        """Return the seed of every random choice in this decision; it comes from the decision id alone."""
        return seed_of(self.decision_id)


def seed_of(decision_id: str) -> int:
    """Return 63 bits that follow from a decision id."""
    return int.from_bytes(hashlib.blake2b(decision_id.encode(), digest_size=8).digest(), "big") >> 1


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Receipt)


def encode(receipt: Receipt) -> bytes:
    """Return the receipt's canonical JSON."""
    return _encoder.encode(receipt)


def decode(body: bytes) -> Receipt:
    """Return the receipt that these bytes hold."""
    return _decoder.decode(body)


def decision_bytes(decision: Decision) -> bytes:
    """Return the canonical JSON of what was decided and why: what a replay must reproduce byte for byte."""
    return _encoder.encode(decision)


def as_json(receipt: Receipt) -> Json:
    """Return the receipt as plain JSON values, for people and doors."""
    plain: Json = msgspec.json.decode(encode(receipt))
    return plain
