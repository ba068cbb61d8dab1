"""A person's data to take elsewhere: one JSON document of everything, and one CSV table per table (GDPR 20)."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any, Final

import msgspec

from tillwise.vocabulary.canonical import Json

EVERYTHING: Final = "everything.json"
_STAMP: Final = (1980, 1, 1, 0, 0, 0)


def as_json(data: Json) -> bytes:
    """Return everything as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def as_files(data: Json) -> dict[str, bytes]:
    """Return the files of an export: everything as JSON, and each table as CSV."""
    tables = {f"{name}.csv": as_csv(rows) for name, rows in _by_table(data).items()}
    return {EVERYTHING: as_json(data), **tables}


def as_zip(data: Json) -> bytes:
    """Return the files of an export as one archive; the same data give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in as_files(data).items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def as_csv(rows: list[Json]) -> bytes:
    """Return rows as CSV with a header of every name that occurs."""
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row if name != "table"))
    table = csv.writer(text)
    table.writerow(names)
    table.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue().encode()


def _by_table(data: Json) -> dict[str, list[Json]]:
    tables: dict[str, list[Json]] = {}
    for holder, rows in data.items():
        for row in rows:
            tables.setdefault(row.get("table", holder), []).append(row)
    return tables


def _cell(value: Any) -> str:
    """Write a value as text that no spreadsheet takes for a formula."""
    text = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
