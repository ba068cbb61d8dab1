"""Reading a mapping file: TOML becomes a Mapping, and every mistake says where it stands and what to write instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tillwise.connectors.mapping import Basis, Feed, Mapping, PurposeBasisText, Source, Task
from tillwise.connectors.mapping_source import read_feeds, read_where
from tillwise.connectors.targets import event_type_of, suggest
from tillwise.connectors.zones import zone_of
from tillwise.errors import InvalidMapping
from tillwise.events.properties import Kind
from tillwise.privacy.ledger import BASES
from tillwise.recipients.vendor import banned
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES

_SOURCE_KEYS: Final = (
    "file", "event", "catalog", "subjects", "one_event_per", "timezone", "timestamp_format", "delay", "where", "negate",
    "columns", "category",
)  # fmt: skip
_SUFFIXES: Final = (".csv", ".parquet", ".jsonl", ".ndjson", ".csv.gz", ".jsonl.gz", ".ndjson.gz")
_PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_DELAY: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_MILLISECONDS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EXAMPLES: Final = {"notice": "privacy-2026-01", "evidence": "account sign-up box"}
_PURPOSES: Final = tuple(purpose.value for purpose in PERSONAL_PURPOSES)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping; raise InvalidMapping naming file, table and key, and what to write instead."""
    try:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except FileNotFoundError:
        raise InvalidMapping(f"{path} does not exist: name a mapping file such as shop.toml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidMapping(f"{path.name} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidMapping(f"{path.name} is not valid TOML: {error}") from None
    known_keys(tables, ("basis", "source", "simulated"), path.name)
    simulated = tables.get("simulated", False)
    if not isinstance(simulated, bool):
        raise InvalidMapping(f"{path.name}: simulated must be true or false", field="simulated")
    written = tables.get("source")
    if not isinstance(written, list) or not written or not all(isinstance(each, dict) for each in written):
        raise InvalidMapping(f"{path.name}: no file is named; add a [[source]] table with file, event and columns")
    basis = _basis(tables["basis"], f"{path.name}, [basis]") if "basis" in tables else None
    sources: list[Source] = []
    for number, table in enumerate(written, 1):
        sources.append(_source(table, f"{path.name}, [[source]] {number}", [source.label for source in sources]))
    return Mapping(path.stem, path.name, path.parent, basis, tuple(sources), simulated)


def known_keys(table: dict[str, Any], known: Iterable[str], place: str) -> None:
    """Raise InvalidMapping for the first key that is not one of `known`."""
    every = tuple(known)
    for key in table:
        if key not in every:
            raise InvalidMapping(f"{place}: there is no key '{key}'; {suggest(key, every, 'write one of')}", field=key)


def _basis(table: Any, place: str) -> Basis:
    if not isinstance(table, dict):
        raise InvalidMapping(f'{place} must be a table with place = "US" and one line per purpose', field="basis")
    known_keys(table, ("place", *_PURPOSES), place)
    where = table.get("place")
    if not isinstance(where, str) or not _PLACE.fullmatch(where):
        raise InvalidMapping(
            f'{place}: place must be a country such as "DE", or with its region "US-CA", not {where!r}', field="place"
        )
    purposes = []
    for name, said in table.items():
        if name != "place":
            purposes.append(_purpose(name, said, f"{place}, {name}"))
    return Basis(where, tuple(purposes))


def _purpose(name: str, said: Any, place: str) -> PurposeBasisText:
    if not isinstance(said, dict):
        raise InvalidMapping(
            f'{place} must be a table such as {{ basis = "notice", notice = "terms-2025" }}', field=name
        )
    known_keys(said, ("basis", "notice", "evidence"), place)
    for key, value in said.items():
        if not isinstance(value, str):
            raise InvalidMapping(f"{place}: {key} must be text in quotes, not {value!r}", field=key)
    basis = said.get("basis", "")
    if basis not in BASES:
        names = ", ".join(sorted(BASES))
        raise InvalidMapping(f"{place}: '{basis}' is no basis; write one of: {names}", field="basis")
    notice, evidence = said.get("notice", "").strip(), said.get("evidence", "").strip()
    if basis == "consent" and not (notice and evidence):
        lacking = "evidence" if notice else "notice"
        raise InvalidMapping(
            f"{place}: a yes nobody here witnessed counts only with the notice it was given on and where its proof lies"
            f'; add {lacking}, such as {lacking} = "{_EXAMPLES[lacking]}"',
            field=lacking,
        )
    return PurposeBasisText(name, basis, said.get("notice", ""), said.get("evidence", ""))


def _source(table: dict[str, Any], place: str, taken: list[str]) -> Source:
    known_keys(table, _SOURCE_KEYS, place)
    file = _file(table.get("file"), place)
    place = f"{place} ({file})"
    _check_category(table.get("category", ""), place)
    task, event = _task(table, place)
    declared = event_type_of(event, place) if task == "event" else None
    zone = zone_of(table["timezone"], place) if "timezone" in table else None
    feeds = read_feeds(table, declared, task, zone, place)
    per = _one_event_per(table, declared is not None, feeds, place)
    label = f"{file}: {event or task}"
    if label in taken:
        label += f" #{sum(each == label or each.startswith(label + ' #') for each in taken) + 1}"
    currency = next((feed.currency for feed in feeds if feed.currency), None)
    return Source(
        label, place, file, task, event, feeds, read_where(table.get("where", []), place), per,
        _delay(table.get("delay", "0s"), place), currency,
    )  # fmt: skip


def _file(file: Any, place: str) -> str:
    if not isinstance(file, str) or not file:
        raise InvalidMapping(f'{place}: file is missing; write file = "orders.csv"', field="file")
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise InvalidMapping(
            f"{place}: file = {file!r} leads out of the data folder; name it from the mapping's folder", field="file"
        )
    if not file.lower().endswith(_SUFFIXES):
        raise InvalidMapping(
            f"{place}: {file!r} has no known format; use a file ending in {', '.join(_SUFFIXES)}", field="file"
        )
    return file


def _check_category(category: Any, place: str) -> None:
    """Refuse a file that is said to hold what may never come in; `category` is a key as vendors' records use them."""
    if not isinstance(category, str):
        raise InvalidMapping(f"{place}: category must be text in quotes, not {category!r}", field="category")
    if why := banned(category):
        raise InvalidMapping(f"{place}: category '{category}' may not be imported: {why}", field="category")


def _task(table: dict[str, Any], place: str) -> tuple[Task, str]:
    given = [key for key in ("event", "catalog", "subjects") if key in table]
    if len(given) != 1:
        raise InvalidMapping(
            f'{place}: say once what its rows are: event = "Order Completed", catalog = true or subjects = true',
            field="event",
        )
    if given[0] == "event":
        if not isinstance(table["event"], str):
            raise InvalidMapping(f'{place}: event must be a name such as "Order Completed"', field="event")
        return "event", table["event"]
    if table[given[0]] is not True:
        raise InvalidMapping(f"{place}: {given[0]} must be true", field=given[0])
    return ("catalog" if given[0] == "catalog" else "subjects"), ""


def _one_event_per(table: dict[str, Any], is_event: bool, feeds: tuple[Feed, ...], place: str) -> tuple[str, ...]:  # noqa: FBT001
    written = table.get("one_event_per")
    if written is None:
        return ()
    place = f"{place}, one_event_per"
    if not is_event:
        raise InvalidMapping(f"{place}: only a source with an event has it; take it out", field="one_event_per")
    if not isinstance(written, list) or not written or not all(isinstance(each, str) for each in written):
        raise InvalidMapping(f'{place} must be a list of properties such as ["order_id"]', field="one_event_per")
    fed = {name: feed for feed in feeds if not feed.line for name in (feed.target, feed.name)}
    for each in written:
        if each not in fed:
            raise InvalidMapping(
                f"{place}: '{each}' is not fed by a column; {suggest(each, tuple(fed), 'write one of')}", field=each
            )
        if fed[each].kind is Kind.MONEY:
            raise InvalidMapping(f"{place}: '{each}' is an amount and names no event; write an id", field=each)
    return tuple(dict.fromkeys(fed[each].name for each in written))


def _delay(written: Any, place: str) -> int:
    match = _DELAY.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise InvalidMapping(
            f'{place}: delay must be a number with s, m, h or d, such as "7d", not {written!r}', field="delay"
        )
    return int(match[1]) * _MILLISECONDS[match[2]]
