"""The tables of the event log, and which room writes them.

`facts` is the log for features in order of position; `by_<key>` hold the same rows clustered by a key, so that a
window of one key is one range read. `by_shop`, `by_item` and `by_merchant` are the subject-free stream: they hold no
person-like key at all.
"""

from __future__ import annotations

from typing import Final

from tillwise.events.facts import FACT_COLUMNS, PERSON_KEYS, STREAM_COLUMNS


def _columns(names: tuple[str, ...], required: tuple[str, ...]) -> str:
    return ", ".join(f"{name} INTEGER{' NOT NULL' if name in required else ''}" for name in names)


_ALWAYS = ("epoch", "at", "seq", "line", "type", "purposes", "simulated", "shop")

HEAD: Final = (
    "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL,"
    " at INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT",
    "INSERT INTO head (one, seq, at, epoch) VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING",
)
EVENTS: Final = (
    "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " ts INTEGER NOT NULL, type TEXT NOT NULL, subject INTEGER, anonymous INTEGER, order_ref INTEGER,"
    " purposes INTEGER NOT NULL, simulated INTEGER NOT NULL, body TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS events_subject ON events (subject) WHERE subject IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS events_anonymous ON events (anonymous) WHERE anonymous IS NOT NULL",
)
FACTS: Final = (
    f"CREATE TABLE IF NOT EXISTS facts ({_columns(FACT_COLUMNS, _ALWAYS)}, PRIMARY KEY (seq, line))"
    " STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS facts_order ON facts (order_ref) WHERE order_ref IS NOT NULL",
)
BY_PERSON: Final = tuple(
    f"CREATE TABLE IF NOT EXISTS by_{key} ({_columns(FACT_COLUMNS, (*_ALWAYS, key))},"
    f" PRIMARY KEY ({key}, at, seq, line)) STRICT, WITHOUT ROWID"
    for key in PERSON_KEYS
)
BY_HOT: Final = (
    *(
        f"CREATE TABLE IF NOT EXISTS by_{key} ({_columns(STREAM_COLUMNS, (*_ALWAYS, key))},"
        f" PRIMARY KEY ({key}, at, seq, line)) STRICT, WITHOUT ROWID"
        for key in ("item", "merchant")
    ),
    f"CREATE TABLE IF NOT EXISTS by_shop ({_columns(STREAM_COLUMNS, _ALWAYS)},"
    " PRIMARY KEY (at, seq, line)) STRICT, WITHOUT ROWID",
)
INTAKE: Final = (
    "CREATE TABLE IF NOT EXISTS dedupe (mark BLOB PRIMARY KEY) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS quarantine (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, reason TEXT NOT NULL,"
    " field TEXT NOT NULL, type TEXT, source TEXT, line INTEGER, mark BLOB, parsed TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Apart from the counts, which are the same for the same messages on any day.
    "CREATE TABLE IF NOT EXISTS counted_last (name TEXT PRIMARY KEY, wall INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)
PEOPLE: Final = (
    "CREATE TABLE IF NOT EXISTS subjects (mark BLOB PRIMARY KEY, pseudonym INTEGER NOT NULL UNIQUE,"
    " anonymous INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subject_keys (pseudonym INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT,"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS links (anonymous INTEGER NOT NULL, subject INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY (anonymous, seq)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS links_subject ON links (subject)",
    "CREATE TABLE IF NOT EXISTS traits (subject INTEGER PRIMARY KEY, created INTEGER, country TEXT, body TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",
)
CATALOG: Final = (
    "CREATE TABLE IF NOT EXISTS codes (code INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS items (code INTEGER PRIMARY KEY, item_id TEXT NOT NULL, title TEXT, category TEXT,"
    " brand TEXT, price INTEGER, cost INTEGER, currency TEXT, in_stock INTEGER, active INTEGER NOT NULL DEFAULT 1,"
    " created INTEGER, seq INTEGER NOT NULL, body TEXT NOT NULL, turned INTEGER NOT NULL DEFAULT 0) STRICT",
)
IMPORTS: Final = (
    "CREATE TABLE IF NOT EXISTS imports (mapping TEXT NOT NULL, source TEXT NOT NULL, file TEXT NOT NULL,"
    " epoch INTEGER NOT NULL, accepted INTEGER NOT NULL, duplicate INTEGER NOT NULL, flagged INTEGER NOT NULL,"
    " quarantined INTEGER NOT NULL, PRIMARY KEY (mapping, source)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, mapping TEXT NOT NULL, visible INTEGER NOT NULL,"
    " basis TEXT NOT NULL) STRICT",
)
TABLES: Final = (*HEAD, *EVENTS, *FACTS, *BY_PERSON, *BY_HOT, *INTAKE, *PEOPLE, *CATALOG, *IMPORTS)
