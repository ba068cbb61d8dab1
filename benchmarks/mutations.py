"""Remove or break every piece that permission rests on, one at a time, and ask every surface.

Protocol. One shop is built and trained (benchmarks/mutation_shop.py). Each mutant is one change
(benchmarks/mutants.py): a tag of a declaration, a row or a file of the law, a word of a notice, a person's yes, the
purposes of the rows that are kept, a paper of a vendor, a model, a line of shop.py, the basis of an import. No source
file is edited: declarations are changed in memory, the package's tables through the function that reads them, all
else in a copy of the shop's folder. Changes of declarations and tables act when the shop starts; others while it runs.

What is asked each time: the three routes over HTTP (with a known, a new, a silent and a consenting person, a visitor,
nobody), batch scoring, `score --for` a vendor, a webhook sink, and who stands in the training tables. Verdicts:
`refused` the shop does not start, with a ConfigurationError (nobody sees anything); `non-profiled` what used something
personal before uses nothing now; `unaffected` the piece does not carry this surface, and nothing more is used than
before; FAILED OPEN something personal is used although its piece is gone, or more than before; ERROR an answer that is
none. The last two must be 0.

    python benchmarks/mutations.py                    all of them
    python benchmarks/mutations.py --every 20         every 20th of each kind
    python benchmarks/mutations.py --kind vendor      one kind
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

from mutants import Mutant, every_mutant, import_mutants
from mutation_shop import Probe, Seen, listening, opened, prepare

from tillwise.errors import ConfigurationError

REFUSED, PLAIN, SAME, OPEN, ERROR = "refused", "non-profiled", "unaffected", "FAILED OPEN", "ERROR"
VERDICTS: Final = (REFUSED, PLAIN, SAME, OPEN, ERROR)
Table = dict[tuple[str, str], Counter[str]]
"""How many mutants of a kind got which verdict at a surface."""


def judge(mutant: Mutant, before: Mapping[Probe, Seen], after: Mapping[Probe, Seen]) -> dict[str, str]:
    """Return the verdict per surface: the worst of its probes."""
    found: dict[str, list[str]] = {}
    for probe, was in before.items():
        now = after[probe]
        hit = mutant.hits(probe)
        if now.error:
            verdict = ERROR
        elif now.personal and (hit or not was.personal):
            verdict = OPEN
        else:
            verdict = PLAIN if was.personal and not now.personal else SAME
        found.setdefault(probe.surface, []).append(verdict)
    return {
        surface: next(v for v in (ERROR, OPEN, PLAIN, SAME) if v in verdicts) for surface, verdicts in found.items()
    }


class Bench:
    """A trained shop at rest, and what its surfaces use when nothing is broken."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._copies = 0
        self._listening = listening()
        sink, self._received = self._listening.__enter__()
        self.folder, self.keys = prepare(root, sink)
        with opened(self._copy(), self.keys, self._received) as surfaces:
            self.before = surfaces.ask_all()

    def close(self) -> None:
        """Stop the sink."""
        self._listening.__exit__(None, None, None)

    def verdicts(self, mutant: Mutant) -> dict[str, str]:
        """Break one thing, ask everything, and say what became of each surface."""
        folder = self._copy()
        surfaces_of = {probe.surface for probe in self.before}
        try:
            with mutant.at_start(folder), opened(folder, self.keys, self._received) as surfaces:
                mutant.running(surfaces)
                return judge(mutant, self.before, surfaces.ask_all())
        except ConfigurationError:
            return dict.fromkeys(surfaces_of, REFUSED)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(self) -> Path:
        self._copies += 1
        target = self._root / f"copy-{self._copies}"
        shutil.copytree(self.folder, target)
        return target


def chosen(mutants: Iterable[Mutant], every: int = 1, kind: str = "") -> Iterator[Mutant]:
    """Yield every n-th mutant of each kind, of one kind or of all."""
    seen: Counter[str] = Counter()
    for mutant in mutants:
        if kind in mutant.kind:
            if seen[mutant.kind] % every == 0:
                yield mutant
            seen[mutant.kind] += 1


def run(bench: Bench, mutants: Iterable[Mutant], *, loud: bool = False) -> tuple[Table, list[str]]:
    """Return the table, and a line for every verdict that must not be."""
    table: Table = {}
    wrong: list[str] = []
    for mutant in mutants:
        for surface, verdict in bench.verdicts(mutant).items():
            table.setdefault((mutant.kind, surface), Counter())[verdict] += 1
            if verdict in (OPEN, ERROR):
                wrong.append(f"{verdict}: {mutant.kind}, {mutant.name}, {surface}")
                if loud:
                    print(wrong[-1], flush=True)
    return table, wrong


def show(table: Table, seconds: float) -> None:
    """Print one line per kind with all surfaces together, then one per surface with all kinds together."""
    for title, place in (("kind of mutant", 0), ("surface", 1)):
        sums: dict[str, Counter[str]] = {}
        mutants: Counter[str] = Counter()
        for key, verdicts in table.items():
            sums.setdefault(key[place], Counter()).update(verdicts)
            mutants[key[place]] = max(mutants[key[place]], verdicts.total()) if place == 0 else 0
        print(f"\n{title:34}" + "".join(f"{verdict:>14}" for verdict in VERDICTS) + ("  mutants" if not place else ""))
        for name, verdicts in sums.items():
            count = f"{mutants[name]:9}" if place == 0 else ""
            print(f"{name:34}" + "".join(f"{verdicts[verdict]:14}" for verdict in VERDICTS) + count)
    whole = sum(table.values(), Counter())
    print(f"\n{whole.total()} verdicts in {seconds:.0f} s: " + ", ".join(f"{v} {whole[v]}" for v in VERDICTS))


def main() -> int:
    """Run it from the command line; 1 when anything failed open or broke."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--kind", default="")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        began = time.monotonic()
        try:
            table, wrong = run(bench, chosen(every_mutant(), said.every, said.kind), loud=True)
            for kind, name, personal in import_mutants(Path(folder) / "imports"):
                if said.kind in kind:
                    verdict = {None: REFUSED, False: PLAIN, True: OPEN}[personal]
                    table.setdefault((kind, "import, then POST"), Counter())[verdict] += 1
                    wrong += [f"{OPEN}: {kind}, {name}"] if personal else []
        finally:
            bench.close()
    show(table, time.monotonic() - began)
    print("\n".join(wrong) or "nothing failed open, no error")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
