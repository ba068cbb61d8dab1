"""IAB strings: the bits that are applied are read as the specifications lay them out; anything else is refused."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillwise.errors import InvalidInput
from tillwise.privacy.consent_record import read_record
from tillwise.privacy.iab import LONGEST, read_gpp, read_tcf
from tillwise.vocabulary.purpose import Purpose

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ONES = st.frozensets(st.integers(1, 24))
TWO = st.integers(0, 2)


def letters(bits: str) -> str:
    """Write bits six to a letter, as the specifications do: an encoder of its own, by hand."""
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[start : start + 6], 2)] for start in range(0, len(bits), 6))


def flags(numbers: frozenset[int]) -> str:
    return "".join("1" if n in numbers else "0" for n in range(1, 25))


def tcf(vendors: frozenset[int], publisher: frozenset[int] | None = None, deciseconds: int = 0) -> str:
    """Write a TCF v2 string: the core as far as it is read and a little more, a vendors segment, a publisher's."""
    core = f"{2:06b}{7:036b}{deciseconds:036b}" + "0" * 74 + flags(vendors) + "1" * 40
    parts = [letters(core), letters("001" + "10" * 9)]
    if publisher is not None:
        parts.append(letters("011" + flags(publisher) + "0" * 30))
    return ".".join(parts)


def fibonacci(number: int) -> str:
    """Write a number as a sum of Fibonacci numbers, smallest first, with a one at the end (Zeckendorf)."""
    numbers = [1, 2]
    while numbers[-1] <= number:
        numbers.append(numbers[-1] + numbers[-2])
    bits = []
    for each in reversed([n for n in numbers if n <= number]):
        bits.append("1" if each <= number else "0")
        number -= each if each <= number else 0
    return "".join(reversed(bits)) + "1"


def gpp(sections: dict[int, str]) -> str:
    """Write a GPP string with one entry per section id."""
    ids = sorted(sections)
    steps = [after - before for before, after in zip([0, *ids], ids, strict=False)]
    entries = "".join("0" + fibonacci(step) for step in steps)
    header = f"{3:06b}{1:06b}{len(ids):012b}{entries}"
    return "~".join([letters(header), *(sections[each] for each in ids)])


def national(sale: int, sharing: int, targeted: int, *, gpc: bool) -> str:
    bits = f"{1:06b}" + "01" * 6 + f"{sale:02b}{sharing:02b}{targeted:02b}" + "00" * 18
    return letters(bits) + "." + letters("01" + ("1" if gpc else "0"))


def california(sale: int, sharing: int) -> str:
    return letters(f"{1:06b}" + "01" * 3 + f"{sale:02b}{sharing:02b}" + "00" * 15)


@given(ONES, st.none() | ONES, st.integers(0, 2**36 - 1))
def test_tcf_purposes_come_back_as_they_were_written(
    vendors: frozenset[int], publisher: frozenset[int] | None, deciseconds: int
) -> None:
    """For every set of purposes, with and without a publisher segment."""
    said = read_tcf(tcf(vendors, publisher, deciseconds))
    assert (said.vendors, said.publisher, said.at) == (vendors, publisher, deciseconds * 100)


@given(TWO, TWO, TWO, st.booleans(), TWO, TWO, st.booleans())
def test_gpp_opt_outs_come_back_as_they_were_written(
    sale: int, sharing: int, targeted: int, gpc: bool, ca_sale: int, ca_sharing: int, other: bool
) -> None:
    """An opt-out in either section counts; a section that is not read changes nothing."""
    sections = {7: national(sale, sharing, targeted, gpc=gpc), 8: california(ca_sale, ca_sharing)}
    if other:
        sections |= {2: tcf(frozenset({1})), 10: "BQAA"}
    expected = {
        name
        for name, said in {
            "sale": 1 in (sale, ca_sale), "sharing": 1 in (sharing, ca_sharing), "targeted_advertising": targeted == 1,
            "gpc": gpc,
        }.items()
        if said
    }  # fmt: skip
    assert read_gpp(gpp(sections)) == expected


def test_headers_of_other_writers_are_read_too() -> None:
    """`DBABLA` names section 7, `DBABMA` section 2; a range of sections stands for all between."""
    assert read_gpp("DBABLA~" + national(1, 2, 2, gpc=False)) == {"sale"}
    assert read_gpp("DBABMA~" + tcf(frozenset())) == frozenset()
    header = letters(f"{3:06b}{1:06b}{1:012b}1" + fibonacci(7) + fibonacci(1))
    assert read_gpp("~".join([header, national(2, 2, 2, gpc=True), california(2, 1)])) == {"gpc", "sharing"}


@pytest.mark.parametrize("text", ["", "A", "!!!!", "CPXX", "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA", "é" * 9, "C" * 9_000])
def test_what_is_no_tcf_string_is_refused(text: str) -> None:
    """Empty, cut short, of version 1, too long, or no base64url: a clear message, never an error of ours."""
    with pytest.raises(InvalidInput, match=r"TCF|cut short|base64url"):
        read_tcf(text)


@given(st.text(ALPHABET + "~.=", max_size=60) | st.text(max_size=60))
def test_no_text_breaks_the_readers(text: str) -> None:
    """Whatever a browser sends is read or refused."""
    for read in (read_tcf, read_gpp):
        with suppress(InvalidInput):
            read(text)


def test_strings_are_bounded() -> None:
    """A header may not promise more sections than a string can hold."""
    with pytest.raises(InvalidInput, match="at most"):
        read_gpp("D" * (LONGEST + 1))
    endless = letters(f"{3:06b}{1:06b}{1:012b}1" + fibonacci(1) + fibonacci(40_000_000))
    with pytest.raises(InvalidInput, match="more sections"):
        read_gpp(endless + "~A")


def test_what_strings_mean_for_a_shop() -> None:
    """Profiles for content are recommendations, advertising profiles sharing; the publisher's own word goes first."""
    both = read_record("tcf", tcf(frozenset({3, 4, 5})), {})
    assert both.purposes == {Purpose.RECOMMEND: False, Purpose.SEARCH: False, Purpose.SHARE: True}
    own = read_record("tcf", tcf(frozenset({3}), frozenset({5, 6})), {})
    assert own.purposes == {Purpose.RECOMMEND: True, Purpose.SEARCH: True, Purpose.SHARE: False}
    assert read_record("gpp", gpp({7: national(2, 1, 2, gpc=False)}), {}).purposes == {Purpose.SHARE: False}
    assert read_record("gpp", gpp({7: national(2, 2, 2, gpc=False)}), {}).purposes == {}


def test_the_encoder_of_this_test_writes_base64url() -> None:
    """A check on the check: whole groups agree with Python's own encoder."""
    assert base64.urlsafe_b64encode(bytes([8, 255, 3])).decode() == letters(f"{8:08b}{255:08b}{3:08b}")
