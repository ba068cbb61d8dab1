"""The notice: made from what runs, kept with its day, told apart, and asking again where a yes does not reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lived_shop import order, send

from tillwise.app import App, build_app
from tillwise.app.doctor.notices import notices as doctor
from tillwise.documents.told import Told, ToldUse, compare
from tillwise.errors import NotFound
from tillwise.events.people import pseudonym_for
from tillwise.privacy.consent import Choice, current, say
from tillwise.privacy.ledger import State
from tillwise.privacy.material import covers
from tillwise.privacy.served import serve
from tillwise.releases.card import Importance, Label, LogPosition, ModelCard
from tillwise.releases.gate import Choice as Chosen
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

VENDOR = """
[[vendor]]
name = "mail-tool"
role = "processor"
country = "US"
purposes = ["marketing"]
categories = ["user.behavior"]
agreement = { kind = "DPA", signed = 2026-01-15, expires = 2099-12-31 }
transfer = { mechanism = "scc", decision = "(EU) 2021/914" }
"""


def _yes(app: App, person: str, purpose: Purpose) -> int:
    """Show somebody the notice in force and let them say yes; return their pseudonym."""
    notice = app.notices.current("DE")

    def work(transaction: object) -> int:
        key = pseudonym_for(transaction, app.secrets, person)  # type: ignore[arg-type]
        serve(transaction, notice, key, app.clock.now())  # type: ignore[arg-type]
        say(transaction, key, Choice(purpose, State.GIVEN, notice.notice_id, place="DE"), app.clock.now())  # type: ignore[arg-type]
        return key

    return app.store.commit(work).result()


def test_a_text_is_kept_once_with_the_day_it_came_into_force(app: App) -> None:
    """Asking ten times keeps one row; another language and another place are notices of their own."""
    first = app.notices.current("DE")
    assert {app.notices.current("DE").notice_id for _ in range(10)} == {first.notice_id}
    app.notices.current("DE", "de")
    app.notices.current("FR", "fr")
    with app.store.snapshot() as snapshot:
        found = app.notices.history(snapshot, "DE", "en")
        assert [each.notice_id for each in found] == [first.notice_id]
        assert len(app.notices.history(snapshot)) == 3
        row = snapshot.one("SELECT body, sha256 FROM notices WHERE id = ?", (first.notice_id,))
    assert row is not None
    assert json.loads(row[0])["long"] == first.long
    assert row[1] == first.sha256


def test_the_notice_speaks_of_what_runs_and_of_nothing_else(app: App) -> None:
    """Purposes of declared use cases and their data; no search, no tickets, which nothing here uses."""
    said = app.notices.current("DE").long
    assert "To suggest things you may like: only if you say yes" in said
    assert "your internet address, as a code" in said
    assert "search results" not in said
    assert "your messages to us" not in said
    assert "four things stay" in said
    assert "We answer within 1 month." in said


def test_ages_are_those_the_gate_goes_by(app: App) -> None:
    """Sixteen with a guardian in Germany; in India nobody under eighteen has a profile, whoever agrees."""
    assert "Below the age of 16 a parent or guardian has to agree." in app.notices.current("DE").long
    india = app.notices.current("IN").long
    assert "Below the age of 18 we do not use your data to suggest things you may like and to send you offers" in india


def test_every_language_tells_the_same_purposes(app: App) -> None:
    """The same number of parts and lines in each language: nothing is left out of a translation."""
    shapes = {
        tuple(len(part.split("\n")) for part in app.notices.current("DE", language).long.split("\n\n"))
        for language in ("en", "de", "fr", "es", "pt")
    }
    assert len(shapes) == 1


def test_a_new_recipient_changes_the_notice_and_asks_again(app: App) -> None:
    """The diff names the recipient; a yes from before counts no more, at the gate and on record; the doctor says so."""
    person = _yes(app, "u-1", Purpose.MARKETING)
    before = app.notices.current("DE").notice_id
    (app.folder.path / "vendors.toml").write_text(VENDOR)
    app.notices.refresh()
    after = app.notices.current("DE")
    assert after.notice_id != before
    assert "mail-tool (works for us, US)" in after.long
    assert "standard contractual clauses" in after.long
    with app.store.snapshot() as snapshot:
        found = app.notices.diff(snapshot, before, after.notice_id)
        assert "to send you offers: also given to mail-tool in US" in found.changes
        assert found.renew == {Purpose.MARKETING: ("mail-tool in US",)}
        assert not found.only_wording
        status = {each.purpose: each for each in current(snapshot, person, app.clock.now())}  # type: ignore[arg-type]
        assert status[Purpose.MARKETING].renew
        permit = app.gate.permit(
            snapshot, purpose=Purpose.MARKETING, subject=person, country="DE",  # type: ignore[arg-type]
            point=Point(0, app.clock.now(), 2**60),
        )  # fmt: skip
        assert [each.cause for each in permit.withheld] == ["consent_renewal_needed"]
        assert any(
            "people: " in f.says or "fewer than 10" in f.says for f in doctor(app, snapshot) if f.about == "renewal"
        )


def test_a_yes_on_the_new_text_counts_from_the_moment_it_is_shown(app: App) -> None:
    """Nobody is asked twice for what the text they read already named, however soon after the change they read it."""
    (app.folder.path / "vendors.toml").write_text(VENDOR)
    person = _yes(app, "u-1", Purpose.MARKETING)
    app.notices.refresh()
    with app.store.snapshot() as snapshot:
        assert not any(each.renew for each in current(snapshot, person, app.clock.now()))  # type: ignore[arg-type]


def test_a_new_kind_of_data_in_shop_py_asks_again(folder: Path) -> None:
    """A declared feature over searches is new data for its purpose: told in the diff, an old yes does not reach it."""
    old = build_app(folder)
    before = old.notices.current("DE").notice_id
    old.close()
    (folder / "shop.py").write_text(
        "from tillwise.features.feature import DAY, Agg, Aggregate\n"
        "from tillwise.vocabulary.purpose import Purpose\n"
        "EXTRA_FEATURES = {'churn': (Aggregate('searches_7d', 'subject', ('Products Searched',), Agg.COUNT, 7 * DAY,"
        " 'searches in a week', categories=('user.behavior',), purposes=frozenset({Purpose.MARKETING})),)}\n"
    )
    new = build_app(folder)
    after = new.notices.current("DE").notice_id
    with new.store.snapshot() as snapshot:
        found = new.notices.diff(snapshot, before, after)
    new.close()
    assert "to send you offers: also from what you search for (user.behavior.search_history)" in found.changes
    assert set(found.renew) == {Purpose.MARKETING, Purpose.TRAIN}


def test_a_shorter_list_or_other_words_ask_nobody_again() -> None:
    """Less data and less time need no new yes; the same content in other words is called wording only."""
    much = Told({"marketing": ToldUse("opt_in", ("user.behavior", "user.payment"), ("a@US",), 700)})
    less = Told({"marketing": ToldUse("opt_in", ("user.behavior.purchase_history",), (), 300)})
    found = compare(much, less)
    assert found.renew == {}
    assert "to send you offers: kept less long, 300 days instead of 700 days" in found.changes
    assert "to send you offers: no longer given to a in US" in found.changes
    assert compare(much, much).only_wording


def test_longer_keeping_is_named_but_ends_no_yes() -> None:
    """More days are told; nobody's yes ends for them."""
    found = compare(
        Told({"train": ToldUse("opt_in", ("user.payment",), (), 30)}),
        Told({"train": ToldUse("opt_in", ("user.payment",), (), None)}),
    )
    assert found.changes == ("to improve how our programs decide: kept longer, no fixed time instead of 30 days",)
    assert found.renew == {}


def test_a_new_and_a_dropped_purpose_are_named() -> None:
    """Both ways, in plain words."""
    without = Told({"recommend": ToldUse("opt_in", ("user.behavior",))})
    with_it = Told({**without.purposes, "share": ToldUse("opt_in", ("user.behavior",))})
    assert compare(without, with_it).changes[0].startswith("new purpose: to let others show you advertising")
    assert compare(with_it, without).changes == ("no longer: to let others show you advertising",)


def test_what_the_gate_needs_is_what_the_notice_tells(app: App) -> None:
    """One source: the materials of the gate cover exactly the categories of the notice in force."""
    app.notices.current("DE")
    with app.store.snapshot() as snapshot:
        told = app.notices.history(snapshot, "DE", "en")[0].told
        kept = {row[0]: row[1] for row in snapshot.all("SELECT purpose, material FROM consent_materials")}
    assert told.purposes.keys() == kept.keys()
    for purpose, use in told.purposes.items():
        assert covers(use.material, kept[purpose])
        assert covers(kept[purpose], use.material)


def test_a_release_changes_what_counts_most_and_asks_nobody(app: App) -> None:
    """The main parameters come from the card of who answers, in words; a computed column is shared out evenly."""
    before = app.notices.current("DE")
    assert "These weigh most" not in before.long
    version = "sha256:" + "1" * 64
    card = ModelCard(
        use_case="fraud", version=version, kind="tabular", features="", columns=(), seed=1,
        label=Label("chargeback", "", 1, 1), position=LogPosition(0, 0, 0), splits=(), primary="", metrics=(),
        importances=(Importance("attempts_1h_card", 0.5), Importance("new_device", 0.3), Importance("hour", 0.2)),
    )  # fmt: skip
    app.releases.keep_card(card)
    app.releases.release("fraud", Chosen("model", "trees", version, "better", ()), who="test")
    after = app.notices.current("DE")
    first = "The fraud check: payment attempts with the same card; the time of day;"
    assert f"{first} payment attempts with the same device; whether the device is known." in after.long
    with app.store.snapshot() as snapshot:
        found = app.notices.diff(snapshot, before.notice_id, after.notice_id)
    assert found.changes == ("what counts most in the fraud check changed",)
    assert found.renew == {}


def test_an_unknown_notice_is_not_compared(app: App) -> None:
    """A clear line instead of an empty difference."""
    with app.store.snapshot() as snapshot, pytest.raises(NotFound, match="was ever in force"):
        app.notices.diff(snapshot, "n-0", "1")


def test_the_doctor_says_when_the_text_is_out_of_date(app: App) -> None:
    """First nothing was ever in force; then all is well; then an import changes what is true."""
    with app.store.snapshot() as snapshot:
        assert [f.level for f in doctor(app, snapshot)] == ["warning"]
    app.notices.current("DE")
    with app.store.snapshot() as snapshot:
        assert [f.level for f in doctor(app, snapshot)] == ["fine"]
    _yes(app, "u-2", Purpose.RECOMMEND)
    (app.folder.path / "vendors.toml").write_text(VENDOR)
    with app.store.snapshot() as snapshot:
        said = [f.says for f in doctor(app, snapshot) if f.level == "warning"]
    assert any("out of date" in each for each in said)
    assert any("were last shown" in each for each in said)


def test_events_alone_change_no_notice(app: App) -> None:
    """What arrives is in the inventory; the text follows declarations, so that it stands before the data come."""
    before = app.notices.current("DE").notice_id
    send(app, order("u-1", 1))
    assert app.notices.current("DE").notice_id == before
