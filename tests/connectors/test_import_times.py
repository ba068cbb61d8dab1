"""Times: zones, clock changes, delays and formats all end in UTC milliseconds, and nothing doubtful goes unsaid."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imported_shop import NOW, ImportedShop, payments

from tillwise.connectors.zones import BUCKET, offsets
from tillwise.errors import InvalidMapping

HOUR = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def load(shop: ImportedShop, *times: str, source: str = 'timezone = "UTC"', columns: str = "") -> list[int]:
    shop.write("pay.csv", "when,who\n" + "".join(f"{time},u{n}\n" for n, time in enumerate(times)))
    mapping = payments(columns).replace('timezone = "UTC"', source)
    if columns:
        mapping = mapping.replace('timestamp = "when"\n', "")
    shop.load(mapping)
    return [at for (at,) in shop.all("SELECT at FROM events ORDER BY seq")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00"),
        ("2026-03-01 10:00:00.250+05:30", "2026-03-01T04:30:00.250"),
        ("2026-03-01T10:00-05:00", "2026-03-01T15:00"),
    ],
)
def test_a_stated_offset_is_kept_whatever_the_zone(shop: ImportedShop, written: str, meant: str) -> None:
    assert load(shop, written, source='timezone = "Asia/Tokyo"') == [ms(meant)]


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2026-01-15 12:00", "2026-01-15T11:00"),
        ("Europe/Berlin", "2026-07-15 12:00", "2026-07-15T10:00"),
        ("America/New_York", "2026-07-15 12:00", "2026-07-15T16:00"),
        ("Asia/Kathmandu", "2026-07-15 12:00", "2026-07-15T06:15"),
        ("Australia/Lord_Howe", "2026-01-15 12:00", "2026-01-15T01:00"),
    ],
)
def test_local_times_follow_their_zone(shop: ImportedShop, zone: str, local: str, utc: str) -> None:
    assert load(shop, local, source=f'timezone = "{zone}"') == [ms(utc)]


def test_clock_changes_are_read_one_way_and_flagged(shop: ImportedShop) -> None:
    """02:30 never happened on 29 March 2026 in Berlin, and happened twice on 25 October 2025: the first one counts."""
    at = load(shop, "2025-10-25 12:00", "2025-10-26 02:30", "2026-03-29 02:30", source='timezone = "Europe/Berlin"')
    assert at == [ms("2025-10-25T10:00"), ms("2025-10-26T00:30"), ms("2026-03-29T01:30")]
    assert shop.all("SELECT name, n FROM counters WHERE name LIKE 'flagged%'") == [("flagged: doubtful_local_time", 2)]


@given(st.integers(ms("2000-01-01"), ms("2026-01-01")), st.sampled_from(["Europe/London", "Australia/Lord_Howe"]))
def test_within_a_quarter_hour_all_local_times_have_one_offset(local: int, zone: str) -> None:
    """The law the zone tables rest on; each side of every change is tried by hypothesis' own search."""
    bucket = local // BUCKET
    (known,) = offsets(zone, [bucket])
    utc = local - known.milliseconds
    assert offsets("UTC", [bucket])[0].milliseconds == 0
    assert abs(utc - local) <= 12 * HOUR


@pytest.mark.parametrize(
    ("form", "written", "meant"),
    [
        ("%d/%m/%Y %H:%M", "02/03/2026 08:05", "2026-03-02T08:05"),
        ("%m/%d/%Y", "02/03/2026", "2026-02-03T00:00"),
        ("%d/%m/%Y %H:%M %z", "02/03/2026 08:05 +0200", "2026-03-02T06:05"),
        ("epoch_s", "1772352900", "2026-03-01T08:15"),
        ("epoch_s", "1772352900.5", "2026-03-01T08:15:00.500"),
        ("epoch_ms", "1772352900123", "2026-03-01T08:15:00.123"),
    ],
)
def test_a_declared_format_reads_times_otherwise_unreadable(
    shop: ImportedShop, form: str, written: str, meant: str
) -> None:
    column = f'timestamp = {{ column = "when", timestamp_format = "{form}" }}'
    assert load(shop, written, columns=column) == [ms(meant)]


def test_a_delay_moves_when_the_shop_could_know_not_when_it_happened(shop: ImportedShop) -> None:
    load(shop, "2026-03-01 10:00", source='timezone = "UTC"\ndelay = "7d"')
    assert shop.all("SELECT ts, at FROM events") == [(ms("2026-03-01T10:00"), ms("2026-03-08T10:00"))]


def test_events_are_numbered_by_time_then_by_their_place_in_the_file(shop: ImportedShop) -> None:
    load(shop, "2026-03-02 10:00", "2026-03-01 10:00", "2026-03-02 10:00", "2026-02-01 10:00")
    assert shop.people() == ["u3", "u1", "u0", "u2"]


def test_impossible_times_are_quarantined(shop: ImportedShop) -> None:
    at = load(shop, *["2026-03-01 10:00"] * 6, "1970-01-01 00:00", "2999-01-01 00:00", "", "2026-02-30 10:00")
    assert len(at) == 6
    assert [(line, reason) for _, line, _, reason in shop.quarantined()] == [
        (8, "lies before 1990"), (9, "lies in the future"), (10, "is missing"),
        (11, "is no time such as 2026-11-21T09:30Z"),
    ]  # fmt: skip


def test_seconds_taken_for_milliseconds_are_a_wrong_mapping(shop: ImportedShop) -> None:
    with pytest.raises(InvalidMapping, match="lies before 1990"):
        load(shop, "1772352900", "1772352901", columns='timestamp = { column = "when", timestamp_format = "epoch_ms" }')


def test_the_log_clock_moves_to_the_newest_row_that_is_not_in_the_future(shop: ImportedShop) -> None:
    """A row the shop could not know yet (delay) does not pull the clock ahead of the present."""
    tomorrow = datetime.fromtimestamp((NOW + HOUR) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    at = load(shop, "2026-03-01 10:00", tomorrow)
    assert shop.all("SELECT at, epoch FROM head") == [(at[0], 1)]
