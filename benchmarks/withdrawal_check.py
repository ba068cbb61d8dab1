"""Judge a history of grants, withdrawals and decisions: was anything used after it had been taken back?

    python benchmarks/withdrawal_check.py HISTORY.jsonl

Each line is one call: {"person", "kind": grant | withdraw | signal | decide, "begin", "end", "status", "used"}, times
in nanoseconds on one clock; `end` is null when nobody knows whether the call happened. Nothing else is known here: no
code of the system that is judged.

The register of a person holds yes or no and starts with no. A call takes effect at one moment between its begin and its
end; one that failed with 4xx took no effect; one without an end, or that failed with 5xx, may take effect at any
moment after its begin, or never.

- used although withdrawn: a decision that used the purpose, while no yes could stand: every grant that began before the
  decision's end had ended before some withdrawal began that was acknowledged before the decision began.
- withheld although granted: the mirror image. It breaks no privacy but loses an acknowledged yes.
Exit code 1 when either was found.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

NEVER = 2**63


class Write(NamedTuple):
    """A grant or a withdrawal: when it began, when its answer was there (NEVER: nobody knows)."""

    begin: int
    end: int


class Writes:
    """The writes of one kind of one person, ready to be asked about moments."""

    def __init__(self, writes: list[Write]) -> None:
        self.by_begin = sorted(writes)
        self._begins = [write.begin for write in self.by_begin]
        self._latest_end: list[int] = []
        for write in self.by_begin:
            self._latest_end.append(max(write.end, self._latest_end[-1] if self._latest_end else -1))
        by_end = sorted((write.end, write.begin) for write in writes)
        self._ends = [end for end, _ in by_end]
        self._latest_begin: list[int] = []
        for _, begin in by_end:
            self._latest_begin.append(max(begin, self._latest_begin[-1] if self._latest_begin else -1))

    def latest_begin_of_ended(self, before: int) -> int:
        """Return the latest begin of a write whose answer was there before a moment; -1 when there is none."""
        count = bisect_left(self._ends, before)
        return self._latest_begin[count - 1] if count else -1

    def latest_end_of_begun(self, before: int) -> int:
        """Return the latest end of a write that began before a moment; -1 when there is none."""
        count = bisect_left(self._begins, before)
        return self._latest_end[count - 1] if count else -1


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    counts: Counter[str] = Counter()
    with Path(sys.argv[1]).open() as lines:
        for line in lines:
            call = json.loads(line)
            calls[call["person"]].append(call)
            counts[_outcome(call)] += 1
    wrong: Counter[str] = Counter()
    for mine in calls.values():
        wrong.update(judge(mine))
    for name, count in sorted(counts.items()):
        print(f"{count:9,}  {name}")
    for name in ("used although withdrawn", "withheld although granted"):
        print(f"{wrong[name]:9,}  {name}")
    raise SystemExit(1 if wrong else 0)


def judge(calls: list[dict[str, Any]]) -> Counter[str]:
    """Return how often one person's decisions went against what had been acknowledged."""
    grants, withdrawals = Writes(_writes(calls, "grant")), Writes(_writes(calls, "withdraw"))
    wrong: Counter[str] = Counter()
    for call in calls:
        if "used" not in call:
            continue
        begin, end = call["begin"], call["end"]
        yes, no = (grants, withdrawals) if call["used"] else (withdrawals, grants)
        # What the decision saw must be able to stand: some write of it ended after the newest opposite one began that
        # was acknowledged before the decision.
        opposite = no.latest_begin_of_ended(begin)
        possible = yes.latest_end_of_begun(end)
        if call["used"] and possible <= opposite:  # equal: -1 and -1, a yes that nobody ever gave
            wrong["used although withdrawn"] += 1
        if not call["used"] and possible < opposite:
            wrong["withheld although granted"] += 1
    return wrong


def _writes(calls: list[dict[str, Any]], kind: str) -> list[Write]:
    made = []
    for call in calls:
        if call["kind"] != kind:
            continue
        status = call.get("status")
        if status is None or status >= 500:
            made.append(Write(call["begin"], NEVER))
        elif status < 400:
            made.append(Write(call["begin"], call["end"]))
    return made


def _outcome(call: dict[str, Any]) -> str:
    if call["end"] is None:
        return f"{call['kind']}: connection broken"
    if "used" in call:
        return f"{call['kind']}: {'used' if call['used'] else 'withheld'}"
    return f"{call['kind']}: {call['status']}"


if __name__ == "__main__":
    main()
