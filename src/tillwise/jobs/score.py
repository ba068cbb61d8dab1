"""Batch scoring: many questions down the same road, one receipt each, into a file other tools can read."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Final, Protocol, TextIO

from tillwise.decisions.answer import Answer, rfc3339
from tillwise.decisions.decision import Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput
from tillwise.jobs.leaving import Named, Outlet, Premises, read_by
from tillwise.jobs.progress import Progress, Silent
from tillwise.recipients.carried import fields_that_may, wanted
from tillwise.recipients.sent import SHOP, Sent

COLUMNS: Final = {
    "user_id": "VARCHAR", "action": "VARCHAR", "score": "DOUBLE", "reason_1": "VARCHAR", "reason_2": "VARCHAR",
    "reason_3": "VARCHAR", "items": "VARCHAR", "decision_id": "VARCHAR", "decided_at": "VARCHAR", "model": "VARCHAR",
    "degraded": "VARCHAR",
}  # fmt: skip
"""One row per person: what to do, how sure, why in plain words, and the receipt. `items` are ids joined by spaces."""
KEY: Final = "batch"
_Row = Sequence[str | float | None]
_Batch = Callable[[UseCase, Iterable[Request], str], Iterator[Answer]]


class Batching(Protocol):
    """What scoring asks of the road."""

    def batch(self, use_case: UseCase, requests: Iterable[Request], key_id: str) -> Iterator[Answer]:
        """Yield one recorded answer per request, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """How many rows were written, how many people were left out because nothing personal may be read, and actions.

    With a vendor, `withheld` counts people decided about whose rows may not leave, by cause, and `columns` names what
    the file has.
    """

    file: Path
    rows: int
    left_out: int
    actions: dict[str, int]
    withheld: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = tuple(COLUMNS)


@dataclass(frozen=True, slots=True)
class _Table:
    """A file of rows that is not yet seen by anybody, with whom each row is about."""

    path: Path
    people: list[Named]
    actions: Counter[str]
    columns: tuple[str, ...] = tuple(COLUMNS)


def score(
    use_case: UseCase,
    road: Batching,
    requests: Iterable[Request],
    out: Path,
    *,
    total: int = 0,
    progress: Progress | None = None,
    outlet: Outlet | None = None,
    premises: Premises | None = None,
) -> ScoreResult:
    """Decide for everybody and write the file, whole or not at all; `.parquet` or `.csv` by its name.

    People whose permit was refused get their receipt and no row. With an `outlet` the file holds only the rows and
    columns that may leave for that vendor when it is finished, and the outbound ledger knows before the file appears.
    With `premises` it is written down before that, too, who is shown whose rows; without an outlet, that they stay.
    Raises InvalidInput for another kind of file, NotPermitted when nothing may go to the vendor.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise InvalidInput(f"'{out.name}' is neither a .parquet nor a .csv file", field="out")
    if not out.parent.is_dir():
        raise InvalidInput(f"there is no folder {out.parent}: make it first", field="out")
    if outlet is not None:
        outlet.check(use_case, COLUMNS)  # before anybody is decided about
    listener = progress or Silent()
    listener.start(total, f"score {use_case.name}")
    mine = [out.with_name(f".{out.stem}.{os.getpid()}{end}") for end in (".csv", ".leaving.csv", ".parquet")]
    try:
        left_out, table = _decide(use_case, road.batch, requests, mine[0], listener)
        withheld: Mapping[str, int] = {}
        if outlet is None:
            finished = _finished(table, out, mine[2])
        else:
            table, withheld, handed = _leaving(use_case, outlet, table, mine[1])
            finished = _finished(table, out, mine[2])
            _enter(outlet, table, finished, partial(handed, what=out.name))
        if premises is not None:
            stays = None if outlet is not None else _staying(use_case, premises, table, finished, out.name)
            premises.enter(use_case, table.people, stays)
        os.replace(finished, out)
    finally:
        for path in mine:
            path.unlink(missing_ok=True)
    return ScoreResult(out, table.actions.total(), left_out, dict(table.actions), withheld, table.columns)


def _decide(
    use_case: UseCase, batch: _Batch, requests: Iterable[Request], path: Path, listener: Progress
) -> tuple[int, _Table]:
    """Decide for everybody; return how many may not be read, and the rows of the others."""
    left_out = 0
    table = _Table(path, [], Counter())
    with _private(path) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        asked, known = tee(requests)  # the road reads ahead by one chunk, no more is kept
        for request, answer in zip(known, batch(use_case, asked, KEY), strict=True):
            listener.advance()
            permit = answer.receipt.permit
            if not permit.granted:
                left_out += 1
                continue
            rows.writerow(_row(request, answer))
            who = request.subject or request.anonymous_id or ""
            table.people.append(Named(who, request.subject is None, permit.place, frozenset(permit.signals)))
            table.actions[answer.decision.action] += 1
    return left_out, table


def _leaving(
    use_case: UseCase, outlet: Outlet, table: _Table, path: Path
) -> tuple[_Table, Mapping[str, int], Callable[..., Sent]]:
    """Copy what may leave now: other rows and columns are not even in the file. Return what the ledger will say too."""
    derived = read_by(use_case.features)
    with outlet.store.snapshot() as snapshot:
        free, vendor, keys = outlet.judge(snapshot, use_case, COLUMNS, table.people)
    columns = fields_that_may(COLUMNS, derived, free.categories)
    places = [list(COLUMNS).index(name) for name in columns]
    action = list(COLUMNS).index("action")
    left = _Table(path, [], Counter(), tuple(columns))
    with table.path.open(newline="", encoding="utf-8") as file, _private(path) as new:
        rows, kept = csv.reader(file), csv.writer(new)
        next(rows)
        kept.writerow(columns)
        for person, row in zip(table.people, rows, strict=True):
            if keys.get(person.user_id) in free.people:
                kept.writerow([row[place] for place in places])
                left.people.append(person)
                left.actions[row[action]] += 1
    unknown = sum(person.user_id not in keys for person in table.people)
    withheld = {**free.withheld, **({"nobody": unknown} if unknown else {})}
    handed = partial(
        Sent.to, vendor, purpose=use_case.purpose.value, categories=tuple(wanted(columns, derived)), withheld=withheld
    )
    return left, withheld, handed


def _enter(outlet: Outlet, table: _Table, finished: Path, handed: Callable[..., Sent]) -> None:
    """Write into the outbound ledger what the file holds, about whom, and its hash."""
    with outlet.store.snapshot() as snapshot:
        people = outlet.keys(snapshot, table.people).values()
    outlet.enter(handed(wall=outlet.clock.wall(), records=len(table.people), sha256=_hash(finished)), people)


def _staying(use_case: UseCase, premises: Premises, table: _Table, finished: Path, name: str) -> Sent:
    """Return what the ledger says of a file that stays with the shop."""
    return Sent(
        SHOP, name, use_case.purpose.value, premises.clock.wall(), tuple(wanted(COLUMNS, read_by(use_case.features))),
        len(table.people), sha256=_hash(finished),
    )  # fmt: skip


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(table: _Table, out: Path, parquet: Path) -> Path:
    return table.path if out.suffix == ".csv" else _parquet(table, parquet)


def _private(path: Path) -> TextIO:
    """Open a new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="", encoding="utf-8")


def _row(request: Request, answer: Answer) -> _Row:
    decision, receipt = answer.decision, answer.receipt
    reasons = [reason.text for reason in decision.reasons[:3]]
    return [
        request.subject or request.anonymous_id, decision.action, decision.score,
        *reasons, *[None] * (3 - len(reasons)),
        " ".join(item.item_id for item in decision.items or ()) or None,
        answer.decision_id, rfc3339(receipt.at), None if receipt.model is None else receipt.model.version,
        None if decision.degraded is None else decision.degraded.value,
    ]  # fmt: skip


def _parquet(table: _Table, target: Path) -> Path:
    import duckdb  # noqa: PLC0415 - only for the one file kind

    columns = ", ".join(f"'{name}': '{COLUMNS[name]}'" for name in table.columns)
    source, place = (str(path).replace("'", "''") for path in (table.path, target))
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{source}', header = true, columns = {{{columns}}}, auto_detect = false,"
            f" delim = ',', quote = '\"', escape = '\"', new_line = '\\r\\n', max_line_size = 10000000))"
            f" TO '{place}' (FORMAT PARQUET)"
        )
    return target
