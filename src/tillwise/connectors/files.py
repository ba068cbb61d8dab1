"""Opening a shop's file with DuckDB: CSV (all columns as text), Parquet (typed) and JSON Lines (a line at a time).

A broken line never stops a file: it is set aside with its number. What does stop it is a column that is not there.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from tillwise.connectors.broken_lines import check_lines, csv_reason, unreadable
from tillwise.connectors.mapping import Source
from tillwise.connectors.targets import suggest
from tillwise.errors import InvalidMapping

DELIMITERS: Final = (",", ";", "\t", "|")
LONGEST_LINE: Final = 4_000_000
_READ: Final = 1 << 20
_TYPES: Final = ("VARCHAR", "BOOLEAN", "DATE", "DOUBLE", "FLOAT")
_LIKE: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                "UHUGEINT", "DECIMAL", "TIMESTAMP", "ENUM", "UUID", "TIME")  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file as DuckDB's relation `src`: `_row` (0 = first) and the columns its source names, by their type.

    `broken` holds (line, reason) of lines that could not be read.
    """

    types: dict[str, str]
    broken: tuple[tuple[int, str], ...] = ()
    first_line: int = 1
    lines: NDArray[np.int64] | None = field(default=None, compare=False)

    def line(self, row: int) -> int:
        """Return the line (CSV, JSON Lines) or row number (Parquet) in the file, counted from 1."""
        return row + self.first_line if self.lines is None else int(self.lines[row])


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def fingerprint(path: Path) -> str:
    """Return the content hash of a file."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def locate(source: Source, folder: Path) -> Path:
    """Return where a source's file lies; raise InvalidMapping with what is there when it is missing."""
    path = folder / source.file
    if path.is_file():
        return path
    there = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
    hint = suggest(path.name, there, "it holds") if there else "that folder does not exist"
    raise InvalidMapping(f"{source.place}: the file is not in {path.parent}; {hint}", field="file")


def open_file(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> OpenFile:
    """Make the relation `src`; raise InvalidMapping when the file or one of the source's columns cannot be read."""
    connection.execute("DROP TABLE IF EXISTS src; DROP VIEW IF EXISTS src")
    name = source.file.lower().removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            return _open_parquet(connection, path, source)
        if name.endswith(".csv"):
            return _open_csv(connection, path, source)
        return _open_json(connection, path, source)
    except (duckdb.Error, OSError, EOFError, zlib.error) as error:
        raise InvalidMapping(f"{source.place}: {unreadable(name, error)}", field="file") from None


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> OpenFile:
    scan = f"read_parquet({literal(str(path))}, file_row_number = true)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    types = {name: kind for name, kind, *_ in described if name != "file_row_number"}
    used = _used(source, tuple(types))
    for column in used:
        kind = types[column]
        if kind not in _TYPES and (not kind.startswith(_LIKE) or kind.endswith("[]")):
            raise InvalidMapping(
                f"{source.place}, column '{column}' holds {kind}; a mapping reads plain columns only", field=column
            )
    columns = ", ".join(["file_row_number AS _row", *map(quoted, used)])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW src AS SELECT {columns} FROM {scan}")
    return OpenFile({column: types[column] for column in used})


def _open_csv(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> OpenFile:
    delimiter, header = _header(path, source)
    used = _used(source, header)
    names = [f"c{index}" for index in range(len(header))]
    scan = (
        f"read_csv({literal(str(path))}, header = false, skip = 1, auto_detect = false, delim = {literal(delimiter)},"
        """ quote = '"', escape = '"', strict_mode = true, store_rejects = true, rejects_limit = 0,"""
        f" max_line_size = {LONGEST_LINE}, columns = {{{', '.join(f'{n}: VARCHAR' for n in names)}}})"
    )
    for table in ("reject_errors", "reject_scans"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    columns = [f"{names[header.index(column)]} AS {quoted(column)}" for column in used]
    every = f"concat_ws('', {', '.join(names)})"
    connection.execute(
        "CREATE TEMP TABLE src AS SELECT row_number() OVER () - 1 AS _row,"
        f" {', '.join(columns)}, length({every}) - length(replace({every}, chr(10), '')) AS _breaks FROM {scan}"
    )
    found = connection.execute("SELECT line, min(error_type) FROM reject_errors GROUP BY line ORDER BY line")
    rejected = [(int(line), csv_reason(str(kind))) for line, kind in found.fetchall()]
    opened = OpenFile(dict.fromkeys(used, "VARCHAR"), *_numbered(connection, rejected))
    check_lines(source.place, opened.broken, _count(connection))
    return opened


def _numbered(
    connection: duckdb.DuckDBPyConnection, rejected: list[tuple[int, str]]
) -> tuple[tuple[tuple[int, str], ...], int, NDArray[np.int64] | None]:
    """Return the broken lines, and the line of every good row: the header is 1, values may break lines."""
    row = connection.execute("SELECT count(*), coalesce(sum(_breaks), 0) FROM src").fetchone()
    n, breaks = row if row is not None else (0, 0)
    if not rejected and not breaks:
        return (), 2, None
    taken = np.array([line for line, _ in rejected], dtype=np.int64)
    records = np.setdiff1d(np.arange(2, 2 + n + len(taken), dtype=np.int64), taken)[:n]
    if not breaks:
        return tuple(rejected), 2, records
    inside = connection.execute("SELECT _breaks FROM src ORDER BY _row").fetchnumpy()["_breaks"].astype(np.int64)
    before = np.cumsum(inside) - inside
    shifted = np.searchsorted(records, taken)
    moved = [
        (line + int(before[at] if at < n else breaks), text) for (line, text), at in zip(rejected, shifted, strict=True)
    ]
    return tuple(moved), 2, records + before


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT count(*) FROM src").fetchone()
    return 0 if row is None else int(row[0])


def _open_json(connection: duckdb.DuckDBPyConnection, path: Path, source: Source) -> OpenFile:
    scan = (
        f"read_csv({literal(str(path))}, header = false, auto_detect = false, delim = chr(1), quote = '', escape = '',"
        f" strict_mode = false, max_line_size = {LONGEST_LINE}, columns = {{line: VARCHAR}})"
    ).replace("chr(1)", "'\x01'")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE lines AS SELECT row_number() OVER () - 1 AS _row, line,"
        f" coalesce(CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' END, false) AS good FROM {scan}"
    )
    keys = connection.execute("SELECT DISTINCT unnest(json_keys(line)) FROM lines WHERE good ORDER BY 1").fetchall()
    if not keys:
        raise InvalidMapping(
            f"{source.place}: no line is a JSON object; write one object per line, or give the file the ending of its"
            " format",
            field="file",
        )
    used = _used(source, tuple(key for (key,) in keys), nested=True)
    columns = [f"json_extract_string(line, {literal(_path(column))}) AS {quoted(column)}" for column in used]
    connection.execute(f"CREATE TEMP TABLE src AS SELECT {', '.join(['_row', *columns])} FROM lines WHERE good")
    bad = connection.execute("SELECT _row + 1 FROM lines WHERE NOT good AND trim(coalesce(line, '')) <> '' ORDER BY 1")
    broken = tuple((int(line), "is not a JSON object") for (line,) in bad.fetchall())
    connection.execute("DROP TABLE lines")
    check_lines(source.place, broken, _count(connection))
    return OpenFile(dict.fromkeys(used, "VARCHAR"), broken)


def _path(column: str) -> str:
    return "$" + "".join(f'."{part}"' for part in column.replace('"', "").split("."))


def _used(source: Source, there: tuple[str, ...], *, nested: bool = False) -> tuple[str, ...]:
    for column in source.columns:
        if column in there or (nested and column.split(".")[0] in there):
            continue
        raise InvalidMapping(
            f"{source.place} has no column '{column}'; {suggest(column, there, 'its columns are')}", field=column
        )
    return source.columns


def _header(path: Path, source: Source) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter under which the header names most of the source's columns, and the header."""
    record = next(_records(path, source), None)
    if record is None:
        raise InvalidMapping(
            f"{source.place}: the file is empty; it needs a first line with column names", field="file"
        )
    splits = {d: next(csv.reader(io.StringIO(record), delimiter=d), []) for d in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: (len(set(splits[d]) & set(source.columns)), len(splits[d])))
    names = [name.strip() for name in splits[best]]
    for column in source.columns:
        if names.count(column) > 1:
            raise InvalidMapping(
                f"{source.place}: two columns are called '{column}'; rename one in the file", field=column
            )
    return best, tuple(names)


def _records(path: Path, source: Source) -> Iterator[str]:
    with path.open("rb") as stream:
        head = (gzip.GzipFile(fileobj=stream) if path.name.lower().endswith(".gz") else stream).read(_READ)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidMapping(f"{source.place}: the file is UTF-16; save it as UTF-8", field="file")
    line = head.split(b"\n", 1)[0]
    try:
        text = line.decode("utf-8-sig").strip("\r")
    except UnicodeDecodeError:
        raise InvalidMapping(
            f"{source.place}: the first line is not UTF-8; save the file as UTF-8", field="file"
        ) from None
    if text.strip():
        yield text
