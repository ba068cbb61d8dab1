"""Amazon Beauty 5-core, leave-one-out: our blend beside implicit ALS and item-kNN, and the published numbers.

    python benchmarks/amazon_beauty.py --data DIR

DIR holds `amazon_beauty_sequences/` with `sequences.parquet` (user_id, position, item_id) and `item_attributes.parquet`
(item_id, attribute_id).

Protocol. The last event of each of the 22 363 people is the test, the second last the validation, the rest is training.
Full sort over all 12 101 items, items already seen are filtered. Decays and weights are chosen in this run on the
validation event only, with models fitted without it; then every model is fitted again on all but the test event and
judged once. Settings of the single models (penalties, factors, neighbours) were chosen beforehand on the validation
event too. One run, two cores, no GPU.

The attributes (categories and brand) are used by the blend, as they are by S3-Rec; the line "without attributes" is
the same blend without them. The published numbers are printed for orientation: same data, same protocol, not our runs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import scipy.sparse as sp

from tillwise.features.snapshots import WINDOWS, ItemSnapshot
from tillwise.models.bootstrap import intervals
from tillwise.models.ranking.als import AlsSettings
from tillwise.models.ranking.choosing import Slice, choose, lists_of
from tillwise.models.ranking.ease import EaseSettings, NextSettings
from tillwise.models.ranking.fit import BlendSettings, fit_components
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.knn import KnnSettings
from tillwise.models.ranking.metrics import coverage_at, hit_at, ndcg_at

SEED = 7
K = 10
SETTINGS = BlendSettings(
    knn=KnnSettings(keep=200, shrink=5.0),
    rp3=None,
    ease=EaseSettings(penalty=200.0, side=30.0, fade=0.85, head=12_101, keep=1000),
    follow=NextSettings(penalty=200.0, side=30.0, past=0.6, ahead=0.0, head=12_101, keep=1000),
    als=AlsSettings(factors=256, iterations=10, penalty=0.05, alpha=10.0),
    windows=(30,),
    content=False,
    own=False,
    decays=(Decay(step=0.5), Decay(step=0.7), Decay(step=0.9)),
)
PEERS = {"implicit ALS": ("als", Decay()), "item-kNN": ("knn", Decay()), "item-kNN, recency": ("knn", Decay(step=0.6))}
PUBLISHED = (
    ("popularity", 0.0152, 0.0068), ("SASRec", 0.0605, 0.0318), ("S3-Rec", 0.0647, 0.0327), ("DuoRec", 0.0845, 0.0443),
    ("SASRec + sampled softmax", 0.0921, 0.0531), ("eSASRec", 0.0928, 0.0523),
)  # fmt: skip


def read(folder: Path) -> tuple[list[np.ndarray], sp.csr_matrix]:
    """Return the item sequences, oldest first, and attributes × items (0/1)."""
    rows = duckdb.sql(
        f"SELECT user_id, item_id - 1 AS item FROM '{folder / 'sequences.parquet'}' ORDER BY user_id, position"
    ).fetchnumpy()
    ends = np.cumsum(np.bincount(rows["user_id"])[1:])
    sequences = np.split(rows["item"].astype(np.int64), ends[:-1])
    items = int(rows["item"].max()) + 1
    pairs = duckdb.sql(
        f"SELECT DISTINCT item_id - 1 AS item, attribute_id AS attribute FROM '{folder / 'item_attributes.parquet'}'"
        f" WHERE item_id BETWEEN 1 AND {items}"
    ).fetchnumpy()
    ones = np.ones(len(pairs["item"]), dtype=np.float32)
    side = sp.csr_matrix((ones, (pairs["attribute"], pairs["item"])), shape=(int(pairs["attribute"].max()) + 1, items))
    return sequences, side


def shelf(histories: Histories, items: int) -> ItemSnapshot:
    """Return an item snapshot whose popularity is the count in these histories: the data has no times."""
    counts = np.repeat(np.bincount(histories.items, minlength=items)[:, np.newaxis], len(WINDOWS), axis=1)
    zeros = np.zeros(items, dtype=np.int64)
    return ItemSnapshot(
        boundary=0, epoch=0, codes=np.arange(items), bought=counts, viewed=counts, price=zeros, cost=zeros,
        stock=zeros, active=zeros + 1, category=zeros, brand=zeros, created=zeros, item_ids=("",) * items,
        titles=("",) * items, categories=("",) * items, brands=("",) * items,
    )  # fmt: skip


def people(sequences: list[np.ndarray], targets: list[int], items: int) -> Slice:
    """Return the slice that knows `sequences` and wants `targets`."""
    histories = Histories.of_sequences(sequences)
    wanted = [frozenset((int(target),)) for target in targets]
    return Slice(histories, wanted, shelf(histories, items), repeats=False)


def report(name: str, lists: np.ndarray, test: Slice, items: int) -> None:
    """Print one line of the table."""
    measured = {"HR": hit_at(lists, test.wanted, K), "NDCG": ndcg_at(lists, test.wanted, K)}
    measures = {
        key: (lambda weights, v=values: float(np.average(v, weights=weights))) for key, values in measured.items()
    }
    found = intervals(measures, np.arange(len(lists)), seed=SEED, draws=500)
    cells = "   ".join(f"{key}@10 {i.value:.4f} [{i.low:.4f}, {i.high:.4f}]" for key, i in found.items())
    print(f"{name:32s} {cells}   coverage {coverage_at(lists, items, K):.3f}", flush=True)


def blend(name: str, train: Slice, test: Slice, side: sp.csr_matrix | None, items: int) -> None:
    """Choose on the validation slice, fit again, judge once, print."""
    started, cpu = time.perf_counter(), time.process_time()
    codes = np.arange(items)
    first = fit_components(train.histories, codes, SETTINGS, SEED, side)
    parts, found = choose(first, SETTINGS.parts(), train, SETTINGS, SEED, k=K)
    for part in parts:
        alone = f"alone {found[part.name]:.4f} (NDCG@10, validation)"
        print(f"    {part.name:12s} weight {part.weight:.3f}  step {part.decay.step}  {alone}")
    print(f"    blend on validation: {found['blend']:.4f}")
    final = fit_components(test.histories, codes, SETTINGS, SEED, side)
    report(name, lists_of(final, parts, test, K), test, items)
    print(f"    {time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} CPU-s, choosing included")
    if side is not None:
        for peer, (part, decay) in PEERS.items():
            spec = next(p for p in parts if p.name == part)
            report(peer, lists_of(final, [replace(spec, weight=1.0, decay=decay)], test, K), test, items)
        popular = next(p for p in parts if p.name.startswith("popular"))
        report("popularity", lists_of(final, [replace(popular, weight=1.0)], test, K), test, items)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds amazon_beauty_sequences/")
    sequences, side = read(parser.parse_args().data / "amazon_beauty_sequences")
    items = side.shape[1]
    print(f"{len(sequences)} people, {items} items, {sum(map(len, sequences))} events\n")
    validation = people([s[:-2] for s in sequences], [s[-2] for s in sequences], items)
    test = people([s[:-1] for s in sequences], [s[-1] for s in sequences], items)
    blend("tillwise blend", validation, test, side, items)
    blend("tillwise, without attributes", validation, test, None, items)
    for name, hr, ndcg in PUBLISHED:
        print(f"{'published: ' + name:38s} HR@10 {hr:.4f}   NDCG@10 {ndcg:.4f}")
    print("target: HR@10 >= 0.095, NDCG@10 >= 0.056 in 10 minutes on two cores")


if __name__ == "__main__":
    main()
