"""Batch scoring: many questions down the same road, one receipt each, into a file other tools can read."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Final, Protocol

from tillwise.decisions.answer import Answer, rfc3339
from tillwise.decisions.decision import Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput
from tillwise.jobs.progress import Progress, Silent

COLUMNS: Final = {
    "user_id": "VARCHAR", "action": "VARCHAR", "score": "DOUBLE", "reason_1": "VARCHAR", "reason_2": "VARCHAR",
    "reason_3": "VARCHAR", "items": "VARCHAR", "decision_id": "VARCHAR", "decided_at": "VARCHAR", "model": "VARCHAR",
    "degraded": "VARCHAR",
}  # fmt: skip
"""One row per person: what to do, how sure, why in plain words, and the receipt. `items` are ids joined by spaces."""
KEY: Final = "batch"


class Batching(Protocol):
    """What scoring asks of the road."""

    def batch(self, use_case: UseCase, requests: Iterable[Request], key_id: str) -> Iterator[Answer]:
        """Yield one recorded answer per request, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """How many rows were written, how many people were left out because nothing personal may be read, and actions."""

    file: Path
    rows: int
    left_out: int
    actions: dict[str, int]


def score(
    use_case: UseCase,
    road: Batching,
    requests: Iterable[Request],
    out: Path,
    *,
    total: int = 0,
    progress: Progress | None = None,
) -> ScoreResult:
    """Decide for everybody and write the file, whole or not at all; `.parquet` or `.csv` by its name.

    People whose permit was refused get their receipt and no row. Raises InvalidInput for another kind of file.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise InvalidInput(f"'{out.name}' is neither a .parquet nor a .csv file", field="out")
    listener = progress or Silent()
    listener.start(total, f"score {use_case.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.stem}.{os.getpid()}.csv")
    actions: dict[str, int] = {}
    left_out = 0
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            asked, known = tee(requests)  # the road reads ahead by one chunk, no more is kept
            for request, answer in zip(known, road.batch(use_case, asked, KEY), strict=True):
                listener.advance()
                if not answer.receipt.permit.granted:
                    left_out += 1
                    continue
                table.writerow(_row(request, answer))
                actions[answer.decision.action] = actions.get(answer.decision.action, 0) + 1
        _finish(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return ScoreResult(out, sum(actions.values()), left_out, actions)


def _row(request: Request, answer: Answer) -> list[str | float | None]:
    decision, receipt = answer.decision, answer.receipt
    reasons = [reason.text for reason in decision.reasons[:3]]
    return [
        request.subject or request.anonymous_id, decision.action, decision.score,
        *reasons, *[None] * (3 - len(reasons)),
        " ".join(item.item_id for item in decision.items or ()) or None,
        answer.decision_id, rfc3339(receipt.at), None if receipt.model is None else receipt.model.version,
        None if decision.degraded is None else decision.degraded.value,
    ]  # fmt: skip


def _finish(partial: Path, out: Path) -> None:
    if out.suffix == ".csv":
        os.replace(partial, out)
        return
    import duckdb  # noqa: PLC0415 - only for the one file kind

    target = out.with_name(f".{out.stem}.{os.getpid()}.parquet")
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    source, place = (str(path).replace("'", "''") for path in (partial, target))
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{source}', header = true, columns = {{{columns}}}, auto_detect = false,"
            f" delim = ',', quote = '\"', escape = '\"', new_line = '\\r\\n', max_line_size = 10000000))"
            f" TO '{place}' (FORMAT PARQUET)"
        )
    os.replace(target, out)
