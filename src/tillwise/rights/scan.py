"""A byte scan: whether any file of a folder still holds a text, in any of the forms in which texts hide."""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNED_64: Final = 8
CHUNK: Final = 1 << 23
"""Bytes looked at in one step."""
_START: Final = 8
"""Forms are looked for by their first eight bytes, all at once; shorter ones one by one."""
_BITS: Final = 22
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


class Hit(NamedTuple):
    """A form of a text, and the file that holds it."""

    form: str
    file: Path


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield a text as it is, in capitals, UTF-16, hexadecimal, base64, and its unkeyed hashes, raw and hexadecimal."""
    raw = text.encode()
    yield from (("plain", raw), ("upper", text.upper().encode()), ("lower", text.lower().encode()))
    yield from (("utf-16", text.encode("utf-16-le")), ("utf-16", text.encode("utf-16-be")))
    yield from (("hex", raw.hex().encode()), ("hex", raw.hex().upper().encode()))
    for shift in range(3):  # wherever the text starts inside a longer base64 text
        encoded = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
        yield "base64", encoded
        yield "base64", encoded.replace(b"+", b"-").replace(b"/", b"_")
    for algorithm in ("md5", "sha1", "sha256"):
        found = hashlib.new(algorithm, raw, usedforsecurity=False).digest()
        yield algorithm, found
        yield algorithm, found.hex().encode()
        yield algorithm, found.hex().upper().encode()


def key_forms(key: int) -> Iterator[tuple[str, bytes]]:
    """Yield a 64-bit key as the row store and Parquet write it (also as a row number), and in decimal."""
    yield "key", key.to_bytes(SIGNED_64, "big", signed=True)
    yield "key", key.to_bytes(SIGNED_64, "little", signed=True)
    if key >= 1 << 56:
        # https://www.sqlite.org/fileformat2.html#varint: eight times seven bits, then eight
        yield "key", bytes([*(key >> 8 + 7 * place & 0x7F | 0x80 for place in range(7, -1, -1)), key & 0xFF])
    yield "key", str(key).encode()


def scan(folder: Path, wanted: Iterable[tuple[str, bytes]]) -> list[Hit]:
    """Return every form found in any file under `folder`: database, write-ahead log, segments, models, reports.

    Another process reads them: one that opens and closes a database it is using by itself loses its locks on it
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    asked = [(name, base64.b64encode(form).decode()) for name, form in wanted if form]
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tillwise.rights.scan", str(folder)],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Hit(name, Path(file)) for name, file in json.loads(done.stdout)]


def look(folder: Path, wanted: Iterable[tuple[str, bytes]]) -> list[Hit]:
    """Return every form found, each once per file, by reading the files in this process."""
    named = {form: name for name, form in wanted if form}
    long = _Starts([form for form in named if len(form) >= _START])
    short = [form for form in named if len(form) < _START]
    hits = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            found = long.found_in(view) | {form for form in short if view.find(form) >= 0}
        hits += [Hit(named[form], path) for form in sorted(found)]
    return hits


class _Starts:
    """Many byte strings, looked for together: a bitmap of their first eight bytes decides where to look closely."""

    def __init__(self, wanted: list[bytes]) -> None:
        self._by_start: dict[int, list[bytes]] = {}
        for form in wanted:
            self._by_start.setdefault(int.from_bytes(form[:_START], "little"), []).append(form)
        self._starts = np.array(sorted(self._by_start), dtype=np.uint64)
        self._marked = np.zeros(1 << _BITS, dtype=np.bool_)
        self._marked[_place(self._starts)] = True

    def found_in(self, view: mmap.mmap) -> set[bytes]:
        found: set[bytes] = set()
        if not len(self._starts):
            return found
        for begin in range(0, len(view) - _START + 1, CHUNK):
            raw = view[begin : begin + CHUNK + _START - 1]
            for offset in range(_START):
                words = np.frombuffer(raw, "<u8", (len(raw) - offset) // _START, offset)
                close = np.flatnonzero(self._marked[_place(words)])
                close = close[np.isin(words[close], self._starts)]
                for word in close.tolist():
                    at = begin + offset + word * _START
                    start = int(words[word])
                    found |= {form for form in self._by_start[start] if view[at : at + len(form)] == form}
        return found


def _place(words: NDArray[Any]) -> NDArray[np.uint64]:
    spread: NDArray[np.uint64] = (words * _SPREAD) >> np.uint64(64 - _BITS)
    return spread


if __name__ == "__main__":
    sent = [(name, base64.b64decode(form)) for name, form in json.load(sys.stdin)]
    json.dump([(hit.form, str(hit.file)) for hit in look(Path(sys.argv[1]), sent)], sys.stdout)
