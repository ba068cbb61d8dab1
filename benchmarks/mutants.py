"""Everything benchmarks/mutations.py removes or breaks, one piece per mutant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mutation_shop import IMPORTED, NEW, SILENT, VISITOR, YES, Probe, Surfaces, pseudonym, small_shop, used

from tillwise.app import build_app, use_cases
from tillwise.cli.init import create_shop
from tillwise.connectors.importing import import_mapping
from tillwise.decisions.decision import Place, Request
from tillwise.errors import NotFound, TillwiseError
from tillwise.events.event_type import EventType
from tillwise.events.properties import Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.preferences import language
from tillwise.privacy import jurisdictions, retention, rule_file, wording
from tillwise.privacy.consent import Choice, say
from tillwise.privacy.ledger import State
from tillwise.recipients import borders
from tillwise.use_cases import churn, fraud
from tillwise.vocabulary import shipped
from tillwise.vocabulary.purpose import Purpose

PROFILES: Final = (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.FRAUD_PREVENTION)
_CACHES: Final = (
    rule_file._shipped, jurisdictions._shipped, retention._shipped, wording._read, language.words_of, borders._shipped,
)  # fmt: skip
ROWS: Final = ("facts", "by_subject", "by_device", "by_card", "by_ip", "by_address", "by_email")


def _nowhere(_: Probe) -> bool:
    return False


def _still(_: Surfaces) -> None:
    """Change nothing while it runs."""


@dataclass(frozen=True)
class Mutant:
    """One change. `hits` says which questions that used something personal may not any more."""

    kind: str
    name: str
    at_start: Callable[[Path], AbstractContextManager[object]] = lambda _: nullcontext()
    running: Callable[[Surfaces], None] = _still
    hits: Callable[[Probe], bool] = _nowhere


def every_mutant() -> Iterator[Mutant]:
    """Yield them all, kind by kind."""
    yield from _events()
    yield from _features()
    yield from _use_cases()
    yield from _shop_files()
    yield from _tables()
    yield from _retention()
    yield from _rows()
    yield from _people()
    yield from _places()
    yield from _vendors()
    yield from _models()


@contextmanager
def changed(thing: object, field: str, value: object) -> Iterator[None]:
    """Change a frozen declaration in memory for a while."""
    before = getattr(thing, field)
    object.__setattr__(thing, field, value)
    try:
        yield
    finally:
        object.__setattr__(thing, field, before)


def _declared(kind: str, name: str, thing: object, field: str, value: object) -> Mutant:
    return Mutant(kind, name, lambda _: changed(thing, field, value), hits=lambda _: True)


def _events() -> Iterator[Mutant]:
    seen: dict[int, Property] = {}
    for declared in EVENT_TYPES.values():
        yield _declared("event purposes", declared.name, declared, "purposes", frozenset())
        yield _declared("event category", declared.name, declared, "category", "")
        yield from _properties(declared, seen)


def _properties(declared: EventType, seen: dict[int, Property]) -> Iterator[Mutant]:
    for each in (*declared.properties, *declared.line):
        if id(each) in seen:
            continue
        seen[id(each)] = each
        name = f"{declared.name}.{each.name}"
        yield _declared("property category", name, each, "category", "")
        yield _declared("property sensitivity", name, each, "sensitivity", None)
        if each.sensitivity is Sensitivity.PERSONAL and each.column:
            yield _declared("property sensitivity", f"{name} lowered", each, "sensitivity", Sensitivity.PSEUDONYMOUS)


def _features() -> Iterator[Mutant]:
    for features in (churn.FEATURES, fraud.FEATURES):
        for each in features.aggregates:
            yield _declared("feature purposes", each.name, each, "purposes", frozenset())
            yield _declared("feature purposes", f"{each.name}, another", each, "purposes", frozenset({Purpose.SEARCH}))
            yield _declared("feature category", each.name, each, "categories", ())
        for name in features.request:
            kept = {key: value for key, value in features.categories.items() if key != name}
            yield _declared("feature category", name, features, "categories", kept)


@contextmanager
def _without_purpose(module: Any, factory: str, purpose: object) -> Iterator[None]:
    made = getattr(module, factory)
    setattr(module, factory, lambda *given: replace(made(*given), purpose=purpose))
    try:
        yield
    finally:
        setattr(module, factory, made)


def _use_cases() -> Iterator[Mutant]:
    ours = ("churn", "fraud", "recommendations")
    for module, factory in ((getattr(use_cases, name), name) for name in ours):
        for purpose in (None, "", Purpose.OPERATIONS, Purpose.SHARE):

            def at_start(_: Path, m: Any = module, f: str = factory, p: object = purpose) -> Any:
                return _without_purpose(m, f, p)

            yield Mutant("use case purpose", f"{factory} = {purpose!r}", at_start)


_FEATURE = """\
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {"churn": (
    Aggregate("largest", "subject", ("Order Completed",), Agg.MAX, 45 * DAY,
              "largest order",
              of="amount", categories=("user.behavior.purchase_history",),
              purposes=frozenset({Purpose.MARKETING})),
)}
"""


def _shop_files() -> Iterator[Mutant]:
    for found, instead in (
        ("frozenset({Purpose.MARKETING})", "frozenset()"),
        (",\n              purposes=frozenset({Purpose.MARKETING})", ""),
        ("Purpose.MARKETING", "Purpose.SEARCH"), ('("user.behavior.purchase_history",)', "()"),
        ('("user.behavior.purchase_history",)', '("purchases",)'), ('"largest order"', '""'),
        ('"subject"', '"nobody"'), ('"Order Completed"', '"Order Complete"'),
    ):  # fmt: skip

        def at_start(folder: Path, text: str = _FEATURE.replace(found, instead)) -> Any:
            (folder / "shop.py").write_text(text)
            return nullcontext()

        yield Mutant("shop.py", f"{found.strip()} -> {instead}", at_start, hits=lambda _: True)


class _Package:
    """The package's files, one of them changed (None: gone)."""

    def __init__(self, package: str, path: str, text: str | None) -> None:
        self._package, self._path, self._text = package, path, text

    def __call__(self, package: str) -> Any:
        return files(package) if package != self._package else self

    def joinpath(self, *path: str) -> Any:
        name = "/".join(path)
        return files(self._package).joinpath(*path) if name != self._path else self

    def read_text(self, _: str) -> str:
        if self._text is None:
            raise FileNotFoundError(self._path)
        return self._text


@contextmanager
def packaged(package: str, path: str, text: str | None) -> Iterator[None]:
    """Let a table of the package read as `text`, for a start."""
    own = shipped.files
    shipped.files = _Package(package, path, text)  # type: ignore[assignment, attr-defined]
    _forget()
    try:
        yield
    finally:
        shipped.files = own  # type: ignore[attr-defined]
        _forget()


def _forget() -> None:
    for cache in _CACHES:
        cache.cache_clear()


def _table(kind: str, package: str, path: str, name: str, text: str | None, more: str = "") -> Mutant:
    def at_start(folder: Path) -> Any:
        if more:
            settings = folder / "tillwise.toml"
            settings.write_text(settings.read_text() + more)
        return packaged(package, path, text)

    return Mutant(kind, f"{path}: {name}", at_start, hits=lambda _: True)


def _read(package: str, path: str) -> str:
    return files(package).joinpath(*path.split("/")).read_text("utf-8")


def _tables() -> Iterator[Mutant]:
    law, words = "tillwise.privacy", [f"notice_words/{each}.toml" for each in wording.LANGUAGES]
    strict = '\n[privacy]\npreset = "eu-strict"\n'
    for path in ("purposes.toml", "jurisdictions.toml", shipped.SEAL, "retention.toml", *words):
        yield _table("file", law, path, "gone", None)
        yield _table("file", law, path, "unreadable", "[[")
    yield _table("file", law, "presets.toml", "gone", None, strict)
    for path in ("borders.toml", "adequacy.toml"):
        yield _table("file", "tillwise.recipients", path, "gone", None)
    for each in language.LANGUAGES:
        yield _table("file", "tillwise.preferences", f"words/{each}.toml", "gone", None)
    for path in ("purposes.toml", "jurisdictions.toml"):
        yield from _lines("rule", law, path, r"^[a-z_]+ = \{.*$|^signals = .*$|^reviewed = .*$")
        yield from _blocks("law", law, path)
    yield from _weaker("rule", law, "purposes.toml")
    for mutant in (*_lines("preset", law, "presets.toml", r"^[a-z]+ = .*$"), *_blocks("preset", law, "presets.toml")):
        yield replace(mutant, at_start=_after(strict, mutant.at_start))
    for path in ("borders.toml", "adequacy.toml"):
        yield from _blocks("border", "tillwise.recipients", path)
    for path in words:
        yield from _lines("notice", law, path, r"^(?!\[)[^#\s].* = .*$", skip="[name]")


def _after(more: str, at_start: Callable[[Path], AbstractContextManager[object]]) -> Callable[[Path], Any]:
    def both(folder: Path) -> AbstractContextManager[object]:
        settings = folder / "tillwise.toml"
        settings.write_text(settings.read_text() + more)
        return at_start(folder)

    return both


def _lines(kind: str, package: str, path: str, pattern: str, skip: str = "") -> Iterator[Mutant]:
    text = _read(package, path)
    place = ""
    for n, line in enumerate(lines := text.splitlines()):
        place = line if line.startswith("[") else place
        if re.match(pattern, line) and (not skip or place not in (skip, "")):
            left = "\n".join((*lines[:n], *lines[n + 1 :])) + "\n"
            yield _table(kind, package, path, f"line {n + 1} gone", left)


def _blocks(kind: str, package: str, path: str) -> Iterator[Mutant]:
    head, *blocks = re.split(r"(?m)^(?=\[\[)", _read(package, path))
    for n in range(len(blocks)):
        yield _table(kind, package, path, f"block {n + 1} gone", head + "".join((*blocks[:n], *blocks[n + 1 :])))


def _weaker(kind: str, package: str, path: str) -> Iterator[Mutant]:
    text = _read(package, path)
    for n, found in enumerate(re.finditer(r'default = "(opt_in|opt_out|ban)", basis = "[a-z]+"', text)):
        left = text[: found.start()] + 'default = "notice", basis = "notice"' + text[found.end() :]
        yield _table(kind, package, path, f"default {n + 1} asks nothing", left)


def _retention() -> Iterator[Mutant]:
    text = _read("tillwise.privacy", "retention.toml")
    head, *blocks = re.split(r"(?m)^(?=\[\[)", text)
    for n, block in enumerate(blocks):
        left = head + "".join((*blocks[:n], *blocks[n + 1 :]))
        hits = _kept(block)
        yield replace(_table("retention", "tillwise.privacy", "retention.toml", f"row {n + 1} gone", left), hits=hits)
        broken = text.replace(block, re.sub(r"else = \d+", "other = 1", block))
        yield _table("retention", "tillwise.privacy", "retention.toml", f"row {n + 1} without days", broken)


def _kept(block: str) -> Callable[[Probe], bool]:
    """Return which questions read events of this row of the table, and nothing but these."""
    purposes = {
        purpose
        for purpose, events in (
            (Purpose.RECOMMEND, ('"Product Viewed"', '"Order Completed"')),
            (Purpose.FRAUD_PREVENTION, ('"Payment Attempted"',)),
            (Purpose.MARKETING, ('"Order Completed"',)),
        )
        if any(event in block for event in events)
    }
    return lambda probe: probe.purpose in purposes and probe.surface.startswith("POST") and probe.person != IMPORTED


def _sql(kind: str, name: str, hits: Callable[[Probe], bool], *statements: str) -> Mutant:
    def running(surfaces: Surfaces) -> None:
        keys = {"yes": pseudonym(surfaces.app, YES), "imported": pseudonym(surfaces.app, IMPORTED)}
        for text in statements:
            surfaces.app.store.commit(lambda t, text=text: t.run(text.format(**keys))).result()  # type: ignore[misc]

    return Mutant(kind, name, running=running, hits=hits)


def _rows() -> Iterator[Mutant]:
    for change in ("purposes = 0", "epoch = 999999", "simulated = 1"):
        every = [f"UPDATE {table} SET {change}" for table in ROWS]
        yield _sql("purposes of rows", change, _reading(change), *every)
    for purpose in PROFILES:
        every = [f"UPDATE {table} SET purposes = purposes & ~{purpose.bit}" for table in ROWS]
        yield _sql("purposes of rows", f"without {purpose}", _for(purpose), *every)
    learnt = [f"UPDATE {table} SET purposes = purposes & ~{Purpose.TRAIN.bit}" for table in ROWS]
    yield _sql("purposes of rows", "without train", lambda probe: probe.surface.startswith("train"), *learnt)


def _reading(change: str) -> Callable[[Probe], bool]:
    # A shop without real payments may learn fraud from simulated ones; that is another world, not another permission.
    but = ("score --for", "sink", *(("train fraud",) if change.startswith("simulated") else ()))
    return lambda probe: probe.surface not in but


def _for(purpose: Purpose) -> Callable[[Probe], bool]:
    leaving = ("score --for", "sink")
    return lambda probe: probe.purpose is purpose and probe.surface not in leaving


def _people() -> Iterator[Mutant]:
    gone = "DELETE FROM consents WHERE subject = {yes} AND purpose = '"
    for purpose in (Purpose.RECOMMEND, Purpose.MARKETING):
        yield _sql("consent", f"{purpose} gone", _of(YES, purpose), f"{gone}{purpose}'")
        for state in ("withdrawn", "refused", "invalidated", "restricted"):
            text = f"UPDATE consents SET state = '{state}' WHERE subject = {{yes}} AND purpose = '{purpose}'"
            yield _sql("consent", f"{purpose} {state}", _of(YES, purpose), text)
    yield _sql("consent", "train gone", lambda p: p.person == YES and p.surface.startswith("train"), f"{gone}train'")
    yield Mutant("notice of a yes", "what it covered grew", running=_grown, hits=_asked_yes)
    for name in ("", "no-such-notice"):
        yield Mutant("notice of a yes", f"never served: '{name}'", running=_unserved(name))


def _of(person: str, purpose: Purpose) -> Callable[[Probe], bool]:
    return lambda probe: probe.person == person and probe.purpose is purpose


def _asked_yes(probe: Probe) -> bool:
    asked = probe.purpose in (Purpose.RECOMMEND, Purpose.MARKETING)
    return probe.person == YES and asked and not probe.surface.startswith("train")


def _grown(surfaces: Surfaces) -> None:
    new: dict[Purpose, str] = dict.fromkeys(Purpose, "user.behavior.purchase_history user.biometric")
    surfaces.app.gate.need(new)


def _unserved(name: str) -> Callable[[Surfaces], None]:
    def running(surfaces: Surfaces) -> None:
        app, who = surfaces.app, pseudonym(surfaces.app, SILENT)
        for purpose in (Purpose.RECOMMEND, Purpose.MARKETING):
            choice = Choice(purpose, State.GIVEN, name, place="DE")
            try:
                app.store.commit(lambda t, c=choice: say(t, who, c, app.clock.now())).result()  # type: ignore[misc]
            except NotFound:
                continue
            raise AssertionError("a yes without its notice was taken")

    return running


def _places() -> Iterator[Mutant]:
    asked = (Purpose.RECOMMEND, Purpose.MARKETING)
    people = {None: (NEW, VISITOR), "ZZ": (NEW, VISITOR), "AQ": (NEW, VISITOR), "BR": (VISITOR,), "DE": (NEW, VISITOR)}
    for country, hit in people.items():

        def running(surfaces: Surfaces, country: str | None = country, hit: tuple[str, ...] = hit) -> None:
            surfaces.countries = dict.fromkeys(hit, country)

        def hits(probe: Probe, hit: tuple[str, ...] = hit) -> bool:
            return probe.surface.startswith("POST") and probe.person in hit and probe.purpose in asked

        yield Mutant("place", str(country), running=running, hits=hits)


def _vendors() -> Iterator[Mutant]:
    def leaves(probe: Probe) -> bool:
        return probe.surface in ("score --for", "sink")

    def abroad(probe: Probe) -> bool:
        return leaves(probe) and probe.person == YES

    for name, pattern, instead, hits in (
        ("agreement gone", r"(?m)^agreement = .*$", "", leaves),
        ("agreement over", r"(agreement = .* expires = )[0-9-]+", r"\g<1>2020-01-01", leaves),
        ("agreement not yet signed", r"signed = [0-9-]+", "signed = 2999-01-01", leaves),
        ("mechanism gone", r"(?m)^transfer = .*$", "", abroad),
        ("mechanism over", r"(transfer = .* expires = )[0-9-]+", r"\g<1>2020-01-01", abroad),
        ("evidence over", r"(evidence = .* expires = )[0-9-]+", r"\g<1>2020-01-01", leaves),
        ("purposes gone", r'purposes = \["marketing"\]', "purposes = []", leaves),
        ("purposes missing", r"(?m)^purposes = .*$", "", leaves),
        ("another purpose", r'\["marketing"\]', '["search"]', leaves),
        ("identity gone", r'"user.unique_id", ', "", leaves),
        ("behaviour gone", r', "user.behavior"', "", lambda probe: probe.surface == "score --for"),
        ("role missing", r"(?m)^role = .*$", "", leaves),
        ("country missing", r"(?m)^country = .*$", "", leaves),
        ("country unknown", r'country = "US"', 'country = "ZZ"', abroad),
        ("record gone", r"(?s).*", "", leaves),
        ("unreadable", r"name =", "name", leaves),
    ):

        def running(surfaces: Surfaces, pattern: str = pattern, instead: str = instead) -> None:
            path = surfaces.app.folder.path / "vendors.toml"
            path.write_text(re.sub(pattern, instead, path.read_text(), count=1))

        yield Mutant("vendor", name, running=running, hits=hits)


def _models() -> Iterator[Mutant]:
    yield _sql("model", "releases gone", _nowhere, "DELETE FROM releases")

    def damaged(folder: Path) -> Any:
        for path in (folder / "models").rglob("*"):
            if path.is_file():
                path.write_bytes(b"?")
        return nullcontext()

    yield Mutant("model", "bytes damaged", damaged)


IMPORT: Final = {
    "basis gone": (r"(?s)\[basis\].*?(?=\[\[source)", ""),
    "place gone": (r"(?m)^place = .*$", ""),
    "recommend gone": (r"(?m)^recommend = .*$", ""),
    "marketing gone": (r"(?m)^marketing = .*$", ""),
    "notice gone": (r'notice = "[^"]*", ', ""),
    "evidence gone": (r', evidence = "[^"]*"', ""),
    "a basis nobody knows": (r'basis = "consent"', 'basis = "habit"'),
}


def import_mutants(root: Path) -> Iterator[tuple[str, str, bool | None]]:
    """Yield kind, name, and whether anything personal is used of an imported person; None for a refused import."""
    for n, (name, (pattern, instead)) in enumerate((("whole", ("$^", "")), *IMPORT.items())):
        asked = Purpose.RECOMMEND if name == "recommend gone" else Purpose.MARKETING
        found = _imported(root / str(n), pattern, instead, asked)
        if name == "whole":
            assert found, "the whole mapping has to work"
            continue
        yield "import basis", name, found


def _imported(root: Path, pattern: str, instead: str, asked: Purpose) -> bool | None:
    mapping = small_shop().write_files(root / "files")
    german = (
        mapping.read_text().replace('place = "US"', 'place = "DE"').replace('basis = "notice"', 'basis = "consent"')
    )
    mapping.write_text(re.sub(pattern, instead, german))
    create_shop(root / "shop")
    small_shop_clock(root / "shop")
    app = build_app(root / "shop")
    with closing(app):
        try:
            import_mapping(app.store, app.secrets, app.clock, mapping, on_append=(app.tiles,))
        except TillwiseError:
            return None
        name, body = ("recommendations", {"placement": "home", "k": 5}) if asked is Purpose.RECOMMEND else ("churn", {})
        request = Request(None, body, subject=IMPORTED, place=Place("DE"), deadline_ms=20_000)
        answer = app.road.decide(app.use_case(name), request, "mutations")
        return used(answer.receipt, app.use_case(name).features)


def small_shop_clock(folder: Path) -> None:
    """Set the log clock of a shop to the end of the small shop's orders."""
    small = small_shop()
    settings = folder / "tillwise.toml"
    offset = int(small.END.timestamp() * 1000) - small.wall_now()
    settings.write_text(settings.read_text() + f"\n[clock]\noffset_ms = {offset}\n")
