"""Consents of other tools: a no acts at once, a yes is declared and needs its evidence, nobody's own word is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from consent_shop import ANN, NOTICE, NOW, ConsentShop

from tillwise.audit import log as audit_log
from tillwise.errors import InvalidInput
from tillwise.events.people import pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.consent_file import Imported, import_consents
from tillwise.privacy.consent_record import Chosen, read_record
from tillwise.privacy.elsewhere import Origin, take_over
from tillwise.privacy.ledger import State
from tillwise.settings import ConsentSettings, Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.purpose import Purpose

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
CATEGORIES = {"personal": (Purpose.RECOMMEND, Purpose.SEARCH), "ads": (Purpose.SHARE,)}
SETTINGS = ConsentSettings({"personal": ("recommend", "search"), "ads": "share"})
PAPERS = {"notice": "terms-2026", "evidence": "cmp export"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    shop.store.create(audit_log.TABLES)
    yield shop
    shop.store.close()


def take(shop: ConsentShop, yes: bool, at: int | None = NOW, **papers: str) -> str:
    chosen, origin = Chosen({Purpose.RECOMMEND: yes}), Origin("klaro", at=at, place="DE", **papers)
    (done,) = shop.do(lambda t: take_over(t, ANN, chosen, origin, NOW))
    return str(done)


def load(shop: ConsentShop, kind: str, *lines: Any, **about: Any) -> dict[str, int]:
    text = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    file = shop.path.with_name("consents.jsonl")
    file.write_bytes(b"\n".join(text))
    clock = LogClock(wall=lambda: NOW)
    return import_consents(shop.store, SECRETS, clock, SETTINGS, Imported(kind, place="DE", **about), file)


def said(shop: ConsentShop, user_id: str, *, anonymous: bool = False) -> list[tuple[str, str]]:
    person = shop.do(lambda t: pseudonym_for(t, SECRETS, user_id, anonymous=anonymous))
    with shop.store.snapshot() as snapshot:
        return [(str(row["purpose"]), str(row["state"])) for row in ledger.history(snapshot, person)]


def test_a_yes_needs_its_papers_and_is_declared(shop: ConsentShop) -> None:
    """Without notice and evidence nothing is kept; with both it is declared, once."""
    assert take(shop, yes=True) == "left out: a yes without notice and evidence"
    assert take(shop, yes=True, **PAPERS) == "declared, not witnessed"
    assert take(shop, yes=True, **PAPERS) == "known already"
    assert shop.cause() is None
    with shop.store.snapshot() as snapshot:
        (row,) = ledger.history(snapshot, ANN)
    assert (row["state"], row["notice"], row["evidence"], row["source"]) == (
        "declared", "terms-2026", "cmp export", "elsewhere:klaro",
    )  # fmt: skip


def test_a_yes_on_a_notice_we_served_is_witnessed(shop: ConsentShop) -> None:
    """Our own notice, named by the record and on record for this person: given, not declared."""
    shop.serve()
    done = take(shop, yes=True, notice=NOTICE.notice_id, evidence="banner")
    assert done == "given on a notice served here"
    with shop.store.snapshot() as snapshot:
        assert ledger.history(snapshot, ANN)[-1]["state"] == "given"


def test_a_no_acts_at_once_and_needs_no_papers(shop: ConsentShop) -> None:
    """After a yes it is a withdrawal; the same no again is known."""
    assert take(shop, yes=False) == "refused"
    assert (shop.cause(), take(shop, yes=False)) == ("consent_refused", "known already")
    shop.record(State.GIVEN)
    assert take(shop, yes=False, at=NOW + 1) == "refused"
    assert shop.cause() == "consent_withdrawn"


def test_what_they_said_here_later_stands(shop: ConsentShop) -> None:
    """An old record changes nothing, an undated no still acts, an undated yes never does."""
    shop.record(State.GIVEN)
    assert take(shop, yes=False, at=NOW - 1) == "kept: they said something newer here"
    assert shop.cause() is None
    assert take(shop, yes=False, at=None) == "refused"
    shop.record(State.REFUSED)
    for at in (None, NOW + 1):
        assert take(shop, yes=True, at=at, **PAPERS) == "kept: what they said here counts"
    assert shop.cause() == "consent_refused"


def test_people_may_change_their_mind_in_the_other_tool(shop: ConsentShop) -> None:
    """Off and on again there, nothing said here: the newest counts."""
    for yes, cause in ((True, None), (False, "consent_withdrawn"), (True, None)):
        take(shop, yes=yes, **PAPERS)
        assert shop.cause() == cause


def test_a_restriction_outlasts_what_other_tools_say(shop: ConsentShop) -> None:
    """Data on hold stay on hold."""
    shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="DE", source="request"))
    for yes in (True, False):
        take(shop, yes=yes, at=NOW + 1, **PAPERS)
        assert shop.cause() == "restricted"


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("klaro", {"personal": True, "ads": False, "chat": True}, {"recommend": True, "search": True, "share": False}),
        ("klaro", quote('{"personal":false}'), {"recommend": False, "search": False}),
        ("cookieconsent", {"categories": ["necessary", "personal"], "revision": 2},
         {"recommend": True, "search": True, "share": False}),
        ("cookieconsent", {"level": []}, {"recommend": False, "search": False, "share": False}),
        ("segment", {"categoryPreferences": {"ads": True}}, {"share": True}),
    ],
)  # fmt: skip
def test_what_other_tools_write(kind: str, record: Any, expected: dict[str, bool]) -> None:
    """As objects and as the cookies they are kept in; what nobody mapped is named, not guessed."""
    chosen = read_record(kind, record, CATEGORIES)
    assert {purpose.value: yes for purpose, yes in chosen.purposes.items()} == expected
    assert set(chosen.unmapped) <= {"chat", "necessary"}


def test_several_categories_for_one_purpose_all_have_to_say_yes() -> None:
    """One no among them is a no."""
    both = {"a": (Purpose.SHARE,), "b": (Purpose.SHARE,)}
    for b, expected in ((True, True), (False, False)):
        assert read_record("klaro", {"a": True, "b": b}, both).purposes == {Purpose.SHARE: expected}


def test_a_file_is_imported_once(shop: ConsentShop) -> None:
    """Customers and visitors, their own places and times; the second run changes nothing."""
    lines = (
        {"subject": "u-1", "record": {"personal": True, "chat": True}, "at": "2026-11-01T10:00:00Z"},
        {"anonymous_id": "u-1", "record": {"ads": False}, "place": "us-ca"},
    )
    counts = load(shop, "klaro", *lines, b"\n", **PAPERS)
    assert counts == {"lines": 2, "category not mapped: chat": 1, "declared, not witnessed": 2, "refused": 1}
    assert load(shop, "klaro", *lines, **PAPERS)["known already"] == 3
    assert said(shop, "u-1") == [("recommend", "declared"), ("search", "declared")]
    assert said(shop, "u-1", anonymous=True) == [("share", "refused")]
    with shop.store.snapshot() as snapshot:
        kinds = [row[0] for row in snapshot.all("SELECT kind FROM audit_log")]
    assert kinds == ["consent.import", "consent.import"]


def test_a_yes_to_an_old_revision_is_left_out_and_its_noes_are_not(shop: ConsentShop) -> None:
    """cookieconsent asks again when the revision rises; so does the import."""
    line = {"subject": "u-2", "record": {"categories": ["personal"], "revision": 1}}
    load(shop, "cookieconsent", line, revision=2, **PAPERS)
    assert said(shop, "u-2") == [("share", "refused")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "truncated"), (b'{"record": {}}', "either subject or anonymous_id"),
        (b'{"subject": "a", "anonymous_id": "b", "record": {}}', "either subject or anonymous_id"),
        (b'{"subject": "a", "record": {"ads": "yes"}}', "'ads' must be true or false"),
        (b'{"subject": "a", "record": "no cookie"}', "holds no JSON"),
        (b'{"subject": "a", "record": [1]}', "is a JSON object"),
        (b'{"subject": "a", "record": {}, "at": "soon"}', "RFC 3339"),
        (b'{"subject": "a", "record": {}, "place": "Germany"}', "place"),
        (b'{"subject": "a", "record": {}, "consented": true}', "consented"),
        (b'{"subject": "a", "record": "' + b"x" * 70_000 + b'"}', "at most"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_stops_the_file_by_its_number(shop: ConsentShop, line: bytes, says: str) -> None:
    """Named by line, and nothing of the file is kept."""
    good = {"subject": "u-3", "record": {"ads": False}}
    with pytest.raises(InvalidInput, match="line 2: ") as caught:
        load(shop, "klaro", good, line, **PAPERS)
    assert says in str(caught.value)
    assert said(shop, "u-3") == []
