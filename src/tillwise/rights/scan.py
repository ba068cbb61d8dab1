"""A byte scan: whether any file of a folder still holds a text, in any of the forms in which texts hide."""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

SIGNED_64: Final = 8
_BATCH: Final = 400


class Hit(NamedTuple):
    """A form of a text, and the file that holds it."""

    form: str
    file: Path


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield a text as it is, in capitals, hexadecimal, base64, and its unkeyed hashes, raw and in hexadecimal."""
    raw = text.encode()
    yield from (("plain", raw), ("upper", text.upper().encode()), ("lower", text.lower().encode()))
    yield "hex", raw.hex().encode()
    for shift in range(3):  # wherever the text starts inside a longer base64 text
        yield "base64", base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
    for algorithm in ("md5", "sha1", "sha256"):
        found = hashlib.new(algorithm, raw, usedforsecurity=False).digest()
        yield algorithm, found
        yield algorithm, found.hex().encode()


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
    forms_ = [(name, base64.b64encode(form).decode()) for name, form in wanted if form]
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tillwise.rights.scan", str(folder)],
        input=json.dumps(forms_), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Hit(name, Path(file)) for name, file in json.loads(done.stdout)]


def look(folder: Path, wanted: Iterable[tuple[str, bytes]]) -> list[Hit]:
    """Return every form found, by reading the files in this process."""
    named = {form: name for name, form in wanted if form}
    texts = sorted(named)
    patterns = [
        re.compile(b"|".join(map(re.escape, texts[start : start + _BATCH]))) for start in range(0, len(texts), _BATCH)
    ]
    hits = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            for pattern in patterns:
                hits += [Hit(named[match[0]], path) for match in pattern.finditer(view)]
    return hits


if __name__ == "__main__":
    asked = [(name, base64.b64decode(form)) for name, form in json.load(sys.stdin)]
    json.dump([(hit.form, str(hit.file)) for hit in look(Path(sys.argv[1]), asked)], sys.stdout)
