"""Run twice, killed half-way, two at once: an import is seen as a whole or not at all, and never twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from imported_shop import BASIS, CLOCK, MAPPING, ORDERS, SECRETS, ImportedShop, payments

from tillwise.connectors.importing import import_mapping
from tillwise.errors import Conflict, InvalidMapping
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog, read_head

TWO = MAPPING + payments('order_id = "order"')
PAYMENTS = "when,who,order\n2026-03-01 09:16,ann,1001\n2026-02-01 10:00,bob,1002\n"
LOG = ("events", "facts", "by_subject", "by_item", "by_shop", "imports", "epochs", "counters", "codes", "head")


def contents(shop: ImportedShop) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows; people by their own id, because a pseudonym is drawn anew in every log."""
    subjects = [row[0] for row in shop.all("SELECT DISTINCT subject FROM events ORDER BY subject")]
    named = dict(zip(shop.all("SELECT subject FROM events ORDER BY seq"), shop.people(), strict=True))
    people = {row[0]: name for row, name in named.items()}
    assert set(people) == set(subjects)

    def told(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(people.get(value, value) for value in row)

    return {table: sorted((told(row) for row in shop.all(f"SELECT * FROM {table}")), key=repr) for table in LOG}


def test_a_finished_import_run_again_changes_nothing(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS)
    first = shop.load(BASIS + MAPPING)
    before = contents(shop)
    again = shop.load(BASIS + MAPPING)
    assert [source.skipped for source in again.sources] == [True]
    assert (first.already, again.already) == (False, True)
    assert (again.epoch, again.sources[0].accepted) == (first.epoch, 2)
    assert contents(shop) == before


def test_an_order_met_again_in_another_file_is_a_duplicate(shop: ImportedShop) -> None:
    """Exports overlap: the same order is recognised in any file and mapping, and only the new one goes in."""
    shop.write("orders.csv", ORDERS)
    shop.load(MAPPING)
    shop.write("more.csv", ORDERS + "1003,2026-03-05 10:00,cid,tea-01,1,4.50\n")
    source = shop.load(MAPPING.replace("orders.csv", "more.csv"), name="more.toml").sources[0]
    assert (source.accepted, source.duplicate) == (1, 2)
    assert shop.people() == ["ann", "bob", "cid"]


def test_equal_rows_without_an_id_are_all_kept_and_recognised_when_they_come_again(shop: ImportedShop) -> None:
    body = "when,who\n2026-03-01 10:00,ann\n2026-03-01 10:00,ann\n"
    shop.write("pay.csv", body)
    first = shop.load(payments()).sources[0]
    assert (first.accepted, first.duplicate, first.flagged) == (2, 0, 1)
    shop.write("more.csv", body + "2026-03-01 10:00,ann\n")
    second = shop.load(payments(file="more.csv"), name="more.toml").sources[0]
    assert (second.accepted, second.duplicate) == (1, 2)


def test_a_given_event_id_decides_what_is_a_duplicate(shop: ImportedShop) -> None:
    shop.write("pay.csv", "when,who,id\n2026-03-01 10:00,ann,e1\n2026-03-01 11:00,ann,e2\n2026-03-01 12:00,bob,e1\n")
    source = shop.load(payments('event_id = "id"')).sources[0]
    assert (source.accepted, source.duplicate) == (2, 1)


@pytest.mark.parametrize(
    ("orders", "mapping"),
    [(ORDERS + "1003,2026-03-05 10:00,cid,tea-01,1,4.50\n", MAPPING), (ORDERS, MAPPING.replace("Berlin", "London"))],
)
def test_a_file_or_mapping_changed_after_its_import_is_refused(shop: ImportedShop, orders: str, mapping: str) -> None:
    """What is in the log is never quietly other than what the mapping says."""
    shop.write("orders.csv", ORDERS)
    shop.load(MAPPING)
    shop.write("orders.csv", orders)
    with pytest.raises(
        InvalidMapping, match="has changed since it was imported; put new rows into a file of their own"
    ):
        shop.load(mapping)


def test_a_closed_mapping_takes_no_new_source(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS)
    shop.write("pay.csv", PAYMENTS)
    shop.load(MAPPING)
    with pytest.raises(InvalidMapping, match="was imported before and is closed; put new sources into a mapping file"):
        shop.load(TWO)


def test_nothing_is_visible_until_everything_is_in(shop: ImportedShop) -> None:
    """A second file that is refused leaves the first one in and unseen; the corrected run shows both."""
    shop.write("orders.csv", ORDERS)
    shop.write("pay.csv", PAYMENTS.replace("order\n", "ordre\n"))
    with pytest.raises(InvalidMapping, match="no column 'order'; did you mean 'ordre'"):
        shop.load(BASIS + TWO)
    with shop.store.snapshot() as snapshot:
        epoch = read_head(snapshot).epoch
    assert epoch == 0
    assert shop.all("SELECT DISTINCT epoch FROM facts") == [(1,)]
    assert shop.one("SELECT count(*) FROM consents") == 0
    shop.write("pay.csv", PAYMENTS)
    result = shop.load(BASIS + TWO)
    assert [source.skipped for source in result.sources] == [True, False]
    with shop.store.snapshot() as snapshot:
        epoch = read_head(snapshot).epoch
    assert epoch == result.epoch == 1
    assert shop.one("SELECT count(*) FROM consents") == 4


def test_another_import_waits_for_the_unfinished_one(shop: ImportedShop) -> None:
    shop.write("orders.csv", ORDERS)
    shop.write("pay.csv", "when,who\n")
    with pytest.raises(InvalidMapping):
        shop.load(TWO)
    with pytest.raises(
        Conflict, match=r"the import of shop\.toml is not finished: run it again first, then other\.toml"
    ):
        shop.load(MAPPING, name="other.toml")


class _Held:
    """A store whose commits wait before they run, so that two imports can be made to meet."""

    def __init__(self, shop: ImportedShop, after: int) -> None:
        self._store, self._left = shop.store, after
        self.reached, self.go_on = Event(), Event()

    def commit(self, work: Any) -> Future[Any]:
        self._left -= 1
        if self._left == 0:
            self.reached.set()
            assert self.go_on.wait(20)
        return self._store.commit(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_two_imports_of_one_mapping_at_once_load_it_once(shop: ImportedShop) -> None:
    """Whoever comes second is refused in plain words, and every row is there once."""
    shop.write("orders.csv", ORDERS)
    path = shop.write("shop.toml", MAPPING)
    held = _Held(shop, after=2)
    refused: list[BaseException] = []

    def second() -> None:
        try:
            import_mapping(held, SECRETS, CLOCK, path)
        except BaseException as error:
            refused.append(error)

    thread = Thread(target=second)
    thread.start()
    assert held.reached.wait(20)
    shop.load(MAPPING)
    held.go_on.set()
    thread.join(20)
    assert [type(error) for error in refused] == [Conflict]
    assert "another import of shop.toml" in str(refused[0])
    assert shop.people() == ["ann", "bob"]


def test_readers_go_on_during_a_long_import_and_see_the_old_epoch(shop: ImportedShop) -> None:
    """A reader never waits for an import's transaction, and sees none of its rows before it is published."""
    shop.write("orders.csv", ORDERS)
    seen: list[tuple[int, int]] = []

    def look(*_: object) -> None:
        with shop.store.snapshot() as snapshot:
            row = snapshot.one("SELECT count(*) FROM facts")
            assert row is not None
            seen.append((read_head(snapshot).epoch, row[0]))

    shop.load(MAPPING, on_append=(look,))
    assert seen == [(0, 0)]


def test_live_events_and_imports_share_one_order(shop: ImportedShop) -> None:
    """A backfill takes later positions with earlier times, in an epoch of its own; live time never runs back."""
    shop.write("orders.csv", ORDERS)
    shop.write("more.csv", ORDERS.replace("100", "200"))
    log = EventLog(shop.store, SECRETS, CLOCK)
    live = views()
    before = log.append(live[:1]).result()
    shop.load(MAPPING)
    between = log.append(live[1:2]).result()
    shop.load(MAPPING.replace("orders.csv", "more.csv"), name="more.toml")
    after = log.append(live[2:]).result()
    assert before.first_seq < between.first_seq < after.first_seq
    assert before.at <= between.at <= after.at
    epochs = shop.all("SELECT epoch FROM events ORDER BY seq")
    assert epochs == [(0,), (1,), (1,), (1,), (2,), (2,), (2,)]
    assert shop.all("SELECT count(*), count(DISTINCT seq) FROM events") == [(7, 7)]


def views() -> list[Any]:
    """Return three product views as a browser sends them."""
    message = {"type": "track", "event": "Product Viewed", "userId": "ann", "properties": {"product_id": "tea-01"}}
    return [read_message({**message, "messageId": f"m{n}"}, received=CLOCK.now()) for n in range(3)]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from imported_shop import *
from tillwise.connectors import importing, reading
reading.CHUNK = 1
die = int(sys.argv[3])
def advance(self, units=1):
    global die
    die -= 1
    if die == 0:
        os.kill(os.getpid(), signal.SIGKILL)
importing.Silent.advance = advance
start = importing.Silent.start
def begin(self, total, label):
    advance(self)
importing.Silent.start = begin
shop = ImportedShop(Path(sys.argv[2]))
import_mapping(shop.store, SECRETS, CLOCK, shop.folder / "shop.toml")
"""


@pytest.mark.parametrize("step", [2, 4, 5, 7])
def test_killed_at_any_step_and_run_again_is_as_if_never_killed(shop: ImportedShop, tmp_path: Path, step: int) -> None:
    """`kill -9` inside the first source (2, 4), before the second (5) and inside it (7): same rows, none twice."""
    whole = tmp_path / "whole"
    whole.mkdir()
    never = ImportedShop(whole)
    for each in (shop, never):
        each.write("orders.csv", ORDERS)
        each.write("pay.csv", PAYMENTS)
        each.write("shop.toml", BASIS + TWO)
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(shop.folder), str(step)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert shop.one("SELECT epoch FROM head") == 0
    assert shop.one("SELECT count(*) FROM imports") == (0 if step < 5 else 1)
    result = shop.load(BASIS + TWO)
    never.load(BASIS + TWO)
    assert [source.skipped for source in result.sources] == [step >= 5, False]
    assert contents(shop) == contents(never)
    never.store.close()
