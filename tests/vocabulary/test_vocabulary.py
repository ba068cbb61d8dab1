"""The nouns everyone uses keep their promises."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillwise.errors import InvalidInput, NotPermitted
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.canonical import canonical, digest_of
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.codes import code_of, keyed_code
from tillwise.vocabulary.identity import new_decision_id, new_pseudonym
from tillwise.vocabulary.money import MAX_MINOR, round_to_minor, to_minor
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose, mask


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    """The same value always has the same bytes, and so the same name."""
    backwards = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(backwards)
    assert digest_of(value) == digest_of(backwards)


@given(st.text(max_size=50))
def test_codes_fit_a_signed_64_bit_column(text: str) -> None:
    """A code is an int64, and a personal text has another code under another key or another kind."""
    assert -(2**63) <= code_of(text) < 2**63
    first = keyed_code(b"a" * 32, "device", text)
    assert first == keyed_code(b"a" * 32, "device", text)
    assert len({first, keyed_code(b"b" * 32, "device", text), keyed_code(b"a" * 32, "card", text)}) == 3


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.34", "EUR", 1234), (12, "JPY", 12), (0.1, "EUR", 10), ("1.234", "KWD", 1234), ("-3.50", "USD", -350)],
)
def test_major_units_become_minor_units_exactly(amount: str | int | float, currency: str, minor: int) -> None:
    """ISO 4217 says how many decimals a currency has."""
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("12.345", "EUR"), ("1.5", "JPY"), ("NaN", "EUR"), ("Infinity", "EUR"), ("1e30", "EUR"), ("x", "EUR"), (1, "eur")],
)
def test_money_that_cannot_be_exact_is_refused(amount: str, currency: str) -> None:
    """Nothing is rounded silently, nothing absurd is stored."""
    with pytest.raises(InvalidInput):
        to_minor(amount, currency)


def test_a_computed_product_is_rounded_half_even_once() -> None:
    """0.125 and 0.135 both go to the even cent."""
    assert [round_to_minor(Decimal(text), "EUR") for text in ("0.125", "0.135")] == [12, 14]
    with pytest.raises(InvalidInput):
        round_to_minor(Decimal(MAX_MINOR), "EUR")


def test_a_point_after_the_head_sees_its_row_and_a_point_before_a_row_does_not() -> None:
    """Ties are never left to chance: the mark stands between two rows."""
    after = Point.after(Head(seq=7, at=100, epoch=1), now=90)
    assert (after.at, after.mark) > (100, 2 * 7)
    before = Point.before(epoch=1, at=100, seq=7)
    assert not (before.at, before.mark) > (100, 2 * 7)
    assert (before.at, before.mark) > (100, 2 * 6)


def test_purposes_are_distinct_bits() -> None:
    """A mask holds exactly the purposes it was made of."""
    bits = [purpose.bit for purpose in Purpose]
    assert len(set(bits)) == len(bits)
    assert mask((Purpose.TRAIN, Purpose.TRAIN, Purpose.SEARCH)) == Purpose.TRAIN.bit | Purpose.SEARCH.bit


def test_decision_ids_are_version_7_and_sort_by_time() -> None:
    """RFC 9562: version nibble 7, variant 10."""
    ids = [new_decision_id() for _ in range(50)]
    assert all(text[14] == "7" and text[19] in "89ab" for text in ids)
    assert [text[:8] for text in ids] == sorted(text[:8] for text in ids)
    assert new_pseudonym() != new_pseudonym()


def test_the_log_clock_may_run_in_the_past() -> None:
    """A replayed data set starts its clock at its last event."""
    assert LogClock(offset=-1000, wall=lambda: 5000).now() == 4000


def test_only_the_gate_makes_a_permit() -> None:
    """Nobody can write themselves a permit."""
    with pytest.raises(NotPermitted, match="gate"):
        Permit(seal=object(), purpose=Purpose.SEARCH, place="DE", basis=None, point=Point(0, 0, 1), granted=True)
