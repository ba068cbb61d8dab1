"""Borders as data: what each place asks, and who is kept where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest
from bordering_shop import BOUGHT, RECORD, changed, fill, identify, key_of, make_shop, say, track, write_vendors
from click.testing import CliRunner

from tillwise.app import build_app
from tillwise.cli.main import cli
from tillwise.connectors.mapping_file import read_mapping
from tillwise.errors import ConfigurationError, InvalidMapping
from tillwise.events.quality import newest_quarantined
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import State
from tillwise.recipients.borders import load_borders, read_borders
from tillwise.recipients.gate import About
from tillwise.recipients.vendor import Vendor
from tillwise.vocabulary.purpose import Purpose

DAY = date(2026, 11, 20)


def vendor(
    country: str, mechanism: str = "", *, evidence: tuple[str, ...] = (), region: str = "", sub: str = ""
) -> Vendor:
    return msgspec.convert(
        {
            "name": "v", "role": "processor", "country": country, "region": region, "purposes": ["marketing"],
            "categories": ["user"], "transfer": {"mechanism": mechanism} if mechanism else None,
            "evidence": [{"kind": kind, "expires": date(2027, 1, 1)} for kind in evidence],
            "sub_processors": [{"name": "s", "country": sub}] if sub else [],
        },
        Vendor,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("place", "to", "cause"),
    [
        ("DE", vendor("FR"), ""),
        ("DE", vendor("FR", region="us"), "transfer_missing"),
        ("DE", vendor("FR", sub="IN"), "transfer_missing"),
        ("DE", vendor("BR", "adequacy"), ""),
        ("DE", vendor("US", "adequacy"), "certificate_missing"),
        ("DE", vendor("US", "adequacy", evidence=("EU-US DPF",)), ""),
        ("DE", vendor("IN", "adequacy"), "not_adequate"),
        ("DE", vendor("IN", "bcr"), ""),
        ("DE", vendor("IN", "idta"), "transfer_not_accepted"),
        ("GB", vendor("US", "idta"), ""),
        ("GB", vendor("US", "scc"), "transfer_not_accepted"),
        ("GB", vendor("DE", "adequacy"), ""),
        ("US-CA", vendor("IN"), ""),
        ("US", vendor("IN"), ""),
        ("CA", vendor("US", "scc"), "transfer_not_accepted"),
        ("CA-ON", vendor("US", "scc"), ""),
        ("CA-QC", vendor("US", "scc"), "transfer_not_accepted"),
        ("CA-QC", vendor("US", "assessment"), ""),
        ("CA-QC", vendor("CA"), "transfer_missing"),
        ("CN", vendor("US", "scc"), "transfer_not_accepted"),
        ("CN", vendor("US", "contract"), ""),
        ("IN", vendor("US"), ""),
        ("JP", vendor("US"), "transfer_missing"),
        ("JP", vendor("US", "adequacy"), "transfer_not_accepted"),
        ("JP", vendor("US", "scc"), ""),
        ("JP", vendor("JP"), ""),
    ],
)
def test_what_a_place_asks_of_a_vendor(place: str, to: Vendor, cause: str) -> None:
    """Home, store and those the vendor hands on to all count; a country without its region asks like its strictest."""
    assert load_borders().obstacle(to, place, DAY) == cause


def test_separate_consent_is_asked_where_the_law_or_the_record_does() -> None:
    """PIPL 39, the derogation of GDPR 49, or the shop's own choice; at home nobody is asked."""
    borders = load_borders()
    assert borders.consents(vendor("US", "contract"), "CN") == {"US"}
    assert borders.consents(vendor("CN", region="cn"), "CN") == frozenset()
    assert borders.consents(vendor("US", "consent", region="sg"), "DE") == {"US", "SG"}
    assert borders.consents(vendor("US", "scc"), "DE") == frozenset()


def test_the_tables_are_whole_and_agree_with_the_jurisdictions() -> None:
    """Every row says who says so; a law known for keeping data at home is one here too; contradictions are refused."""
    borders = load_borders()
    assert all(row.source and row.reviewed for row in (*borders.rows, *borders.adequate))
    homes = {place for row in load_jurisdictions().rows if row.transfers.localised for place in row.places}
    assert {place for place in homes if not borders.stores(place)} == set()
    for row in load_jurisdictions().rows:
        for country in row.transfers.adequate:
            assert borders.obstacle(vendor(country, "adequacy"), row.places[0], DAY) == "", (row.name, country)
    assert len(borders.unreviewed(1_900_000_000_000)) == len(borders.rows) + len(borders.adequate)
    text = (Path(__file__).parents[2] / "src/tillwise/recipients/borders.toml").read_text("utf-8")
    for broken, says in (
        (text.replace('places = ["GB"]', 'places = ["DE"]'), "DE stands in two rows"),
        (text.replace('stores = ["ru"]', "stores = []"), "contradict"),
        (text.replace('adequacy_of = "EU"', 'adequacy_off = "EU"'), "adequacy_off"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            read_borders(broken, "adequacy = []")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[borders]\nexempt = { RU = "we are small" }\n', "knows no such exemption"),
        ('[borders]\nexempt = { CN = "" }\n', "say why"),
        ('[borders]\ndesignated = ["DE"]\n', "no row of DE"),
    ],
)
def test_exemptions_need_a_law_and_a_reason(tmp_path: Path, more: str, says: str) -> None:
    """The law is not loosened by a setting; where it has an exception, the shop says why it falls under it."""
    make_shop(tmp_path / "shop", more=f"\n{more}")
    with pytest.raises(ConfigurationError, match=says):
        build_app(tmp_path / "shop")


ORDER = {"order_id": "o-1", "total": 3, "currency": "EUR"}


def test_people_kept_at_home_are_not_taken_in_elsewhere(tmp_path: Path) -> None:
    """An event that names such a place, or is of a person known to be there, leaves a reason and nothing else."""
    make_shop(tmp_path / "shop", more='\n[borders]\nexempt = { CN = "below the number of the provisions of 2024" }\n')
    settings = tmp_path / "shop" / "tillwise.toml"
    settings.write_text(settings.read_text().replace("[shop]", '[shop]\nregion = "eu"'))
    app = build_app(tmp_path / "shop")
    try:
        assert track(app, "Order Completed", "r-1", {**ORDER, "country": "RU", "coupon": "secret"}).quarantined == 1
        assert identify(app, "r-1", country="RU").quarantined == 1
        assert track(app, "Order Completed", "c-1", {**ORDER, "country": "CN"}).accepted == 1
        assert track(app, "Order Completed", "r-2", ORDER).accepted == 1
        say(app, "r-2", Purpose.RECOMMEND, State.REFUSED, place="RU")
        assert track(app, "Order Completed", "r-2", {**ORDER, "order_id": "o-2"}).quarantined == 1
        assert track(app, "Order Completed", "d-1", {**ORDER, "order_id": "o-3"}).accepted == 1
        with app.store.snapshot() as snapshot:
            rows = newest_quarantined(snapshot)
            stored = snapshot.all("SELECT body FROM events")
        assert {row.parsed for row in rows} == {"{}"}
        assert all("keeps this person's data in its own region" in row.reason for row in rows)
        assert "secret" not in str(stored)
    finally:
        app.close()


@pytest.mark.parametrize(("region", "kept"), [("ru", 1), ("eu", 0), ("", 0)])
def test_the_store_at_home_takes_them(tmp_path: Path, region: str, kept: int) -> None:
    """What is refused elsewhere is taken in where the law wants it; a store nobody placed is not that place."""
    make_shop(tmp_path / "shop")
    settings = tmp_path / "shop" / "tillwise.toml"
    settings.write_text(settings.read_text().replace("[shop]", f'[shop]\nregion = "{region}"'))
    app = build_app(tmp_path / "shop")
    try:
        assert track(app, "Order Completed", "r-1", {**ORDER, "country": "RU"}).accepted == kept
    finally:
        app.close()


def test_every_place_somebody_may_be_in_has_to_be_satisfied(tmp_path: Path) -> None:
    """Conflict means strictest: of a decision's place and the person's own, each asks; none known, nothing goes."""
    folder = tmp_path / "shop"
    make_shop(folder, place="")
    write_vendors(folder, changed(RECORD, transfer=None))
    app = build_app(folder)
    try:
        fill(app, place="", people=("u-1",))
        who = key_of(app, "u-1")

        def causes(place: str) -> list[str]:
            with app.store.snapshot() as snapshot:
                found = app.outbound.gate.may_send(
                    snapshot, "mail-tool", Purpose.MARKETING, {BOUGHT}, [About(who, place=place)]
                )
            return list(found.withheld)

        assert causes("") == ["place_unknown"]
        assert causes("US") == []
        identify(app, "u-1", country="DE")
        assert causes("US") == ["transfer_missing"]
    finally:
        app.close()


def test_private_data_of_competitors_do_not_come_in(tmp_path: Path) -> None:
    """A file that is said to hold them is refused with the reason, before a row is read."""
    (tmp_path / "m.toml").write_text(
        '[[source]]\nfile = "prices.csv"\ncatalog = true\ncategory = "system.competitor_private"\n'
        '[source.columns]\nitem_id = "item"\nprice = "their_price"\n'
    )
    with pytest.raises(InvalidMapping, match="help to collude"):
        read_mapping(tmp_path / "m.toml")


ORDERS = "order,who,at,total,where\no-1,u-1,2026-01-01T10:00:00Z,3.50,RU\no-2,u-2,2026-01-01T11:00:00Z,4.50,DE\n"
MAPPING = """
[basis]
place = "{place}"
recommend = {{ basis = "notice", notice = "terms-1" }}

[[source]]
file = "orders.csv"
event = "Order Completed"
timezone = "UTC"
[source.columns]
order_id = "order"
subject = "who"
timestamp = "at"
country = "where"
total = {{ column = "total", unit = "major", currency = "EUR" }}
"""


@pytest.mark.parametrize(("place", "code", "accepted"), [("DE", 0, 1), ("RU", 1, 0)])
def test_an_import_keeps_them_out_too(tmp_path: Path, place: str, code: int, accepted: int) -> None:
    """A row that names such a place goes to quarantine; a mapping whose people are all there is refused as a whole."""
    make_shop(tmp_path / "shop")
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "m.toml").write_text(MAPPING.format(place=place))
    words = ["import", str(tmp_path / "m.toml"), "--shop", str(tmp_path / "shop")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == code, result.output
    assert "own region" in result.output
    app = build_app(tmp_path / "shop")
    try:
        with app.store.snapshot() as snapshot:
            assert snapshot.one("SELECT count(*) FROM events") == (accepted,)
            assert len(newest_quarantined(snapshot)) == accepted
    finally:
        app.close()
