"""Next purchases of two real shops: our blend beside every declared baseline, on the four weeks nobody looked at.

    python benchmarks/next_purchases.py --data DIR [--shop online_retail_ii] [--shop complete_journey]

DIR holds `online_retail_ii/` and `complete_journey/`. They enter through `tillwise import` and the mappings in
`benchmarks/mappings/`, nothing else.

Protocol. Global time split: the last 28 days are the test, the 28 days before them the validation, the rest is
training. Everybody who had a history before the test and bought in it is one row; wanted is every distinct item they
bought in it. Full sort over the whole catalogue, what somebody already bought may be recommended again. Decays and
weights are chosen on the validation period, then all models are fitted again up to the test and judged once. recall@20
is what was found of all wanted, NDCG@20 has binary gain; 95 % intervals by a bootstrap over people; the last column is
the paired difference to the blend. "repeat" looks only for items the person had bought before; "new" hides those from
every list and looks for the others.

RecTools cannot be installed beside NumPy 2 on Python below 3.13 (it pins numpy < 2), so its models are not in this run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tillwise.connectors.importing import import_mapping
from tillwise.events.log import read_head
from tillwise.events.tables import TABLES as LOG_TABLES
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.jobs.learning import Evaluation, Material
from tillwise.models.bootstrap import Resamples
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases.recommendations import LEARNER
from tillwise.vocabulary.clock import LogClock

SHOPS = ("online_retail_ii", "complete_journey")
SHOWN = ("ndcg@20", "recall@20", "recall@20, repeat items", "recall@20, new items", "ndcg@20, new items")
DRAWS = 1000


class Steps:
    """Prints what is being done and for how long it went on."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def start(self, total: int, label: str) -> None:
        """Print the step."""
        print(f"    {time.perf_counter() - self._started:6.1f} s  {label}", flush=True)

    def advance(self, units: int = 1) -> None:
        """Say nothing."""


def table(evaluation: Evaluation) -> None:
    """Print model and baselines, and the paired difference of the primary metric."""
    draws = [evaluation.model.measure(weights) for weights in Resamples(evaluation.subjects, draws=DRAWS)]
    for result in (evaluation.model, *evaluation.baselines):
        cells = {m.name: f"{m.value:.4f} [{m.low or 0:.4f}, {m.high or 0:.4f}]" for m in result.metrics}
        line = "  ".join(f"{cells.get(name, '–'):>24s}" for name in SHOWN)
        others = [result.measure(weights) for weights in Resamples(evaluation.subjects, draws=DRAWS)]
        low, high = np.quantile(np.subtract(draws, others), (0.025, 0.975))
        gap = "" if result is evaluation.model else f"  blend is better by [{low:+.4f}, {high:+.4f}]"
        print(f"{result.name:20s}{line}{gap}")


def run(name: str, data: Path, folder: Path) -> None:
    """Import a shop, learn, judge, print."""
    print(f"\n{name}")
    store = SqliteStore(folder / f"{name}.db")
    try:
        store.create((*LOG_TABLES, *TILE_TABLES, *ledger.TABLES))
        clock, started = LogClock(), time.perf_counter()
        mapping = Path(__file__).parent / "mappings" / f"{name}.toml"
        import_mapping(store, Secrets(log=b"a benchmark's own log secret, 32+"), clock, mapping, data_dir=data / name)
        print(f"    imported in {time.perf_counter() - started:.0f} s")
        with store.snapshot() as snapshot:
            until = read_head(snapshot).at + 1
        gate = Gate(default_place="US")
        material = Material(store, None, gate, clock, folder, until=until, progress=Steps())  # type: ignore[arg-type]
        started, cpu = time.perf_counter(), time.process_time()
        learned = LEARNER.learn(material)
        window = learned.window
        print(f"    learnt and judged in {time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} CPU-s")
        print(
            f"    people: {window.rows[1]} validation, {window.rows[2]} test; purchases to find: {window.positives[2]}"
        )
        print(
            "    weights: "
            + ", ".join(f"{part} {weight:.3f}" for part, weight in learned.importances.items() if weight)
        )
        print(f"{'':20s}" + "  ".join(f"{name:>24s}" for name in SHOWN))
        table(learned.evaluation)
    finally:
        store.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--shop", action="append", choices=SHOPS, help="one data set only; may be repeated")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.shop or SHOPS:
            run(name, arguments.data, Path(folder))


if __name__ == "__main__":
    main()
