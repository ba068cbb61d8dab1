"""From an artifact to a model: the closed list of kinds stands here, in code, and never in a file."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol

from tillwise.errors import ArtifactDamaged
from tillwise.models.artifact import Artifact
from tillwise.models.baseline import RankedColumnModel, RateModel
from tillwise.models.logistic import LogisticModel
from tillwise.models.ranking.blend import BlendModel
from tillwise.models.tabular import TabularModel


class Loadable(Protocol):
    """A class that can read its own artifacts."""

    kind: ClassVar[str]

    @classmethod
    def load(cls, artifact: Artifact) -> Any:
        """Return the model."""
        ...


KINDS: Final[tuple[type[Loadable], ...]] = (TabularModel, LogisticModel, RateModel, RankedColumnModel, BlendModel)


def load_model(artifact: Artifact) -> Any:
    """Return the model of an artifact, chosen by `manifest["kind"]`.

    Raises ArtifactDamaged when this version of tillwise does not know the kind, or the files do not fit together.
    """
    kind = artifact.manifest.get("kind")
    for known in KINDS:
        if known.kind == kind:
            try:
                return known.load(artifact)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ArtifactDamaged(
                    f"model {artifact.version}: its files do not fit together ({error}); train again"
                ) from error
    raise ArtifactDamaged(f"model {artifact.version} is of the unknown kind '{str(kind)[:40]}'; train again")
