"""Item-to-item weights as arrays: row i holds what an action on item i says about other items.

A server reads rows of them with NumPy alone; SciPy, which learning needs for whole matrices, takes half a second to
import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact

if TYPE_CHECKING:
    import scipy.sparse as sp

Files = dict[str, bytes]


class ItemWeights(Protocol):
    """A sparse items × items matrix by rows (CSR): SciPy's, or the arrays of an artifact."""

    @property
    def indptr(self) -> NDArray[Any]:
        """Return where each row begins, items + 1 long."""
        ...

    @property
    def indices(self) -> NDArray[Any]:
        """Return the columns."""
        ...

    @property
    def data(self) -> NDArray[Any]:
        """Return the values."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Return (items, items)."""
        ...


class ItemArrays(NamedTuple):
    """The arrays of an artifact."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]
    shape: tuple[int, int]


def as_matrix(weights: ItemWeights) -> sp.csr_matrix:
    """Return SciPy's matrix of the weights, for learning."""
    import scipy.sparse as sp  # noqa: PLC0415 - see above

    return sp.csr_matrix((weights.data, weights.indices, weights.indptr), shape=weights.shape)


def sparse_files(name: str, weights: ItemWeights) -> Files:
    """Return the three arrays of a sparse matrix as files of an artifact."""
    return {
        f"{name}.data.npy": array_bytes(weights.data.astype(np.float32)),
        f"{name}.indices.npy": array_bytes(weights.indices.astype(np.int32)),
        f"{name}.indptr.npy": array_bytes(weights.indptr.astype(np.int64)),
    }


def read_sparse(artifact: Artifact, name: str, items: int) -> ItemWeights:
    """Return the items × items matrix of an artifact; raise ArtifactDamaged when its arrays do not fit together."""
    data, indices, indptr = (read_array(artifact, f"{name}.{part}.npy") for part in ("data", "indices", "indptr"))
    fits = (
        len(indptr) == items + 1 and int(indptr[-1]) == len(data) == len(indices) and bool(np.all(np.diff(indptr) >= 0))
    )
    if not fits or (len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < items)):
        raise ArtifactDamaged(f"model {artifact.version}: the arrays of {name} do not fit together; train again")
    return ItemArrays(indptr, indices, data, (items, items))
