"""What was acknowledged survives `kill -9`, exactly once; processes share one log without a gap or a twin."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from tillwise.events.tables import TABLES
from tillwise.stores.sqlite import SqliteStore

PROCESS = Path(__file__).with_name("appending_process.py")


def start(path: Path, prefix: str, first: int, *last: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROCESS), str(path), prefix, str(first), *map(str, last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def orders_in(store: SqliteStore) -> list[str]:
    with store.snapshot() as snapshot:
        return [json.loads(body)["order_id"] for (body,) in snapshot.all("SELECT body FROM events ORDER BY seq")]


def test_nothing_acknowledged_is_lost_or_doubled_over_ten_kills(tmp_path: Path) -> None:
    """Each round a process appends until it is killed; the next sends again what was not acknowledged."""
    path = tmp_path / "log.db"
    store = SqliteStore(path)
    store.create(TABLES)
    draw = random.Random(7)
    acknowledged: list[str] = []
    for _ in range(10):
        child = start(path, "e", len(acknowledged))
        assert child.stdout is not None
        acknowledged += [child.stdout.readline().strip() for _ in range(draw.randint(1, 25))]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        acknowledged += rest[: rest.rfind("\n") + 1].split()
        child.stdout.close()
        child.wait()
    kept = orders_in(store)
    assert acknowledged == [f"e-{number}" for number in range(len(acknowledged))]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
    with store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM facts") == (2 * len(kept),)
        assert snapshot.one("SELECT count(*) FROM by_subject") == (2 * len(kept),)
        assert snapshot.one("SELECT seq FROM head") == (len(kept),)
        assert snapshot.one("PRAGMA integrity_check") == ("ok",)
    store.close()


def test_processes_that_start_and_append_at_once_share_one_order(tmp_path: Path) -> None:
    """On a file nobody has made yet: positions unique and without gaps, time never back, all of everybody's in."""
    path = tmp_path / "log.db"
    children = [start(path, prefix, 0, 79) for prefix in ("a", "b", "c")]
    printed = [child.communicate(timeout=60)[0].split() for child in children]
    assert [len(names) for names in printed] == [80, 80, 80]
    store = SqliteStore(path)
    assert sorted(orders_in(store)) == sorted(name for names in printed for name in names)
    with store.snapshot() as snapshot:
        rows = snapshot.all("SELECT seq, at FROM events ORDER BY seq")
    store.close()
    assert [seq for seq, _ in rows] == list(range(1, 241))
    assert [at for _, at in rows] == sorted(at for _, at in rows)
