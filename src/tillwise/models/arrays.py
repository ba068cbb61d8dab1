"""Arrays in an artifact: the `.npy` format without objects, which holds numbers and nothing that could run."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.artifact import Artifact


def array_bytes(array: NDArray[Any]) -> bytes:
    """Return the `.npy` bytes of an array of numbers; the same numbers have the same bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def read_array(artifact: Artifact, name: str) -> NDArray[Any]:
    """Return the array of an artifact's file; raise ArtifactDamaged when it is missing or is no array of numbers."""
    try:
        return np.lib.format.read_array(io.BytesIO(artifact.files[name]), allow_pickle=False)
    except (KeyError, ValueError, EOFError) as error:
        raise ArtifactDamaged(f"model {artifact.version}: {name} is no array of numbers; train again") from error
