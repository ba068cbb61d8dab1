"""A stranger's mapping: every mistake is answered with file, place and what to write instead."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from imported_shop import MAPPING, ORDERS, ImportedShop, payments

from tillwise.errors import InvalidMapping

S = "shop.toml, [[source]] 1 (orders.csv)"
MISTAKES = [
    re.split(r"\n?(?:-->|==>)\n", block.strip())
    for block in (Path(__file__).parent / "mistakes.txt").read_text("utf-8").split("\n\n\n")
]
"""What stands in the right mapping, what a stranger wrote in its place, and the answer (… = and so on)."""


@pytest.mark.parametrize(("right", "wrong", "message"), MISTAKES)
def test_a_mistake_is_answered_with_what_to_write_instead(
    shop: ImportedShop, right: str, wrong: str, message: str
) -> None:
    """The words are held here letter by letter: they are all a stranger has."""
    shop.write("orders.csv", ORDERS)
    assert right in MAPPING
    with pytest.raises(InvalidMapping) as caught:
        shop.load(MAPPING.replace(right, wrong, 1))
    said = str(caught.value).replace(str(shop.folder), "FOLDER")
    assert said == message or (message.endswith("…") and said.startswith(message[:-1]))
    assert shop.one("SELECT count(*) FROM events") == 0
    assert shop.one("SELECT count(*) FROM imports") == 0


def test_the_right_mapping_then_goes_in(shop: ImportedShop) -> None:
    """A refused mapping leaves nothing in the way of its corrected form."""
    shop.write("orders.csv", ORDERS)
    with pytest.raises(InvalidMapping):
        shop.load(MAPPING.replace("pieces", "peices"))
    assert shop.load(MAPPING).sources[0].accepted == 2


def test_mixed_time_zones_name_one_line_of_each(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS.replace("2026-03-02 18:40", "2026-03-02 18:40+01:00"))
    with pytest.raises(InvalidMapping, match="mixes time zones: line 4 states its offset, line 2 does not"):
        shop.load(MAPPING)


def test_numbers_that_are_no_times_ask_for_a_format(shop: ImportedShop) -> None:
    """Unix times are never guessed from their size."""
    shop.write("orders.csv", ORDERS.replace("2026-03-01 09:15", "1772356500").replace("2026-03-02 18:40", "1772476800"))
    with pytest.raises(InvalidMapping, match="write timestamp_format"):
        shop.load(MAPPING)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; it needs a first line with column names"),
        (ORDERS.encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
        (b"order,caf\xe9\n1,2\n", "the first line is not UTF-8; save the file as UTF-8"),
        (ORDERS.replace("pieces", "sku", 1).encode(), "two columns are called 'sku'; rename one in the file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(shop: ImportedShop, content: bytes, message: str) -> None:
    shop.write("orders.csv", content)
    with pytest.raises(InvalidMapping) as caught:
        shop.load(MAPPING)
    assert str(caught.value) == f"{S}: {message}"


@pytest.mark.parametrize("name", ["orders.parquet", "orders.csv.gz", "orders.jsonl"])
def test_a_file_of_another_format_than_its_name_is_refused(shop: ImportedShop, name: str) -> None:
    shop.write(name, ORDERS)
    with pytest.raises(
        InvalidMapping, match=r"\(orders\.[a-z.]+\): (the file is not (Parquet|gzip), or|no line is a JSON object)"
    ):
        shop.load(MAPPING.replace("orders.csv", name))


@pytest.mark.parametrize("trait", ["gender", "religion", "health_status", "Ethnicity", "sexual_orientation"])
def test_special_categories_are_never_imported(shop: ImportedShop, trait: str) -> None:
    """What no decision may rest on does not come in by a column either (GDPR Art. 9)."""
    shop.write("people.csv", f"id,{trait}\nann,x\n")
    mapping = (
        f'[[source]]\nfile = "people.csv"\nsubjects = true\n[source.columns]\nsubject = "id"\n{trait} = "{trait}"\n'
    )
    with pytest.raises(InvalidMapping, match="special category of personal data and is never imported; take it out"):
        shop.load(mapping)


def test_an_undeclared_trait_is_not_kept(shop: ImportedShop) -> None:
    shop.write("people.csv", "id,shoe_size\nann,38\n")
    mapping = '[[source]]\nfile = "people.csv"\nsubjects = true\n[source.columns]\nsubject = "id"\nshoe = "shoe_size"\n'
    with pytest.raises(InvalidMapping, match="Nothing else about a person is kept"):
        shop.load(mapping)


PAID = [f"2026-03-01 10:0{n},u{n},{n}.00" for n in range(5)]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ["2026-03-01 10:00,jos\xe9,1"],
            r"1 of 1 lines cannot be used, first line 2: it is not UTF-8; save the file as",
        ),
        ([line.replace(".", ",") for line in PAID], r"5 of 5 lines .* line 2: it has more values .* in quotes"),
        ([*PAID[:2], *(line.rpartition(",")[0] for line in PAID)], "5 of 7 lines .* line 4: it has fewer values"),
        (['2026-03-01 10:00,"ann,1'], "1 of 1 lines .* quotation mark out of place"),
        ([PAID[0] + "\r", *PAID[1:]], "two kinds of line ends"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_refused_and_can_be_mended(
    shop: ImportedShop, lines: list[str], says: str
) -> None:
    """A handful of broken lines is set aside; when most are, nothing of the file goes in and its words say what to do.

    The words are ours: a reader's own, such as `Expected Number of Columns`, tell a shop nothing.
    """
    shop.write("pay.csv", ("when,who,amount\n" + "\n".join(lines) + "\n").encode("latin-1"))
    mapping = payments('amount = { column = "amount", unit = "major", currency = "EUR" }')
    with pytest.raises(InvalidMapping, match=says) as caught:
        shop.load(mapping)
    assert "pay.csv" in str(caught.value)
    shop.write("pay.csv", "when,who,amount\n" + "\n".join(PAID) + "\n")
    assert shop.load(mapping).sources[0].accepted == 5


def test_a_damaged_file_says_so_in_our_words(shop: ImportedShop) -> None:
    packed = gzip.compress(ORDERS.encode() * 200)
    shop.write("orders.csv.gz", packed[:-40])
    with pytest.raises(InvalidMapping, match="is not gzip, or is cut off: pack it again"):
        shop.load(MAPPING.replace("orders.csv", "orders.csv.gz"))
    shop.write("orders.jsonl", b'{"order": "caf\xe9"}\n')
    with pytest.raises(InvalidMapping, match="not text in UTF-8, one JSON object per line"):
        shop.load(MAPPING.replace("orders.csv", "orders.jsonl"))


def test_a_payment_of_nothing_is_refused(shop: ImportedShop) -> None:
    shop.write("pay.csv", "when,who\n2026-03-01 10:00,ann\n")
    mapping = payments("").replace('order_id = { const = "o-1" }', "")
    with pytest.raises(InvalidMapping, match="nothing feeds order_id or card_hash or amount; add it"):
        shop.load(mapping)
