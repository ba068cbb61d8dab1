"""What may leave the shop: a number about nobody or about enough people, and nothing else of this type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillwise.errors import InvalidInput
from tillwise.vocabulary.anonymous import SMALLEST_GROUP, Anonymous, Suppressed, as_number, published


@given(st.integers(0, 10**9), st.integers(1, SMALLEST_GROUP - 1))
def test_no_number_about_a_small_group_can_be_made(value: int, people: int) -> None:
    """The constructor refuses; `published` keeps it inside and does not tell how many there were."""
    with pytest.raises(InvalidInput, match="personal"):
        Anonymous(value, people)
    hidden = published(value, people)
    assert isinstance(hidden, Suppressed)
    assert as_number(hidden) is None
    assert str(hidden) == f"about fewer than {SMALLEST_GROUP} people"


@given(st.integers(0, 10**9), st.integers(SMALLEST_GROUP, 10**9))
def test_numbers_about_enough_people_pass_unchanged(value: int, people: int) -> None:
    """From the smallest group on the number is told as it is."""
    assert as_number(published(value, people)) == value


def test_nobody_is_a_number_too() -> None:
    """A zero about nobody tells of nobody."""
    assert str(published(0, 0)) == "0"


@pytest.mark.parametrize("smallest", [-1, 0, 1])
def test_a_group_of_one_is_never_enough(smallest: int) -> None:
    """Nobody can set the floor so low that a single person passes."""
    with pytest.raises(InvalidInput, match="at least 2"):
        Anonymous(5, 1, smallest)
