"""The passport of the road: what may be used for this person, purpose, place and moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.errors import NotPermitted
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

_GATE: Final = object()


@dataclass(frozen=True, slots=True)
class Withheld:
    """A group of features that may not be read, and why."""

    feature_group: str
    cause: str


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be read. Only the gate (privacy/gate.py) makes one.

    `granted` is False when nothing personal may be read: the road then answers without a profile. `subject` is None
    when nobody is known, which is always a valid case. `consent_seq` is the position of the subject's newest consent
    fact in the snapshot used (0 when there is none): the receipt's transaction checks that it has not moved.
    """

    seal: object
    purpose: Purpose
    place: str
    basis: str | None
    point: Point
    granted: bool
    subject: Pseudonym | None = None
    anonymous: Pseudonym | None = None
    consent_seq: int = 0
    withheld: tuple[Withheld, ...] = ()
    training: bool = False
    signals: tuple[str, ...] = ()
    """Signals that came with the request and were weighed, such as `gpc`."""
    rules: str = ""
    """The revision of the rules it was judged by (Rulebook.revision)."""
    places: tuple[str, ...] = ()
    """Every place that was weighed, where that is not `place` alone: the strictest of them decided."""
    disclosures: tuple[str, ...] = ()
    """Codes of what the law wants said beside a personal answer."""

    def __post_init__(self) -> None:
        if self.seal is not _GATE:
            raise NotPermitted("a Permit is made by the gate only: call privacy.gate.Gate.permit")

    @property
    def mask(self) -> int:
        """Return the purpose bit a row must carry to be read, with `train` when this is for training."""
        return self.purpose.bit | (Purpose.TRAIN.bit if self.training else 0)


@dataclass(frozen=True, slots=True)
class PastPermit:
    """What a receipt says about the permit of its decision; nobody's pseudonym is in it."""

    purpose: Purpose
    place: str
    basis: str | None
    point: Point
    granted: bool
    consent_seq: int = 0
    withheld: tuple[Withheld, ...] = ()
    signals: tuple[str, ...] = ()
    rules: str = ""


def seal() -> object:
    """Return the seal. For privacy/gate.py; an import contract keeps it there."""
    return _GATE
