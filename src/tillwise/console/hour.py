"""What the shop decided in the last hour: counted from the receipts, nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tillwise.decisions.decision import Degraded
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Row, Snapshot

HOUR: Final = 3_600_000
SLOTS: Final = 30
"""The hour is drawn in slots of two minutes."""
MOST: Final = 20_000
"""How many receipts one page looks at; beyond, the page says that it shows the newest of them."""
EDGES: Final = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""Upper edges of the latency bars, in microseconds; the last bar is open."""


@dataclass(slots=True)
class Tally:
    """The counts of one use case, or of all."""

    actions: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    latencies: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=lambda: [0] * SLOTS)
    simulated: int = 0

    @property
    def total(self) -> int:
        """Return how many decisions there were."""
        return len(self.latencies)

    @property
    def alarms(self) -> int:
        """Return how many fell back because something failed."""
        return sum(n for why, n in self.degraded.items() if Degraded(why).alarms)

    def quantile(self, share: float) -> float | None:
        """Return the latency below which this share lies, in milliseconds; None when there is none."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000

    def bars(self) -> list[int]:
        """Return how many decisions lie in each latency bar of EDGES, the open one last."""
        counts = [0] * (len(EDGES) + 1)
        for latency in self.latencies:
            counts[next((i for i, edge in enumerate(EDGES) if latency <= edge), len(EDGES))] += 1
        return counts


@dataclass(frozen=True, slots=True)
class Latest:
    """One line of the list of newest decisions."""

    decision_id: str
    at: Milliseconds
    use_case: str
    action: str
    latency: float
    degraded: str | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Hour:
    """The last hour. `cut` is True when there were more decisions than the page looked at."""

    all: Tally
    by_use_case: dict[str, Tally]
    latest: list[Latest]
    cut: bool


def read_hour(snapshot: Snapshot, wall: Milliseconds) -> Hour:
    """Count the receipts of the last hour.

    The log clock is the wall clock moved by a constant, so that an hour of one is an hour of the other.
    """
    rows = snapshot.all(
        "SELECT decision_id, at, use_case, action, latency, degraded, simulated, wall FROM receipts"
        " WHERE wall > ? AND wall <= ? AND delivered = 1 ORDER BY wall DESC LIMIT ?",
        (wall - HOUR, wall, MOST),
    )
    every, by_use_case = Tally(), dict[str, Tally]()
    for row in rows:
        slot = min(SLOTS - 1, (row[7] - (wall - HOUR)) * SLOTS // HOUR)
        for tally in (every, by_use_case.setdefault(row[2], Tally())):
            _count(tally, row, slot)
    latest = [Latest(r[0], r[1], r[2], r[3], r[4] / 1000, r[5], bool(r[6])) for r in rows[:25]]
    return Hour(every, dict(sorted(by_use_case.items())), latest, len(rows) == MOST)


def _count(tally: Tally, row: Row, slot: int) -> None:
    tally.actions[row[3]] += 1
    tally.latencies.append(row[4])
    tally.slots[slot] += 1
    tally.simulated += row[6]
    if row[5] is not None:
        tally.degraded[row[5]] += 1
