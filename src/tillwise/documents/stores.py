"""What every column and file of a shop is: the declarations in `stores.toml`, and what stands in a real shop."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from tillwise.errors import ConfigurationError
from tillwise.events.properties import Sensitivity
from tillwise.vocabulary.store import Snapshot

FACT: Final = "fact"
"""The class of columns whose tags come from the event properties that feed them."""
_COLUMNS: Final = (
    "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    " AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY m.name, c.cid"
)


@dataclass(frozen=True, slots=True)
class Tag:
    """What a kind of column is."""

    name: str
    category: str
    sensitivity: Sensitivity
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A declared table, or (with one column of no name) a declared file; `columns` maps a name to its tag."""

    name: str
    holds: str
    about: str
    source: str
    why: str
    columns: Mapping[str, Tag]


@cache
def tables() -> Mapping[str, Table]:
    """Return every declared table; raise ConfigurationError naming a broken declaration."""
    declared, tags = _declared()
    found: dict[str, Table] = {}
    for name, said in declared["tables"].items():
        for each in (name, *said.get("copies", ())):
            columns = {
                column: _tag(tags, kind, f"{name}.{column}")
                for column, _, kind in (part.partition(":") for part in said["columns"].split())
            }
            found[each] = Table(each, said["holds"], said["about"], said["source"], said["why"], columns)
    return found


@cache
def kept_files() -> Mapping[str, Table]:
    """Return every declared file or folder (ending with `/`) of a shop."""
    declared, tags = _declared()
    return {
        name: Table(name, said["holds"], said["about"], said["source"], "", {"": _tag(tags, said["class"], name)})
        for name, said in declared["files"].items()
    }


def columns_in(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the columns of every table that really stands in a shop's store."""
    found: dict[str, tuple[str, ...]] = {}
    for table, column in snapshot.all(_COLUMNS):
        found[table] = (*found.get(table, ()), column)
    return found


def undeclared(snapshot: Snapshot) -> list[str]:
    """Return `table.column` for every column that nobody said anything about."""
    known = tables()
    return [
        f"{table}.{column}"
        for table, columns in columns_in(snapshot).items()
        for column in columns
        if table not in known or column not in known[table].columns
    ]


@cache
def _declared() -> tuple[dict[str, Any], dict[str, Tag]]:
    declared: dict[str, Any] = tomllib.loads(files("tillwise.documents").joinpath("stores.toml").read_text("utf-8"))
    tags = {
        name: Tag(name, category, Sensitivity(level) if level else Sensitivity.PSEUDONYMOUS, meaning)
        for name, (category, level, meaning) in declared["classes"].items()
    }
    return declared, tags


def _tag(tags: Mapping[str, Tag], name: str, where: str) -> Tag:
    if name not in tags:
        raise ConfigurationError(f"stores.toml, {where}: '{name}' is no class; use one of {', '.join(tags)}")
    return tags[name]
