"""A model on disk: named bytes and a manifest, called by the hash of both. Loading one runs no code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tillwise.errors import ArtifactDamaged
from tillwise.vocabulary.canonical import Json, canonical, digest

_NAME = re.compile(r"[a-z0-9_.-]{1,80}")
_VERSION = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model's files (native tree text, `.npy` arrays without objects, JSON) and its manifest.

    The manifest holds what decides its answers: kind, use case, columns, feature hash, parameters, seed, data window.
    """

    manifest: Json
    files: Mapping[str, bytes]

    @property
    def version(self) -> str:
        """Return the content name: the hash of the manifest and of every file's hash."""
        return digest(self._index())

    def _index(self) -> bytes:
        return canonical(
            {"manifest": self.manifest, "files": {name: digest(data) for name, data in self.files.items()}}
        )

    def save(self, folder: Path) -> Path:
        """Write the artifact below `folder`, whole or not at all; return its own folder.

        What is there already is compared byte for byte, and each file that differs is replaced at once: a damaged model
        is mended by making it again, also under a server that reads it.
        """
        content = {**self.files, "index.json": self._index()}
        for name in content:
            if not _NAME.fullmatch(name):
                raise ArtifactDamaged(f"'{name}' is no file name for an artifact: use a-z, 0-9, '_', '.', '-'")
        target = folder / self.version.removeprefix("sha256:")
        if not target.exists():
            _write_new(target, content)
        elif damaged := {name: data for name, data in content.items() if not _holds(target / name, data)}:
            _mend(target, damaged)
        return target

    @classmethod
    def load(cls, folder: Path, version: str) -> Artifact:
        """Read an artifact back; raise ArtifactDamaged when a file is missing or any bit differs from its name."""
        if not _VERSION.fullmatch(version):
            raise ArtifactDamaged(f"'{version[:80]}' is no model version: expected sha256: and 64 hex digits")
        place = folder / version.removeprefix("sha256:")
        try:
            index = (place / "index.json").read_bytes()
            if digest(index) != version:
                raise ArtifactDamaged(f"model {version}: index.json does not match its name; restore it or train again")
            content = msgspec.json.decode(index)
            files = {name: (place / name).read_bytes() for name in content["files"]}
        except OSError as error:
            raise ArtifactDamaged(
                f"model {version}: cannot read {error.filename}; restore it or train again"
            ) from error
        for name, data in files.items():
            if digest(data) != content["files"][name]:
                raise ArtifactDamaged(f"model {version}: {name} was changed on disk; restore it or train again")
        return cls(manifest=content["manifest"], files=files)


def _write_new(target: Path, content: Mapping[str, bytes]) -> None:
    """Write the files into a folder of another name, and give it its own when all of them are durable."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        _write_durably(partial / name, data)
    os.replace(partial, target)
    _sync_folder(target)
    _sync_folder(target.parent)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False  # missing or unreadable: written again, which says what is wrong if that fails too


def _mend(target: Path, damaged: Mapping[str, bytes]) -> None:
    """Replace files one by one: whoever reads meanwhile finds the damaged bytes or the right ones, never a part."""
    for name, data in damaged.items():
        partial = target / f".{name}.{os.getpid()}"
        _write_durably(partial, data)
        os.replace(partial, target / name)
    _sync_folder(target)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a release must never name a model that a power cut takes away."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
