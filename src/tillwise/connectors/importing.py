"""Loading a shop's files: each source is one atomic, resumable step; nothing is visible until all are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from tillwise.connectors.assembling import CLASH, Assembled, assemble
from tillwise.connectors.cataloguing import Upserts, read_items, read_people
from tillwise.connectors.files import fingerprint, locate, open_file
from tillwise.connectors.mapping import Mapping, Source
from tillwise.connectors.mapping_file import read_mapping
from tillwise.connectors.publishing import announce, begin, finished, is_visible, publish, take_epoch
from tillwise.connectors.reading import Permission, read_events
from tillwise.connectors.staging import Staged, stage
from tillwise.events.catalog import remember_texts
from tillwise.events.event import Quarantined
from tillwise.events.log import Admit, OnAppend, allocate, deduplicate
from tillwise.events.quality import QUARANTINE_ROWS, count, quarantine
from tillwise.events.record import record
from tillwise.jobs.progress import Progress, Silent
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.purpose import Purpose, mask
from tillwise.vocabulary.store import Store, Transaction

DAY: Final = 86_400_000
LISTED: Final = 100
"""Refused lines told of by each reason."""
_MEMORY: Final = {"memory_limit": "2GB", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line (Parquet: a row) that went to quarantine: where it stands, in which column, and why."""

    file: str
    line: int
    field: str
    reason: str

    @property
    def said(self) -> str:
        """Return the reason as `SourceResult.reasons` has it."""
        return _said(self.field, self.reason)


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What became of one source. `reasons` counts quarantined rows by reason; `skipped` says it was in already.

    `lines` are the first LISTED of each reason: `tillwise quarantine` has the rest.
    """

    source: str
    accepted: int
    duplicate: int
    flagged: int
    quarantined: int
    reasons: dict[str, int] = field(default_factory=dict)
    skipped: bool = False
    lines: tuple[RefusedLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """A finished import: its rows became visible together, as this epoch. `notes` are words for the person.

    `already`: it was finished before, and nothing was done now.
    """

    epoch: int
    sources: tuple[SourceResult, ...]
    notes: tuple[str, ...] = ()
    already: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """What all sources of an import share."""

    store: Store
    secrets: Secrets
    clock: LogClock
    mapping: Mapping
    epoch: int
    allowed: Permission
    progress: Progress
    on_append: tuple[OnAppend, ...]
    currency: str | None
    admit: Admit | None = None
    already: bool = False


def import_mapping(  # noqa: PLR0913 - most of them are left out mostly
    store: Store,
    secrets: Secrets,
    clock: LogClock,
    path: Path,
    *,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    on_append: Sequence[OnAppend] = (),
    currency: str | None = None,
    admit: Admit | None = None,
) -> ImportResult:
    """Load every file a mapping names; run it again after an interruption and it goes on where it stopped.

    `data_dir` is where the files lie (default: beside the mapping). With `currency`, the shop's own, amounts in
    another one are kept with their events but count in no feature. What `admit` does not let in is quarantined.
    Raises InvalidMapping naming file, line or column and what to write instead; a source that fails leaves nothing
    behind.
    """
    mapping = read_mapping(path)
    folder = mapping.folder if data_dir is None else data_dir
    paths = {source.label: locate(source, folder) for source in mapping.sources}
    epoch = store.commit(lambda transaction: take_epoch(transaction, mapping)).result()
    with store.snapshot() as snapshot:
        already = is_visible(snapshot, epoch)
    run = _Run(
        store, secrets, clock, mapping, epoch, _allowed(mapping), progress or Silent(), tuple(on_append), currency,
        admit, already,
    )  # fmt: skip
    results = []
    upserts = Upserts()
    for source in mapping.sources:
        with duckdb.connect(config=_MEMORY) as connection:
            results.append(_import_source(run, connection, source, paths[source.label], upserts))
    published = store.commit(lambda transaction: publish(transaction, secrets, clock, mapping, epoch, upserts)).result()
    return ImportResult(published, tuple(results), _notes(mapping), already)


def _allowed(mapping: Mapping) -> Permission:
    declared = () if mapping.basis is None else tuple(Purpose(said.purpose) for said in mapping.basis.purposes)
    return Permission(mask((*declared, Purpose.OPERATIONS)), mapping.simulated)


def _notes(mapping: Mapping) -> tuple[str, ...]:
    if mapping.basis is None:
        return (
            f"{mapping.file} declares no [basis]: these rows may be read for operations only, never about a person",
        )
    return (f"{mapping.file}: the basis is declared by the shop, not witnessed by tillwise",)


def _import_source(
    run: _Run, connection: duckdb.DuckDBPyConnection, source: Source, path: Path, upserts: Upserts
) -> SourceResult:
    digest = f"{run.mapping.declared(source)} {fingerprint(path)}"
    with run.store.snapshot() as snapshot:
        known = finished(snapshot, run.mapping, source, digest)
    if known is not None and (source.task == "event" or run.already):
        return SourceResult(source.label, *known, skipped=True)
    run.progress.start(0, f"read {source.label}")
    file = open_file(connection, path, source)
    staged = stage(connection, source, file, run.clock.now() + DAY)
    if source.task == "event":
        return _import_events(run, connection, source, staged, digest)
    if source.task == "catalog":
        accepted = read_items(connection, source, upserts)
    else:
        accepted = read_people(connection, source, upserts)
    refused, reasons = _refused(connection, source, staged, ())
    counts = (accepted, 0, 0, sum(reasons.values()))
    if known is None:

        def work(transaction: Transaction) -> None:
            begin(transaction, run.mapping, source)
            _finish(transaction, run, source, digest, counts, refused)

        run.store.commit(work).result()
    return SourceResult(source.label, *counts, reasons, lines=_first_lines(refused))


def _import_events(
    run: _Run, connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, digest: str
) -> SourceResult:
    assembled = assemble(connection, source, staged, run.currency)
    refused, reasons = _refused(connection, source, staged, assembled.clashes)
    run.progress.start(assembled.events, f"load {source.label}")

    def work(transaction: Transaction) -> tuple[tuple[int, int, int, int], Counter[str]]:
        begin(transaction, run.mapping, source)
        accepted, duplicate, away = _write(run, connection, source, staged, assembled, transaction)
        remember_texts(transaction, assembled.texts)
        count(transaction, {f"flagged: {name}": n for name, n in assembled.flagged.items()})
        counts = (accepted, duplicate, assembled.flagged.total(), sum(reasons.values()) + away.total())
        _finish(transaction, run, source, digest, counts, refused)
        return counts, away

    counts, away = run.store.commit(work).result()
    return SourceResult(source.label, *counts, {**reasons, **away}, lines=_first_lines(refused))


def _write(
    run: _Run, connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, assembled: Assembled,
    transaction: Transaction,
) -> tuple[int, int, Counter[str]]:  # fmt: skip
    """Return how many events were accepted, were duplicates, and may not be kept here, the last by reason."""
    accepted = duplicate = 0
    turned_away: Counter[str] = Counter()
    for chunk in read_events(connection, source, staged, assembled, run.allowed):
        admitted, away = (chunk, []) if run.admit is None else run.admit(transaction, chunk)
        quarantine(transaction, run.secrets, away)
        turned_away.update(each.reason for each in away)
        fresh = deduplicate(transaction, run.secrets, admitted)
        duplicate += len(admitted) - len(fresh)
        if fresh:
            first, _ = allocate(transaction, len(fresh), 0)
            times = [event.ts + source.delay for event in fresh]
            facts = record(transaction, run.secrets, fresh, first_seq=first, at=times, epoch=run.epoch)
            for hook in run.on_append:
                hook(transaction, facts)
            accepted += len(fresh)
        run.progress.advance(len(chunk))
    return accepted, duplicate, turned_away


def _finish(
    transaction: Transaction, run: _Run, source: Source, digest: str, counts: tuple[int, int, int, int],
    refused: Sequence[Quarantined],
) -> None:  # fmt: skip
    quarantine(transaction, run.secrets, refused)
    announce(transaction, run.mapping, source, digest, run.epoch, counts)


def _refused(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, clashes: Sequence[int]
) -> tuple[list[Quarantined], dict[str, int]]:
    """Return what goes to quarantine (the first rows of many), and the counts of all of it by reason."""
    kind = source.event or source.task
    reasons: Counter[str] = Counter()
    for code, n in staged.counts.items():
        problem = staged.problems[code - 1]
        reasons[_said(problem.feed.field, problem.reason)] += n
    reasons.update(reason for _, reason in staged.file.broken)
    if clashes:
        reasons[CLASH] += len(clashes)
    rows = connection.execute(
        f"SELECT _row, bad FROM staged WHERE bad > 0 ORDER BY _row LIMIT {QUARANTINE_ROWS}"
    ).fetchall()
    refused = [
        Quarantined(
            reason=staged.problems[code - 1].reason, field=staged.problems[code - 1].feed.field, type=kind,
            source=source.file, line=staged.file.line(row),
        )
        for row, code in rows
    ]  # fmt: skip
    refused += [
        Quarantined(reason=reason, type=kind, source=source.file, line=line) for line, reason in staged.file.broken
    ]
    refused += [Quarantined(reason=CLASH, type=kind, source=source.file, line=staged.file.line(row)) for row in clashes]
    return refused, dict(reasons)


def _said(field_name: str, reason: str) -> str:
    return f"{field_name}: {reason}" if field_name else reason


def _first_lines(refused: Sequence[Quarantined]) -> tuple[RefusedLine, ...]:
    """Return the first lines of each reason, in the order of the file."""
    told: Counter[str] = Counter()
    lines: list[RefusedLine] = []
    for each in sorted(refused, key=lambda row: row.line or 0):
        key = _said(each.field, each.reason)
        told[key] += 1
        if told[key] <= LISTED:
            lines.append(RefusedLine(each.source or "", each.line or 0, each.field, each.reason))
    return tuple(lines)
