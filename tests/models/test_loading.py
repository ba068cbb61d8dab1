"""Answering needs little: no learner, no optimiser and no plotting library is imported to load a model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tillwise.errors import ArtifactDamaged
from tillwise.models.artifact import Artifact
from tillwise.models.loading import KINDS, load_model


def test_a_server_imports_no_learner() -> None:
    """Loading and answering leave lightgbm, scipy.optimize, matplotlib and every data frame package alone."""
    heavy = ("lightgbm", "scipy.optimize", "matplotlib", "pandas", "sklearn", "implicit")
    code = f"import sys, tillwise.releases.cache; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_kinds_are_a_closed_list_of_different_names() -> None:
    """Every kind has one name, and no name in a file can add another."""
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    with pytest.raises(ArtifactDamaged, match="unknown kind"):
        load_model(Artifact({"kind": "builtins.eval"}, {}))


@pytest.mark.parametrize("kind", [known.kind for known in KINDS])
def test_an_empty_artifact_is_damaged(kind: str) -> None:
    """Whatever is missing, the error is ArtifactDamaged."""
    with pytest.raises(ArtifactDamaged):
        load_model(Artifact({"kind": kind}, {}))
