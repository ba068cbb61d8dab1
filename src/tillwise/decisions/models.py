"""What the road asks of releases: who answers now, and any model by its name."""

from __future__ import annotations

from typing import Any, Protocol

from tillwise.vocabulary.store import Snapshot


class InForce(Protocol):
    """A released model, loaded. `released` is the wall clock in Unix ms, `features` its definition hash."""

    @property
    def version(self) -> str: ...

    @property
    def features(self) -> str: ...

    @property
    def released(self) -> int: ...

    @property
    def model(self) -> Any: ...


class Models(Protocol):
    """Loaded models. Whoever implements it keeps them in memory: it is asked on every decision."""

    def current(self, snapshot: Snapshot, use_case: str) -> InForce | None:
        """Return who answers for a use case, None when nothing is released; raise ArtifactDamaged when it is broken."""
        ...

    def load(self, version: str) -> Any:
        """Return a model by its name, for replay; raise ArtifactDamaged when it is missing or broken."""
        ...
