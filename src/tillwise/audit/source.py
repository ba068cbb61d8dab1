"""Tables whose rows enter the log: each row carries a random salt and its leaf, written together with it.

A row's leaf is SHA-256(0x00 ‖ salt ‖ kind ‖ 0x00 ‖ content). The salt is drawn for each row and lies only in it, so
that nobody can guess a content from its leaf once the row is erased. The tree's entry is SHA-256(0x00 ‖ position ‖
leaf), with the position the row was given (8 bytes, big endian): a row cannot be moved, not even into a gap beside it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec

from tillwise.vocabulary.store import Row

SALT_BYTES: Final = 16
_pack: Final = struct.Struct(">q").pack
_encode: Final = msgspec.json.Encoder().encode
_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)


@dataclass(frozen=True)
class Source:
    """A table of entries, in order of `order` (its first column is a position that is never given twice).

    The content of a row is the JSON list of its `head` columns, followed by the bytes of its `body` column.
    `forget` finds rows by the column `found_by`.
    """

    name: str
    table: str
    order: tuple[str, ...]
    head: tuple[str, ...]
    found_by: str
    body: str = ""

    @property
    def position(self) -> str:
        """Return the column the log follows."""
        return self.order[0]

    @cached_property
    def columns(self) -> str:
        """Return what `leaves` needs: salt, leaf, position, body, the head, then the rest of the order."""
        return ", ".join(("salt", "leaf", self.position, self.body or "x''", *self.head, *self.order[1:]))

    @cached_property
    def prefix(self) -> bytes:
        """Return the kind, as it stands before the content in every leaf."""
        return self.name.encode() + b"\x00"

    def key(self, row: Row) -> Row:
        """Return the order columns of a row of `columns`: they name it."""
        return (row[2], *row[4 + len(self.head) :])

    def content(self, row: Row) -> bytes:
        """Return what is hashed of a row of `columns`."""
        return _encode(row[4 : 4 + len(self.head)]) + _bytes(row[3])

    def seal(self, head: Sequence[Any], body: bytes = b"") -> tuple[bytes, bytes]:
        """Return a fresh salt and the leaf of a row that is about to be written."""
        salt = _salt()
        return salt, hashlib.sha256(b"\x00" + salt + self.prefix + _encode(head) + body).digest()

    def seal_row(self, row: Row) -> tuple[bytes, bytes]:
        """Return a fresh salt and the leaf of a row of `columns`, as it was just written."""
        salt = _salt()
        return salt, hashlib.sha256(b"\x00" + salt + self.prefix + self.content(row)).digest()

    def leaves(self, rows: Iterable[Row]) -> list[bytes]:
        """Compute the leaves of rows of `columns` from their contents."""
        sha256, encode, prefix, end = hashlib.sha256, _encode, self.prefix, 4 + len(self.head)
        return [
            sha256(
                b"\x00" + (row[0] or b"") + prefix + encode(row[4:end])
                + (row[3] if row[3].__class__ is bytes else _bytes(row[3]))
            ).digest()
            for row in rows
        ]  # fmt: skip


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""


def entry_hash(position: int, leaf: bytes) -> bytes:
    """Return what stands in the tree for a row at a position."""
    return hashlib.sha256(b"\x00" + _pack(position) + leaf).digest()


def entry_hashes(rows: Iterable[Row], leaves: Iterable[bytes]) -> list[bytes]:
    """Return what stands in the tree for rows of `columns` with these leaves."""
    sha256, pack = hashlib.sha256, _pack
    return [sha256(b"\x00" + pack(row[2]) + leaf).digest() for row, leaf in zip(rows, leaves, strict=True)]


def _salt() -> bytes:
    """Return a random salt. They are drawn for many rows at once: a system call each would cost more than the hash."""
    try:
        return _drawn.pop()
    except IndexError:
        raw = os.urandom(SALT_BYTES * 256)
        _drawn.extend(raw[start : start + SALT_BYTES] for start in range(SALT_BYTES, len(raw), SALT_BYTES))
        return raw[:SALT_BYTES]
