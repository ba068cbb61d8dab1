"""The byte scan finds every form of a text wherever it lies: what it cannot see, no proof of erasure can rest on."""

from __future__ import annotations

import random
from pathlib import Path

from tillwise.rights.scan import CHUNK, forms, key_forms, look, scan


def test_every_form_is_found_at_any_offset(tmp_path: Path) -> None:
    """One file per form, at an odd place among random bytes."""
    draw = random.Random(1)
    wanted = [*forms("canary@example.org"), *key_forms(5017330265795564312), ("short", b"\x01\xfe\x02")]
    for number, (_, form) in enumerate(wanted):
        noise = draw.randbytes(draw.randrange(3_000))
        (tmp_path / f"{number:03d}").write_bytes(noise + form + draw.randbytes(50))
    found = {hit.file.name for hit in scan(tmp_path, wanted)}
    assert found == {f"{number:03d}" for number in range(len(wanted))}


def test_a_text_across_two_steps_is_found(tmp_path: Path) -> None:
    """Files are read piece by piece; a text that lies on the seam counts."""
    for place in (CHUNK - 3, CHUNK - 8, CHUNK, CHUNK + 1):
        (tmp_path / "file").write_bytes(b"\0" * place + b"canary-user-1" + b"\0" * 9)
        assert [hit.form for hit in look(tmp_path, [("plain", b"canary-user-1")])] == ["plain"]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """Random bytes and empty files hold no canary."""
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(random.Random(2).randbytes(100_000))
    assert look(tmp_path, [*forms("canary-user-1"), *key_forms(2**62 + 12345)]) == []
