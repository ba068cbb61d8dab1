"""Released models in memory: loaded once, checked against their names, asked on every decision."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tillwise.errors import ArtifactDamaged, NotReleased
from tillwise.models.artifact import Artifact
from tillwise.models.loading import load_model
from tillwise.models.tabular import TabularModel
from tillwise.releases.releases import Release, Releases
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

KEPT: Final = 16
"""Versions held in memory at most: those in force, and the latest ones replays asked for."""
RETRY_SECONDS: Final = 5.0
"""How long a damaged model is not read from disk again, and how old readyz's own look at the disk may be."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A release with its model, ready to answer. `released` is the wall clock in Unix milliseconds."""

    version: str
    features: str
    released: int
    model: Any
    release: Release


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    features: str


class ModelCache:
    """The models of one process. The releases table is read in the decision's own snapshot, one indexed row each."""

    def __init__(self, releases: Releases, folder: Path) -> None:
        """`folder` holds the artifacts."""
        self._releases = releases
        self._folder = folder
        self._loading = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}
        self._broken: dict[str, tuple[float, str]] = {}
        self._in_force: dict[str, InForce] = {}
        self._looked: dict[str, tuple[float, str | None]] = {}

    def current(self, snapshot: Snapshot, use_case: str) -> InForce | None:
        """Return who answers; None when nothing is released, the rules answer, or an override has ended.

        Raises ArtifactDamaged when the released model cannot be read. Once loaded, a model answers from memory,
        whatever happens to its files.
        """
        number = self._releases.latest(snapshot, use_case)
        known = self._in_force.get(use_case)
        if known is None or known.release.number != number:
            release = self._releases.current(snapshot, use_case) if number else None
            if release is None or release.version is None:
                return None
            loaded = self._load(release.version)
            known = InForce(release.version, loaded.features, release.wall, loaded.model, release)
            self._in_force[use_case] = known
        return None if _ended(known.release) else known

    def required(self, snapshot: Snapshot, use_case: str) -> InForce:
        """Return who answers; raise NotReleased when nobody may."""
        known = self.current(snapshot, use_case)
        if known is None:
            raise NotReleased(f"nothing is released for {use_case}: run `tillwise train {use_case}`")
        return known

    def load(self, version: str) -> Any:
        """Return a model by its name, released or not; raise ArtifactDamaged when it is missing or broken."""
        return self._load(version).model

    def problems(self, snapshot: Snapshot) -> dict[str, str]:
        """Return what is wrong, by use case: damaged or missing files (looked at on disk), ended overrides.

        Everything sound is loaded on the way: a server asks before its first decision, and readyz keeps it warm.
        """
        found: dict[str, str] = {}
        for release in self._releases.in_force(snapshot):
            if release.version is None:
                continue
            if _ended(release):
                found[release.use_case] = f"{release.use_case}: the override of its release has ended; the rules answer"
                continue
            problem = self._look(release.version)
            if problem is not None:
                found[release.use_case] = f"{release.use_case}: {problem}"
        return found

    def _load(self, version: str) -> _Loaded:
        loaded = self._loaded.get(version)
        if loaded is not None:
            return loaded
        with self._loading:
            if version in self._loaded:
                return self._loaded[version]
            failed = self._broken.get(version)
            if failed is not None and time.monotonic() < failed[0]:
                raise ArtifactDamaged(failed[1])
            try:
                artifact = Artifact.load(self._folder, version)
                model = load_model(artifact)
                if isinstance(model, TabularModel):
                    model.ready()
                loaded = _Loaded(model, str(artifact.manifest.get("features", "")))
            except ArtifactDamaged as error:
                self._broken[version] = (time.monotonic() + RETRY_SECONDS, str(error))
                raise
            self._broken.pop(version, None)
            for old in list(self._loaded)[: max(0, len(self._loaded) + 1 - KEPT)]:
                del self._loaded[old]
            self._loaded[version] = loaded
            return loaded

    def _look(self, version: str) -> str | None:
        now = time.monotonic()
        until, problem = self._looked.get(version, (0.0, None))
        if now < until:
            return problem
        try:
            Artifact.load(self._folder, version)
            self._load(version)
            problem = None
        except ArtifactDamaged as error:
            problem = str(error)
        self._looked = {**self._looked, version: (now + RETRY_SECONDS, problem)}
        return problem


def _ended(release: Release) -> bool:
    return release.expires is not None and wall_now() >= release.expires
