"""An artifact on disk is what its name says, or it is mended by making it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tillwise.errors import ArtifactDamaged
from tillwise.models.artifact import Artifact

ARTIFACT = Artifact({"kind": "rate", "seed": 7}, {"rate.npy": b"\x01\x02\x03", "trees.txt": b"tree\n" * 50})


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("name", ["rate.npy", "trees.txt", "index.json"])
@pytest.mark.parametrize("spoil", [flip, empty, Path.unlink])
def test_making_a_damaged_model_again_mends_it(tmp_path: Path, name: str, spoil: Callable[[Path], None]) -> None:
    """Training gives the same bytes and so the same name: saving looks at what is there, and leaves the card alone."""
    place = ARTIFACT.save(tmp_path)
    (place / "card.json").write_text("{}")
    spoil(place / name)
    with pytest.raises(ArtifactDamaged, match="train again"):
        Artifact.load(tmp_path, ARTIFACT.version)
    assert ARTIFACT.save(tmp_path) == place
    assert Artifact.load(tmp_path, ARTIFACT.version) == ARTIFACT
    assert sorted(file.name for file in place.iterdir()) == ["card.json", "index.json", "rate.npy", "trees.txt"]


def test_a_sound_model_is_left_as_it_is(tmp_path: Path) -> None:
    """Saving again touches no file that a server may be reading."""
    place = ARTIFACT.save(tmp_path)
    for file in place.iterdir():
        os.utime(file, (1, 1))
    assert ARTIFACT.save(tmp_path) == place
    assert {file.stat().st_mtime for file in place.iterdir()} == {1}
    assert [file.name for file in tmp_path.iterdir()] == [place.name]


def test_a_reader_of_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    """A file is replaced as a whole: who has it open meets no half-written bytes."""
    place = ARTIFACT.save(tmp_path)
    flip(place / "trees.txt")
    with (place / "trees.txt").open("rb") as reader:
        first = reader.read(10)
        ARTIFACT.save(tmp_path)
        assert len(first + reader.read()) == 250
    assert Artifact.load(tmp_path, ARTIFACT.version) == ARTIFACT
