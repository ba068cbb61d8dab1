"""Files as shops have them: every format, odd delimiters and quotes, broken lines, and values that need a turn."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imported_shop import MAPPING, ORDERS, ImportedShop, payments

from tillwise.errors import InvalidMapping
from tillwise.vocabulary.money import round_to_minor

PAY = 'amount = { column = "amount", unit = "major", currency = "EUR" }'


def as_parquet(shop: ImportedShop, types: str = "") -> str:
    shop.write("plain.csv", ORDERS)
    columns = '* REPLACE (price::DECIMAL(10, 2) AS price, pieces::INTEGER AS pieces, "when"::TIMESTAMP AS "when")'
    duckdb.sql(
        f"COPY (SELECT {columns} FROM read_csv('{shop.folder}/plain.csv', all_varchar = true))"
        f" TO '{shop.folder}/orders.parquet'"
    )
    return "orders.parquet"


def as_json(shop: ImportedShop) -> str:
    header, *rows = [line.split(",") for line in ORDERS.splitlines()]
    lines = ["{" + ", ".join(f'"{k}": "{v}"' for k, v in zip(header, row, strict=True)) + "}" for row in rows]
    shop.write("orders.jsonl", "\n".join(lines) + "\n")
    return "orders.jsonl"


def as_text(name: str, change: Callable[[str], bytes]) -> Callable[[ImportedShop], str]:
    def write(shop: ImportedShop) -> str:
        shop.write(name, change(ORDERS))
        return name

    return write


FORMATS = {
    "comma": as_text("orders.csv", str.encode),
    "semicolon": as_text("orders.csv", lambda text: text.replace(",", ";").encode()),
    "tab": as_text("orders.csv", lambda text: text.replace(",", "\t").encode()),
    "byte order mark": as_text("orders.csv", lambda text: text.encode("utf-8-sig")),
    "carriage returns": as_text("orders.csv", lambda text: text.replace("\n", "\r\n").encode()),
    "no last newline": as_text("orders.csv", lambda text: text.strip().encode()),
    "all quoted": as_text(
        "orders.csv",
        lambda text: "".join('"' + line.replace(",", '","') + '"\n' for line in text.splitlines()).encode(),
    ),
    "gzip": as_text("orders.csv.gz", lambda text: gzip.compress(text.encode())),
    "parquet": as_parquet,
    "json lines": as_json,
}


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_orders_in_any_format_are_the_same_rows(shop: ImportedShop, form: str) -> None:
    """Two orders, three lines: 2 × 4.50 and 12.00 for ann, 4.50 for bob."""
    name = FORMATS[form](shop)
    result = shop.load(MAPPING.replace("orders.csv", name))
    assert [(s.accepted, s.duplicate, s.quarantined) for s in result.sources] == [(2, 0, 0)]
    assert shop.facts("line, amount, quantity") == [(0, 2100, 3), (1, 900, 2), (2, 1200, 1), (0, 450, 1), (1, 450, 1)]
    assert shop.people() == ["ann", "bob"]
    assert shop.items() == ["tea-01", "cup-07", "tea-01"]
    assert shop.all("SELECT at FROM events ORDER BY seq") == [(1_772_352_900_000,), (1_772_473_200_000,)]


def test_quotes_and_line_breaks_inside_a_value(shop: ImportedShop) -> None:
    """A value may hold the delimiter, quotes and line breaks; later lines keep their true number."""
    shop.write("p.csv", 'id,name\nt1,"tea, ""first"" flush\nspring"\n,lost\nt2,cup\n')
    mapping = '[[source]]\nfile = "p.csv"\ncatalog = true\n[source.columns]\nitem_id = "id"\ntitle = "name"\n'
    shop.load(mapping)
    assert shop.all("SELECT title FROM items ORDER BY item_id") == [('tea, "first" flush\nspring',), ("cup",)]
    assert shop.quarantined() == [("p.csv", 4, "id", "is missing")]


def test_broken_lines_are_set_aside_with_their_number_and_the_rest_goes_in(shop: ImportedShop) -> None:
    """Every line is accepted or counted with a reason: none is lost in silence."""
    lines = [f"2026-03-01 10:{n:02},u{n},{n}.00" for n in range(1, 10)]
    lines[2:2] = ["2026-03-01 10:00,too,many,columns,here"]
    lines[5:5] = ["2026-03-01 10:00"]
    shop.write("pay.csv", "when,who,amount\n" + "\n".join(lines) + "\n")
    source = shop.load(payments(PAY)).sources[0]
    assert (source.accepted, source.quarantined) == (9, 2)
    assert [(file, line) for file, line, _, _ in shop.quarantined()] == [("pay.csv", 4), ("pay.csv", 7)]
    assert sum(source.reasons.values()) == 2


@pytest.mark.parametrize("name", ["pay.csv", "pay.csv.gz"])
def test_a_line_that_is_not_utf8_is_set_aside(shop: ImportedShop, name: str) -> None:
    """One name typed in another encoding does not stop a file, and is not guessed."""
    body = b"when,who,amount\n2026-03-01 10:00,ann,1\n2026-03-01 10:01,jos\xe9,2\n2026-03-01 10:02,bob,3\n"
    shop.write(name, gzip.compress(body) if name.endswith("gz") else body)
    source = shop.load(payments(PAY, file=name)).sources[0]
    assert (source.accepted, source.quarantined) == (2, 1)
    assert [line for _, line, _, _ in shop.quarantined()] == [3]
    assert shop.people() == ["ann", "bob"]


def test_broken_json_lines_too(shop: ImportedShop) -> None:
    good = [f'{{"when": "2026-03-01T10:0{n}:00", "who": "u{n}", "pay": {{"amount": {n}.5}}}}' for n in range(4)]
    shop.write("pay.jsonl", "\n".join([good[0], '{"when": ', good[1], "[1]", "", *good[2:]]) + "\n")
    columns = 'amount = { column = "pay.amount", unit = "major", currency = "EUR" }'
    source = shop.load(payments(columns, file="pay.jsonl")).sources[0]
    assert (source.accepted, source.quarantined) == (4, 2)
    assert shop.quarantined() == [
        ("pay.jsonl", 2, "", "is not a JSON object"),
        ("pay.jsonl", 4, "", "is not a JSON object"),
    ]
    assert shop.amounts() == [50, 150, 250, 350]


def test_a_bad_value_is_quarantined_and_its_text_is_not_kept(shop: ImportedShop) -> None:
    """Reason, file, line and column stay; what the row said, a person's or not, does not."""
    rows = [f"2026-03-01 10:00,u{n},{n}.00,ok@example.com" for n in range(6)]
    rows += ["secret-time,u,1.00,e@example.com", "2026-03-01 10:00,u,secret-amount,e@example.com"]
    rows += ["2026-03-01 10:00,secret-\x01person,1.00,e@example.com", "2026-03-01 10:00,u,1.005,secret@example.com"]
    shop.write("pay.csv", "when,who,amount,mail\n" + "\n".join(rows) + "\n")
    shop.load(payments(PAY + '\nemail = "mail"'))
    assert shop.quarantined() == [
        ("pay.csv", 8, "when", "is no time such as 2026-11-21T09:30Z"),
        ("pay.csv", 9, "amount", "is not a number"),
        ("pay.csv", 10, "who", "an id must not hold control characters"),
        ("pay.csv", 11, "amount", "has more decimals than EUR allows"),
    ]
    assert shop.all("SELECT DISTINCT parsed, mark FROM quarantine") == [("{}", None)]
    shop.store.close()
    for file in shop.folder.glob("log.db*"):
        content = file.read_bytes()
        assert b"secret" not in content
        assert b"example.com" not in content


def test_no_number_is_no_amount(shop: ImportedShop) -> None:
    """`NaN` says that a calculation went wrong: set aside like any other word; an empty amount is kept and flagged."""
    rows = ["1.00", "NaN", "nan", "inf", "-nan", "", "2.00", "3", "4", "5", "6"]
    shop.write("pay.csv", "when,who,order,amount\n" + "".join(f"2026-03-01 10:00,u{i},o{i},{row}\n"
                                                               for i, row in enumerate(rows)))  # fmt: skip
    source = shop.load(payments(PAY + '\norder_id = "order"')).sources[0]
    assert (source.accepted, source.flagged, source.reasons) == (7, 1, {"amount: is not a number": 4})
    assert [each.line for each in source.lines] == [3, 4, 5, 6]
    assert shop.all("SELECT name, n FROM counters WHERE name LIKE 'flagged%'") == [("flagged: no_amount", 1)]


def test_a_payment_of_nothing_is_set_aside(shop: ImportedShop) -> None:
    """The same as over HTTP: without an order, a card or an amount there is nothing it was about."""
    shop.write("pay.csv", "when,who,order,amount\n2026-03-01 10:00,ann,o-1,\n2026-03-01 10:00,bob,,\n")
    shop.load(payments(PAY + '\norder_id = "order"'))
    assert shop.quarantined() == [("pay.csv", 3, "order", "at least one of order_id, card_hash, amount is needed")]


def test_a_unit_price_finer_than_the_currency_is_rounded_once_and_flagged(shop: ImportedShop) -> None:
    """4.50 for one does not exist in yen: quantity × price is rounded per line, and counted where that mattered."""
    shop.write("orders.csv", ORDERS)
    source = shop.load(MAPPING.replace("EUR", "JPY")).sources[0]
    assert shop.facts("line, amount") == [(0, 21), (1, 9), (2, 12), (0, 4), (1, 4)]
    assert shop.all("SELECT name, n FROM counters WHERE name LIKE 'flagged%'") == [("flagged: rounded_price", 1)]
    assert source.flagged == 1


def test_a_line_with_more_values_than_columns_is_not_cut_short(shop: ImportedShop) -> None:
    """19,90 without quotes is two values: taking the 19 would be wrong money."""
    lines = [f"2026-03-01 10:0{n},u{n},{n}.00" for n in range(4)]
    shop.write("pay.csv", "when,who,amount\n" + "\n".join([*lines, "2026-03-01 10:05,ann,19,90"]) + "\n")
    source = shop.load(payments(PAY)).sources[0]
    assert (source.accepted, source.quarantined) == (4, 1)
    assert shop.quarantined()[0][:2] == ("pay.csv", 6)
    assert "put values such as 19,90 in quotes" in shop.quarantined()[0][3]


WHERE = {
    '{ column = "k", op = "=", value = "C1" }': "C1",
    '{ column = "k", op = "!=", value = "C1" }': "C2 7 10 -",
    '{ column = "k", op = "in", value = ["C1", "7"] }': "C1 7",
    '{ column = "k", op = "<", value = 10 }': "7",
    '{ column = "k", op = ">", value = 7 }': "10",
    '{ column = "k", op = "=", value = 7.0 }': "7",
    '{ column = "k", op = "starts_with", value = "C" }': "C1 C2",
    '{ column = "k", op = "not_starts_with", value = "C" }': "7 10 -",
    '{ column = "k", op = "is_null" }': "-",
    '{ column = "k", op = "not_null" }': "C1 C2 7 10",
    '{ column = "k", op = "starts_with", value = "C" }, { column = "who", op = "!=", value = "C1" }': "C2",
}


@pytest.mark.parametrize("condition", WHERE)
def test_conditions_choose_rows(shop: ImportedShop, condition: str) -> None:
    """A missing value satisfies `!=` and `not_starts_with`, and no other comparison."""
    rows = ["C1", "C2", "7", "10", ""]
    shop.write("pay.csv", "when,who,amount,k\n" + "".join(f"2026-03-01 10:00,{k or '-'},1,{k}\n" for k in rows))
    shop.load(payments(PAY, source=f"where = [{condition}]"))
    assert shop.people() == WHERE[condition].split()


@pytest.mark.parametrize(
    ("columns", "amounts"),
    [
        ('amount = { column = "amount", unit = "major", currency = "EUR" }', [1990, 500]),
        ('amount = { column = "amount", unit = "major", currency = "BHD" }', [19900, 5000]),
        ('amount = { column = "cents", unit = "minor", currency = "EUR" }', [1990, 500]),
        ('amount = { const = 7, unit = "major", currency = "EUR" }', [700, 700]),
        ('amount = { column = "back", unit = "major", currency = "EUR", negate = true }', [1990, 500]),
        ('amount = { column = "word", unit = "minor", currency = "EUR", value_map = { "big" = 9, "*" = 1 } }', [9, 1]),
        ('currency = { const = "JPY" }\namount = { column = "cents", unit = "major" }', [1990, 500]),
    ],
)
def test_amounts_in_any_writing(shop: ImportedShop, columns: str, amounts: list[int]) -> None:
    shop.write("pay.csv", "when,who,amount,cents,back,word\n2026-03-01 10:00,a,19.90,1990,-19.9,big\n"
               "2026-03-01 11:00,b,5,500,-5,small\n")  # fmt: skip
    shop.load(payments(columns))
    assert shop.amounts() == amounts


def test_a_value_map_translates_and_leaves_the_rest_empty(shop: ImportedShop) -> None:
    shop.write("pay.csv", "when,who,land\n2026-03-01 10:00,a,Germany\n2026-03-01 11:00,b,fr\n2026-03-01 12:00,c,?\n")
    shop.load(payments('place = { column = "land", value_map = { "Germany" = "DE", "fr" = "FR", "*" = "" } }'))
    found = shop.all("SELECT c.text FROM facts f LEFT JOIN codes c ON c.code = f.place ORDER BY f.seq")
    assert found == [("DE",), ("FR",), (None,)]


@pytest.mark.parametrize("unit", ["minor"])
def test_decimals_in_minor_units_are_a_wrong_mapping(shop: ImportedShop, unit: str) -> None:
    shop.write("pay.csv", "when,who,amount\n2026-03-01 10:00,a,19.90\n2026-03-01 11:00,b,5.50\n")
    with pytest.raises(InvalidMapping, match='write unit = "major" if the column holds amounts such as'):
        shop.load(payments(f'amount = {{ column = "amount", unit = "{unit}", currency = "EUR" }}'))


def test_binary_fractions_are_read_as_what_was_meant(shop: ImportedShop) -> None:
    """0.1 + 0.2 is 30 cents, and 17850.0 is the customer 17850."""
    duckdb.sql(
        "COPY (SELECT TIMESTAMP '2026-03-01 10:00' AS \"when\", 17850.0::DOUBLE AS who, 0.1::DOUBLE + 0.2::DOUBLE AS"
        f" amount) TO '{shop.folder}/pay.parquet'"
    )
    shop.load(payments(PAY, file="pay.parquet"))
    assert shop.amounts() == [30]
    assert shop.people() == ["17850"]


price = st.decimals(min_value=0, max_value=10**6, places=5)
rows = st.lists(st.tuples(price, st.integers(0, 10_000)), min_size=1, max_size=30)


@settings(max_examples=8, deadline=None)
@given(rows, st.sampled_from(["EUR", "JPY", "BHD"]))
def test_quantity_times_price_is_exact_and_rounded_once_half_to_even(
    lines: list[tuple[Decimal, int]], currency: str
) -> None:
    """The same cents as decimal arithmetic gives, ties included, whatever the file holds."""
    lines = [*lines, (Decimal("0.125"), 1), (Decimal("0.135"), 1), (Decimal("0.5"), 3), (Decimal("0.00125"), 10)]
    with TemporaryDirectory() as folder:
        shop = ImportedShop(Path(folder))
        body = "".join(f"{n},2026-03-01 10:00,a,s,{q},{p}\n" for n, (p, q) in enumerate(lines))
        shop.write("orders.csv", "order,when,customer,sku,pieces,price\n" + body)
        shop.load(MAPPING.replace('"EUR"', f'"{currency}"'))
        found = [amount for (amount,) in shop.all("SELECT amount FROM facts WHERE line = 1 ORDER BY seq")]
        shop.store.close()
    assert found == [round_to_minor(p * q, currency) for p, q in lines]
