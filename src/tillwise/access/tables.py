"""The tables of this room: keys, people, grants, duties, sign-in, and who read what.

The audit log's tables come with them, because every act on keys, people and grants is entered there.
"""

from __future__ import annotations

from typing import Final

from tillwise.audit import log

_CALLERS: Final = (
    "CREATE TABLE IF NOT EXISTS keys (key_id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL,"
    " scopes TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, last_used INTEGER, revoked INTEGER)"
    " STRICT",
    # `login` is an e-mail address or a user name, case folded. `generation` grows with every new password.
    "CREATE TABLE IF NOT EXISTS people (person_id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " password TEXT, generation INTEGER NOT NULL, created INTEGER NOT NULL, disabled INTEGER, last_seen INTEGER)"
    " STRICT",
    "CREATE TABLE IF NOT EXISTS grants (grant_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, role TEXT NOT NULL,"
    " given INTEGER NOT NULL, expires INTEGER NOT NULL, renewed INTEGER, revoked INTEGER, last_used INTEGER) STRICT",
    "CREATE INDEX IF NOT EXISTS grants_person ON grants (person_id)",
    "CREATE TABLE IF NOT EXISTS duties (duty TEXT NOT NULL, person_id TEXT NOT NULL, given INTEGER NOT NULL,"
    " ended INTEGER) STRICT",
)
_SIGN_IN: Final = (
    "CREATE TABLE IF NOT EXISTS password_links (hash BLOB PRIMARY KEY, person_id TEXT NOT NULL, expires INTEGER"
    " NOT NULL) STRICT, WITHOUT ROWID",
    # `name` is a keyed hash of a login or an address: what somebody typed is never stored.
    "CREATE TABLE IF NOT EXISTS sign_in_tries (name BLOB PRIMARY KEY, failed INTEGER NOT NULL, since INTEGER NOT NULL,"
    " locked INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ended_sessions (session_id TEXT PRIMARY KEY, ends INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID",
)
_READS: Final = (
    "CREATE TABLE IF NOT EXISTS access_reads (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, who TEXT NOT NULL,"
    " what TEXT NOT NULL, purpose TEXT NOT NULL, reason TEXT NOT NULL, people INTEGER NOT NULL, decision_id TEXT,"
    " salt BLOB, leaf BLOB) STRICT",
    "CREATE INDEX IF NOT EXISTS access_reads_who ON access_reads (who, wall)",
    "CREATE INDEX IF NOT EXISTS access_reads_wall ON access_reads (wall)",
    "CREATE INDEX IF NOT EXISTS access_reads_decision ON access_reads (decision_id) WHERE decision_id IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS access_read_people (read_id INTEGER NOT NULL, subject INTEGER NOT NULL,"
    " salt BLOB, leaf BLOB, PRIMARY KEY (read_id, subject)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS access_read_people_subject ON access_read_people (subject)",
)
TABLES: Final = (*_CALLERS, *_SIGN_IN, *_READS, *log.TABLES)
