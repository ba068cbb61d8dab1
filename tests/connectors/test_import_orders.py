"""From rows to events: what belongs together, who it belongs to, what is flagged,
and that live tracking writes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from imported_shop import BASIS, CLOCK, MAPPING, NOW, ORDERS, SECRETS, ImportedShop, payments

from tillwise.events.catalog import find_items
from tillwise.events.event import Event
from tillwise.events.facts import Fact
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog
from tillwise.events.people import find_pseudonym, traits_of
from tillwise.events.types import purposes_of
from tillwise.vocabulary.purpose import Purpose, mask


def flags(shop: ImportedShop) -> dict[str, int]:
    return dict(shop.all("SELECT substr(name, 10), n FROM counters WHERE name LIKE 'flagged: %'"))


def test_rows_of_one_order_become_one_event_wherever_they_stand(shop: ImportedShop) -> None:
    """Rows need not be neighbours; the order's time is its last row's, its lines keep the file's order."""
    shop.write("orders.csv", ORDERS + "1001,2026-03-01 09:20,ann,pot-02,1,20.00\n")
    shop.load(MAPPING)
    assert shop.facts("line, amount") == [(0, 4100), (1, 900), (2, 1200), (3, 2000), (0, 450), (1, 450)]
    assert shop.items() == ["tea-01", "cup-07", "pot-02", "tea-01"]
    assert shop.all("SELECT ts FROM events ORDER BY seq LIMIT 1") == [(1_772_353_200_000,)]
    assert flags(shop) == {"rows_disagree": 1}


def test_an_order_of_two_people_is_nobodys(shop: ImportedShop) -> None:
    """Rows of one order that name different people are all set aside: whose it is cannot be known."""
    shop.write("orders.csv", ORDERS + "1001,2026-03-01 09:15,eve,pot-02,1,20.00\n")
    source = shop.load(MAPPING).sources[0]
    assert (source.accepted, source.quarantined) == (1, 3)
    assert [line for _, line, _, _ in shop.quarantined()] == [2, 3, 5]
    assert source.reasons == {"rows of one event name different people": 3}
    assert shop.people() == ["bob"]


def test_a_guest_buys_without_a_subject(shop: ImportedShop) -> None:
    """Guests feed what is known of items and of nobody."""
    shop.write("orders.csv", ORDERS.replace("ann", ""))
    shop.load(MAPPING)
    assert shop.people() == [None, "bob"]
    assert flags(shop) == {"nobody_named": 1}
    assert shop.one("SELECT count(*) FROM by_subject") == 2
    assert shop.one("SELECT count(*) FROM by_item") == 3
    assert shop.one("SELECT count(*) FROM subjects") == 1


def test_nothing_bought_and_nothing_paid_are_kept_and_flagged(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS + "1003,2026-03-03 10:00,cid,a,0,5\n1003,2026-03-03 10:00,cid,b,1,0\n")
    source = shop.load(MAPPING).sources[0]
    assert (source.accepted, source.flagged) == (3, 2)
    assert shop.all("SELECT line, quantity, amount, flag FROM facts WHERE seq = 3 ORDER BY line") == [
        (0, 1, 0, None), (1, 0, 0, 1), (2, 1, 0, 1),
    ]  # fmt: skip
    assert flags(shop) == {"zero_quantity": 1, "zero_value": 1}


def test_the_same_row_twice_in_one_order_is_two_lines_and_flagged(shop: ImportedShop) -> None:
    """A till that scans an item twice writes two equal rows; they are not a fault to repair."""
    shop.write("orders.csv", ORDERS + ORDERS.splitlines()[-1] + "\n")
    shop.load(MAPPING)
    assert shop.amounts() == [2100, 900]
    assert flags(shop) == {"identical_rows": 1}


def test_returns_are_turned_round(shop: ImportedShop) -> None:
    """One file, two sources: negative rows are refunds with positive amounts."""
    shop.write("orders.csv", ORDERS + "C1002,2026-03-09 10:00,bob,tea-01,-1,4.50\n")
    condition = 'where = [{ column = "order", op = "%s", value = "C" }]\n[source.columns]'
    sales = MAPPING.replace("[source.columns]", condition % "not_starts_with")
    refunds = (
        MAPPING.replace("[source.columns]", condition % "starts_with")
        .replace("Completed", "Refunded")
        .replace('"pieces"', '{ column = "pieces", negate = true }')
    )
    result = shop.load(sales + refunds)
    assert [(s.accepted, s.quarantined) for s in result.sources] == [(2, 0), (1, 0)]
    assert shop.all("SELECT type FROM events ORDER BY seq DESC LIMIT 1") == [("Order Refunded",)]
    assert shop.amounts() == [2100, 450, 450]


def test_the_catalogue_and_what_is_known_of_people(shop: ImportedShop) -> None:
    """Of several rows of one item or person the last one counts; both are visible with the import."""
    shop.write("items.csv", "sku,name,group,cost\ntea-01,Tea,tea,1\ntea-01,Darjeeling,tea,2.5\n,lost,tea,1\n")
    shop.write("people.csv", "id,since,land\nann,2020-01-01,de\nbob,,fr\n")
    shop.write("orders.csv", ORDERS)
    items = '[[source]]\nfile = "items.csv"\ncatalog = true\n[source.columns]\nitem_id = "sku"\ntitle = "name"\n'
    items += 'category = "group"\ncost = { column = "cost", unit = "major", currency = "EUR" }\n'
    people = '[[source]]\nfile = "people.csv"\nsubjects = true\ntimezone = "UTC"\n[source.columns]\n'
    people += 'subject = "id"\ncreated_at = "since"\ncountry = "land"\n'
    result = shop.load(items + people + MAPPING)
    assert [(s.accepted, s.quarantined) for s in result.sources] == [(1, 1), (2, 0), (2, 0)]
    with shop.store.snapshot() as snapshot:
        item = find_items(snapshot, ["tea-01"])["tea-01"]
        ann, bob = (find_pseudonym(snapshot, SECRETS, name) for name in ("ann", "bob"))
        assert ann is not None
        assert bob is not None
        assert (item.title, item.cost, item.currency) == ("Darjeeling", 250, None)
        assert traits_of(snapshot, SECRETS, ann) == {"created_at": 1_577_836_800_000, "country": "DE"}
        assert traits_of(snapshot, SECRETS, bob) == {"country": "FR"}


def test_without_a_basis_rows_are_for_operations_only(shop: ImportedShop) -> None:
    """Silence is no permission: nobody's rows may be read about them, and the import says so."""
    shop.write("orders.csv", ORDERS)
    result = shop.load(MAPPING)
    assert shop.all("SELECT DISTINCT purposes FROM facts") == [(mask((Purpose.OPERATIONS,)),)]
    assert shop.one("SELECT count(*) FROM consents") == 0
    assert "declares no [basis]" in result.notes[0]


def test_a_basis_permits_what_it_names_and_is_written_down_per_person(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS.replace("bob", ""))
    result = shop.load(BASIS + MAPPING)
    named = mask((Purpose.OPERATIONS, Purpose.RECOMMEND, Purpose.TRAIN))
    assert shop.all("SELECT DISTINCT purposes FROM facts") == [(named,)]
    assert shop.all("SELECT purpose, state, basis, place, notice, evidence, source FROM consents ORDER BY purpose") == [
        ("recommend", "declared", "consent", "DE", "n-1", "sign-up", "shop.toml"),
        ("train", "declared", "notice", "DE", "n-1", "", "shop.toml"),
    ]
    assert "not witnessed" in result.notes[0]


def test_a_basis_permits_no_more_than_the_event_does(shop: ImportedShop) -> None:
    """Payments are for fraud prevention, whatever a mapping declares."""
    shop.write("pay.csv", "when,who,card\n2026-03-01 10:00,ann,c-1\n")
    shop.load(BASIS + payments('card_hash = "card"'))
    allowed = purposes_of("Payment Attempted") & mask((Purpose.OPERATIONS, Purpose.RECOMMEND, Purpose.TRAIN))
    assert shop.all("SELECT DISTINCT purposes FROM facts") == [(allowed,)]


def test_simulated_rows_say_so(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS)
    shop.load("simulated = true\n" + MAPPING)
    assert shop.all("SELECT DISTINCT simulated FROM facts") == [(1,)]
    assert shop.all("SELECT DISTINCT simulated FROM events") == [(1,)]


def test_amounts_in_another_currency_count_in_no_sum(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS)
    shop.load(MAPPING.replace("EUR", "USD"), currency="EUR")
    assert shop.facts("amount, quantity") == [(None, 3), (None, 2), (None, 1), (None, 1), (None, 1)]
    assert flags(shop) == {"foreign_currency": 2}


ORDER_ROWS = """id,at,who,anon,sku,n,total,off,cat,bill,ship,pay,store,dev,mail,tax
o-1,2026-03-01T09:15:00Z,ann,,tea-01,2,9.00,1.00,tea,de,DE,card,web,dev-1,Ann@Example.com,1.50
o-1,2026-03-01T09:15:00Z,ann,,cup-07,1,12.00,,china,de,DE,card,web,dev-1,Ann@Example.com,1.50
o-2,2026-03-02T18:40:00Z,,a-9,tea-01,0,0.00,,tea,de,pl,invoice,web,,,
"""
ORDER_MAPPING = """
[[source]]
file = "orders.csv"
event = "Order Completed"
one_event_per = ["order_id"]
[source.columns]
subject = "who"
anonymous_id = "anon"
order_id = "id"
timestamp = "at"
billing_country = "bill"
shipping_country = "ship"
payment_method = "pay"
affiliation = "store"
device_id = "dev"
email = "mail"
tax = { column = "tax", unit = "major", currency = "EUR" }
currency = { const = "EUR" }
"products.item_id" = "sku"
"products.quantity" = "n"
"products.category" = "cat"
"products.line_total" = { column = "total", unit = "major", currency = "EUR" }
"products.discount" = { column = "off", unit = "major", currency = "EUR" }
"""


def tracked(order: str, when: str, products: list[dict[str, Any]], who: dict[str, str], **rest: Any) -> Event:
    """Return the event a server would track live."""
    message = {"type": "track", "event": "Order Completed", "timestamp": when, **who,
               "properties": {"order_id": order, "currency": "EUR", "products": products, **rest}}  # fmt: skip
    event = read_message(message, received=NOW)
    assert isinstance(event, Event), event
    return event


def test_an_imported_order_is_what_live_tracking_would_have_written(shop: ImportedShop, tmp_path: Path) -> None:
    """Same facts, same body, same person and keys; only position and permission belong to the import."""
    shop.write("orders.csv", ORDER_ROWS)
    shop.load(ORDER_MAPPING)
    tea = {"product_id": "tea-01", "quantity": 2, "category": "tea", "line_total": "9.00", "discount": "1.00"}
    cup = {"product_id": "cup-07", "quantity": 1, "category": "china", "line_total": "12.00"}
    none = {"product_id": "tea-01", "quantity": 0, "category": "tea", "line_total": "0"}
    shared = {"billing_country": "de", "affiliation": "web"}
    first = tracked("o-1", "2026-03-01T09:15:00Z", [tea, cup], {"userId": "ann"}, shipping_country="DE", tax="1.50",
                    payment_method="card", device_id="dev-1", email="Ann@Example.com", **shared)  # fmt: skip
    second = tracked("o-2", "2026-03-02T18:40:00Z", [none], {"anonymousId": "a-9"}, shipping_country="pl",
                     payment_method="invoice", **shared)  # fmt: skip
    EventLog(shop.store, SECRETS, CLOCK).append([first, second]).result()
    columns = ", ".join(name for name in Fact._fields if name not in ("epoch", "at", "seq", "purposes"))
    imported = shop.all(f"SELECT {columns} FROM facts WHERE seq <= 2 ORDER BY seq, line")
    live = shop.all(f"SELECT {columns} FROM facts WHERE seq > 2 ORDER BY seq, line")
    assert len(live) == 5
    assert imported == live
    events = shop.all("SELECT ts, type, subject, anonymous, order_ref, simulated FROM events ORDER BY seq")
    assert events[:2] == events[2:]
    bodies = [msgspec.json.decode(body) for (body,) in shop.all("SELECT body FROM events ORDER BY seq")]
    assert bodies[:2] == bodies[2:]
    for copy in ("subject", "device", "email"):
        assert shop.one(f"SELECT count(*) FROM by_{copy} WHERE seq <= 2") == shop.one(
            f"SELECT count(*) FROM by_{copy} WHERE seq > 2"
        )


@pytest.mark.parametrize(
    ("column", "value"),
    [("card_hash", "c-1"), ("ip", "192.0.2.009"), ("ip", "::ffff:192.0.2.9"), ("email", " A@B.de ")],
)
def test_person_like_keys_meet_their_live_twins(shop: ImportedShop, column: str, value: str) -> None:
    """A card, address or mail from a file is the same key as the one a request names; what is none is refused."""
    shop.write("pay.csv", f"when,who,key\n2026-03-01 10:00,ann,{value}\n2026-03-01 10:01,bob,c-2\n2026-03-02,cid,c-3\n")
    key = column.removesuffix("_hash")
    if column == "ip":
        shop.write("pay.csv", f"when,who,key\n2026-03-01 10:00,ann,{value}\n2026-03-01 10:00,bob,192.0.2.9\n")
    shop.load(payments(f'{column} = "key"'))
    given = {"order_id": "o-1", column: value}
    message = {"type": "track", "event": "Payment Attempted", "userId": "ann", "properties": given}
    live = read_message(message, received=NOW)
    if not isinstance(live, Event):
        assert [line for _, line, _, _ in shop.quarantined()] == [2]
        return
    EventLog(shop.store, SECRETS, CLOCK).append([live]).result()
    codes = shop.all(f"SELECT {key} FROM facts ORDER BY seq")
    assert codes[0] == codes[-1]
