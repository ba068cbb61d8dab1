"""The privacy notice in plain words, short and long, made from what this shop does and what a place asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from tillwise.privacy.jurisdictions import Reply, load_jurisdictions
from tillwise.privacy.purposes import Default, Rule, Rulebook
from tillwise.privacy.wording import Words, words
from tillwise.vocabulary.canonical import Json, digest_of
from tillwise.vocabulary.purpose import Purpose

_BEHAVIOUR: Final = ("user.behavior.browsing_history", "user.behavior.purchase_history")
USUAL: Final[Mapping[Purpose, tuple[str, ...]]] = {
    Purpose.RECOMMEND: _BEHAVIOUR,
    Purpose.SEARCH: (*_BEHAVIOUR, "user.behavior.search_history"),
    Purpose.PRICE: _BEHAVIOUR,
    Purpose.MARKETING: _BEHAVIOUR,
    Purpose.FRAUD_PREVENTION: (
        "user.payment", "user.behavior.purchase_history", "user.device.device_id", "user.device.ip_address",
        "user.contact.address.country", "user.contact.address.mailing_address",
    ),
    Purpose.SERVICE: ("user.content.private", "user.behavior.purchase_history"),
    Purpose.MODERATION: ("user.content.public",),
    Purpose.TRAIN: (*_BEHAVIOUR, "user.unique_id.pseudonymous"),
    Purpose.SHARE: _BEHAVIOUR,
}  # fmt: skip
"""What a purpose usually reads, where nobody derived it from what really runs (documents/uses.py does)."""
_RIGHT_ORDER: Final = tuple(words("en").groups["right"])


@dataclass(frozen=True, slots=True)
class Use:
    """What a purpose really reads (fideslang keys), who receives it, and for how many days it is kept (None = open)."""

    categories: tuple[str, ...]
    recipients: tuple[str, ...] = ()
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody outside who receives data, by the name people read and the `key` of the shop's own record.

    `mechanism` protects a transfer to another country; "" when none is known.
    """

    name: str
    role: str
    country: str
    mechanism: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A main parameter: a word of a group (`event`, `request`, `part`), with the key it is counted by ("" = none)."""

    group: str
    word: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notice tells beside the rules: what really runs. `parameters` are by use case, the heaviest first."""

    uses: Mapping[Purpose, Use] = field(default_factory=dict)
    parameters: Mapping[str, tuple[Phrase, ...]] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    automated: bool = False
    imported: bool = False
    controller: str = ""
    contact: str = ""
    dpo: str = ""
    home: str = ""


NOTHING_KNOWN: Final = Facts()


@dataclass(frozen=True)
class Notice:
    """A notice for one place and language; its id follows from its text, so that a changed text is another notice."""

    place: str
    short: str
    long: str
    language: str = "en"
    purposes: tuple[Purpose, ...] = ()
    """What it tells of as done at its place: a yes to anything else finds nothing here to agree to."""

    @property
    def content(self) -> Json:
        """Return what the hash is over."""
        return {"place": self.place, "language": self.language, "short": self.short, "long": self.long}

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the canonical JSON of `content`, as `sha256:…`."""
        return digest_of(self.content)

    @property
    def notice_id(self) -> str:
        """Return the notice's id."""
        return "n-" + self.sha256[7:23]


def make_notice(
    shop: str,
    purposes: Iterable[Purpose],
    rules: Rulebook,
    place: str,
    wall: int,
    url: str = "",
    *,
    language: str = "en",
    facts: Facts = NOTHING_KNOWN,
) -> Notice:
    """Return the notice in force for somebody at `place` on the day of `wall` (Unix milliseconds).

    Raises InvalidInput for a language there are no words in (wording.LANGUAGES has them).
    """
    said = words(language)
    used = sorted({purpose for purpose in purposes if purpose in USUAL}, key=list(Purpose).index)
    ruled = [(purpose, rules.rule(place, purpose, wall)) for purpose in used]
    short = _short(said, shop, ruled)
    parts = [
        [short],
        _who(said, shop, facts),
        [said.of("heading", "why"), *_purposes(said, ruled, facts)],
        _parameters(said, facts),
        _recipients(said, facts),
        _rights(said, place, ruled),
        [said.of("heading", "complain"), *_complain(said, place, facts)],
        [said.of("heading", "stays"), said.say("stays")],
        [said.say("details", url=url)] if url else [],
    ]  # fmt: skip
    done = tuple(purpose for purpose, rule in ruled if rule.default is not Default.BAN)
    return Notice(place, short, "\n\n".join("\n".join(part) for part in parts if part), said.language, done)


def _short(said: Words, shop: str, ruled: list[tuple[Purpose, Rule]]) -> str:
    told = [said.of("purpose", p) for p, rule in ruled if rule.default in (Default.OPT_OUT, Default.NOTICE)]
    asked = [said.of("purpose", p) for p, rule in ruled if rule.default is Default.OPT_IN]
    parts = [said.say("told", shop=shop, purposes=said.list(told)) if told else said.say("nothing", shop=shop)]
    if asked:
        parts.append(said.say("asked", purposes=said.list(asked)))
    return " ".join((*parts, said.say("layer")))


def _who(said: Words, shop: str, facts: Facts) -> list[str]:
    lines = [said.say("controller", shop=shop, controller=facts.controller)] if facts.controller else []
    lines += [said.say("contact", contact=facts.contact)] if facts.contact else []
    lines += [said.say("dpo", dpo=facts.dpo)] if facts.dpo else []
    return [said.of("heading", "who"), *lines] if lines else []


def _purpose(said: Words, purpose: Purpose, rule: Rule, facts: Facts) -> str:
    """Return the line of one purpose: what for, when, from which data, how long, to whom, by which rule."""
    what = said.of("purpose", purpose)
    use = facts.uses.get(purpose, Use(USUAL[purpose]))
    told = purpose is Purpose.FRAUD_PREVENTION and rule.default is Default.NOTICE
    sentences = [f"{_begin(what)}: {said.of('ask', 'told' if told else rule.default)}."]
    if rule.default is not Default.BAN:
        sentences.append(said.say("data", data="; ".join(said.category(each) for each in use.categories)))
        kept = said.say("kept_open") if use.days is None else said.say("kept", duration=said.duration(use.days))
        sentences.append(kept)
        if use.recipients:
            sentences.append(said.say("gets", recipients=said.list(use.recipients)))
    # What follows a semicolon in a source is the table's own remark.
    law = said.say("rule", basis=said.of("basis", rule.basis), source=rule.source.split(";")[0])
    return " ".join((*sentences, law))


def _purposes(said: Words, ruled: list[tuple[Purpose, Rule]], facts: Facts) -> Iterator[str]:
    for purpose, rule in ruled:
        yield _purpose(said, purpose, rule, facts)
    if facts.imported:
        yield said.say("imported")


def _parameters(said: Words, facts: Facts) -> list[str]:
    """Return the main parameters of each surface in plain words (DSA 27; GDPR 13(2)(f))."""
    lines = [
        said.say("counts", use_case=_begin(said.of("use_case", name)), parameters="; ".join(_phrases(said, phrases)))
        for name, phrases in facts.parameters.items()
        if phrases
    ]
    if lines:
        lines.insert(0, said.say("counts_intro"))
    if facts.automated:
        lines.append(said.say("automated"))
    return [said.of("heading", "parameters"), *lines] if lines else []


def _phrases(said: Words, phrases: Iterable[Phrase]) -> Iterator[str]:
    for phrase in phrases:
        word = said.of(phrase.group, phrase.word)
        yield f"{word} {said.of('key', phrase.key)}" if phrase.key in said.groups["key"] else word


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def _recipients(said: Words, facts: Facts) -> list[str]:
    lines = []
    for each in facts.recipients:
        role = said.of("role", each.role)
        line = said.say("recipient", name=each.name, role=role, country=each.country)
        if each.country[:2] != facts.home[:2]:
            safe = said.of("mechanism", each.mechanism) if each.mechanism else ""
            line += ". " + (
                said.say("transfer", name=each.name, mechanism=safe)
                if safe
                else said.say("no_transfer", name=each.name)
            )
        lines.append(line)
    return [said.of("heading", "recipients"), *(lines or [said.say("nobody")])]


def _rights(said: Words, place: str, ruled: list[tuple[Purpose, Rule]]) -> list[str]:
    """Return what a person may ask at this place, how soon it is answered, and what their word does."""
    laws = load_jurisdictions()
    here = [right for right in _RIGHT_ORDER if right in laws.rights(place)]
    asked = any(rule.default is Default.OPT_IN for _, rule in ruled)
    days = laws.consent_days(place)
    signalled = [said.of("purpose", purpose) for purpose, rule in ruled if "gpc" in rule.signals]
    lines = [
        said.say("rights", rights=said.list([said.of("right", right) for right in here])) if here else "",
        *_deadlines(said, laws.reply(place)),
        said.say("same_shop"),
        said.say("consent_ends", duration=said.duration(days)) if asked and days else "",
        *_ages(said, place, [purpose for purpose, _ in ruled]),
        said.say("signal", purposes=said.list(signalled)) if signalled else "",
    ]
    return [said.of("heading", "rights"), *(line for line in lines if line)]


def _ages(said: Words, place: str, purposes: list[Purpose]) -> Iterator[str]:
    """Yield below which age a guardian has to agree, and below which not even that counts, and what for."""
    limits = {purpose: load_jurisdictions().limits(place, purpose) for purpose in purposes}
    guardian = max((each.guardian for each in limits.values()), default=0)
    if guardian:
        yield said.say("age", age=guardian)
    for age in sorted({each.banned for each in limits.values() if each.banned}):
        barred = [said.of("purpose", purpose) for purpose, each in limits.items() if each.banned == age]
        yield said.say("age_banned", age=age, purposes=said.list(barred))


def _deadlines(said: Words, reply: Reply) -> Iterator[str]:
    yield said.say("deadline", duration=said.duration(reply.days, reply.months))
    if reply.extension_days or reply.extension_months:
        yield said.say("extension", duration=said.duration(reply.extension_days, reply.extension_months))
    if reply.appeal_days:
        yield said.say("appeal", duration=said.duration(reply.appeal_days))


def _complain(said: Words, place: str, facts: Facts) -> Iterator[str]:
    if facts.contact:
        yield said.say("contact", contact=facts.contact)
    yield said.say("complain_us" if place.startswith("US") else "complain")
