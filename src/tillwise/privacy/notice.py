"""The privacy notice in plain words, short and long, made from what this shop does and what a place asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.purposes import Default, Rulebook
from tillwise.vocabulary.canonical import Json, digest_of
from tillwise.vocabulary.purpose import Purpose

WORDS: Final = {
    Purpose.RECOMMEND: ("to suggest things you may like", "what you looked at, put in your cart and bought"),
    Purpose.SEARCH: ("to sort search results for you", "what you searched for, looked at and bought"),
    Purpose.PRICE: ("to make a price for you alone", "what you looked at and bought"),
    Purpose.MARKETING: ("to send you offers", "when and what you bought"),
    Purpose.FRAUD_PREVENTION: (
        "to protect you and us from fraud",
        "orders, payments, device, network address, billing and delivery address",
    ),
    Purpose.SERVICE: ("to answer your questions", "your messages and your orders"),
    Purpose.MODERATION: ("to check texts and pictures you publish here", "what you publish"),
    Purpose.TRAIN: ("to improve how our programs decide", "the same data, under a random number in place of your name"),
    Purpose.SHARE: ("to let others show you advertising", "what you looked at and bought"),
}
"""Per purpose: what for, and from which data."""
_ASKS: Final = {
    Default.OPT_IN: "only if you say yes, and you can take that back at any time",
    Default.OPT_OUT: "unless you say no",
    Default.NOTICE: "we do this, and you can object",
    Default.BAN: "we do not do this where you are",
}
_RIGHTS: Final = {
    "access": "see your data", "rectification": "correct them", "erasure": "have them deleted",
    "portability": "take them with you", "objection": "object", "opt_out": "opt out",
    "restriction": "have them put on hold", "explanation": "have a decision explained",
    "human_review": "have a person look at a decision", "limit_sensitive": "limit the use of sensitive data",
    "recipients": "know who received them", "complaint": "complain", "nomination": "name somebody to act for you",
    "de_indexing": "have links to you removed",
}  # fmt: skip


@dataclass(frozen=True)
class Notice:
    """A notice for one place; its id follows from its text, so that a changed text is another notice."""

    place: str
    short: str
    long: str

    @property
    def content(self) -> Json:
        """Return what the hash is over."""
        return {"place": self.place, "short": self.short, "long": self.long}

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the canonical JSON of `content`, as `sha256:…`."""
        return digest_of(self.content)

    @property
    def notice_id(self) -> str:
        """Return the notice's id."""
        return "n-" + self.sha256[7:23]


def make_notice(
    shop: str, purposes: Iterable[Purpose], rules: Rulebook, place: str, wall: int, url: str = ""
) -> Notice:
    """Return the notice in force for somebody at `place` on the day of `wall` (Unix milliseconds)."""
    used = sorted({purpose for purpose in purposes if purpose in WORDS}, key=list(Purpose).index)
    ruled = [(purpose, rules.rule(place, purpose, wall)) for purpose in used]
    asked = [WORDS[purpose][0] for purpose, rule in ruled if rule.default is Default.OPT_IN]
    told = [WORDS[purpose][0] for purpose, rule in ruled if rule.default in (Default.OPT_OUT, Default.NOTICE)]
    short = f"{shop} uses your data {_and(told)}." if told else f"{shop} uses no data about you without asking."
    if asked:
        short += f" With your yes also {_and(asked)}. Saying no costs you nothing, and you can change your mind."
    lines = [short, ""]
    for purpose, rule in ruled:
        what, data = WORDS[purpose]
        lines.append(f"{what[:1].upper()}{what[1:]}: {_ASKS[rule.default]}. Data: {data}. Rule: {rule.source}.")
    rights = [_RIGHTS[right] for right in load_jurisdictions().rights(place) if right in _RIGHTS]
    lines += ["", f"You may {_and(rights)}. If you say no, you get the same shop with what suits most people."]
    if url:
        lines.append(f"All details: {url}")
    return Notice(place, short, "\n".join(lines))


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
