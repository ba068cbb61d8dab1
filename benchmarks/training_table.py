"""How long does a point-in-time training table take?

200 000 labels, sampled from 5 000 000 events of 180 days, 16 live windowed features each; once for a person's key
(subject) and once for a hot one (item, Zipf 1.3: the hottest has a quarter of all events). Generated, seed 7:
customers' activity lognormal (sigma 1.2), six event types (55, 20, 8, 10, 5, 2 %), integer cents. Each is computed
in a process of its own, whose wall time, CPU time and peak memory are printed. Targets: at most 10 s and 4 GB each.

    python benchmarks/training_table.py [--events 5000000] [--labels 200000] [--folder DIR]

Not run here: Feast's last-value join, the closest peer (it joins one already computed value and computes no windows).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tillwise.engines.duckdb import Segments
from tillwise.engines.segments import write_arrays
from tillwise.events.facts import FACT_COLUMNS, STREAM_COLUMNS
from tillwise.events.types import event_code
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet, Key
from tillwise.features.points import Points
from tillwise.privacy.permit import Permit, seal
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

SEED = 7
START = 1_767_225_600_000
DAYS = 180
CUSTOMERS = 100_000
ITEMS = 50_000
TYPES = {"Product Viewed": 0.55, "Product Added": 0.20, "Order Completed": 0.08, "Page": 0.10,
         "Products Searched": 0.05, "Order Refunded": 0.02}  # fmt: skip
FRAUD = frozenset({Purpose.FRAUD_PREVENTION})
ALL_PURPOSES = 511
ORDER, VIEW, REFUND = ("Order Completed",), ("Product Viewed",), ("Order Refunded",)


def feature(name: str, key: Key, events: tuple[str, ...], agg: Agg, days: float, of: str | None = None) -> Aggregate:
    """Declare one feature over the last `days`."""
    return Aggregate(name, key, events, agg, int(days * DAY), name, of=of, purposes=FRAUD)


def additive(key: Key) -> tuple[Aggregate, ...]:
    """Return what both keys have in common."""
    counts = [("1h", HOUR / DAY), ("24h", 1), ("7d", 7), ("30d", 30)]
    return (
        *(feature(f"orders_{name}", key, ORDER, Agg.COUNT, days) for name, days in counts),
        feature("spent_7d", key, ORDER, Agg.SUM, 7, "amount"),
        feature("spent_30d", key, ORDER, Agg.SUM, 30, "amount"),
        feature("mean_30d", key, ORDER, Agg.MEAN, 30, "amount"),
        feature("views_24h", key, VIEW, Agg.COUNT, 1),
        feature("refunds_90d", key, REFUND, Agg.COUNT, 90),
        feature("since_order", key, ORDER, Agg.TIME_SINCE, 90),
        feature("since_search", key, ("Products Searched",), Agg.TIME_SINCE, 30),
        feature("last_amount", key, ORDER, Agg.LAST, 90, "amount"),
    )


def features(key: Key) -> FeatureSet:
    """Return the 16 features of a key: a person's includes min, max and two distinct counts, which a hot key cannot."""
    if key == "subject":
        more = (
            feature("least_90d", key, ORDER, Agg.MIN, 90, "amount"),
            feature("most_90d", key, ORDER, Agg.MAX, 90, "amount"),
            feature("items_7d", key, tuple(TYPES), Agg.DISTINCT, 7, "item"),
            feature("devices_30d", key, tuple(TYPES), Agg.DISTINCT, 30, "device"),
        )
    else:
        more = (
            feature("views_7d", key, VIEW, Agg.COUNT, 7),
            feature("views_30d", key, VIEW, Agg.COUNT, 30),
            feature("refunded_30d", key, REFUND, Agg.SUM, 30, "amount"),
            feature("mean_7d", key, ORDER, Agg.MEAN, 7, "amount"),
        )
    return FeatureSet(f"benchmark_{key}", (*additive(key), *more))


def generate(folder: Path, events: int, labels: int) -> None:
    """Write the log as segments and the labels as arrays."""
    rng = np.random.default_rng(SEED)
    activity = rng.lognormal(0, 1.2, CUSTOMERS)
    log = {
        "at": np.sort(rng.integers(START, START + DAYS * DAY, events)),
        "seq": np.arange(1, events + 1, dtype=np.int64),
        "type": rng.choice([event_code(name) for name in TYPES], events, p=list(TYPES.values())).astype(np.int64),
        "purposes": np.full(events, ALL_PURPOSES),
        "subject": rng.choice(CUSTOMERS, events, p=activity / activity.sum()).astype(np.int64) + 1,
        "device": rng.integers(1, 3 * CUSTOMERS, events),
        "item": np.minimum(rng.zipf(1.3, events), ITEMS).astype(np.int64),
        "amount": rng.integers(100, 50_000, events),
    }
    zero = np.zeros(events, dtype=np.int64)
    log |= dict.fromkeys(("epoch", "line", "simulated", "shop"), zero)
    null = np.ma.masked_all(events, dtype=np.int64)
    for kind, columns in (("facts", FACT_COLUMNS), ("stream", STREAM_COLUMNS)):
        place = folder / f"{kind}-{0:019d}-{events:019d}"
        place.mkdir(parents=True)
        step = 1_000_000
        for number, start in enumerate(range(0, events, step)):
            part = slice(start, start + step)
            write_arrays(place / f"{number:05d}.parquet", {name: log.get(name, null)[part] for name in columns})
    chosen = np.sort(rng.choice(events, labels, replace=False))
    for name in ("at", "seq", "subject", "item"):
        np.save(folder / f"label_{name}.npy", log[name][chosen])


def measure(folder: Path, key: Key) -> dict[str, Any]:
    """Compute one table and say what it took."""
    label = {name: np.load(folder / f"label_{name}.npy") for name in ("at", "seq", key)}
    points = Points.build(
        epoch=np.zeros(len(label["at"]), dtype=np.int64), at=label["at"], mark=2 * label["seq"] - 1,
        keys={key: label[key]},
    )  # fmt: skip
    permit = Permit(
        seal(), Purpose.FRAUD_PREVENTION, "DE", "benchmark", Point(0, START, 1), granted=True, training=True
    )
    segments = Segments(folder)
    wall, cpu = time.perf_counter(), time.process_time()
    table = segments.training_table(features(key), points, permit)
    return {
        "key": key, "features": table.values.shape[1], "labels": len(points),
        "seconds": round(time.perf_counter() - wall, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "known_share": round(float(np.mean(~np.isnan(table.values))), 4),
    }  # fmt: skip


def in_own_process(*arguments: str) -> str:
    """Run a step of this file in a fresh process and return what it printed."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--labels", type=int, default=200_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=["generate", "subject", "item"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "generate":
        generate(given.folder, given.events, given.labels)
        return
    if given.step:
        print(json.dumps(measure(given.folder, given.step)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch) / "segments"
        sizes = ["--folder", str(folder), "--events", str(given.events), "--labels", str(given.labels)]
        if not folder.exists():
            in_own_process("--step", "generate", *sizes)
        for key in ("subject", "item"):
            print(in_own_process("--step", key, *sizes).strip())


if __name__ == "__main__":
    main()
