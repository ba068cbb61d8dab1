"""Item-to-item weights as arrays: row i holds what an action on item i says about other items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact

Files = dict[str, bytes]


def strongest(weights: sp.csr_matrix, keep: int) -> sp.csr_matrix:
    """Return the `keep` largest entries of each row by magnitude, columns in order; ties go to the lower column."""
    weights = weights.tocsr()
    weights.sort_indices()
    parts = [_row(weights, row, keep) for row in range(weights.shape[0])]
    sizes = np.array([len(columns) for columns, _ in parts], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    columns = np.concatenate([c for c, _ in parts]) if parts else np.empty(0, dtype=np.int32)
    data = np.concatenate([d for _, d in parts]) if parts else np.empty(0, dtype=np.float32)
    return sp.csr_matrix((data.astype(np.float32), columns.astype(np.int32), offsets), shape=weights.shape)


def _row(weights: sp.csr_matrix, row: int, keep: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    place = slice(weights.indptr[row], weights.indptr[row + 1])
    columns, data = weights.indices[place], weights.data[place]
    if len(columns) > keep:
        least = np.partition(np.abs(data), len(data) - keep)[len(data) - keep]
        above = np.flatnonzero(np.abs(data) > least)
        equal = np.flatnonzero(np.abs(data) == least)[: keep - len(above)]
        chosen = np.sort(np.concatenate([above, equal]))
        columns, data = columns[chosen], data[chosen]
    return columns, data


def placed(weights: sp.csr_matrix, head: NDArray[np.int64], items: int) -> sp.csr_matrix:
    """Return the weights between the items `head` as weights between all items."""
    indptr = np.zeros(items + 1, dtype=np.int64)
    indptr[head + 1] = np.diff(weights.indptr)
    columns = head[weights.indices].astype(np.int32)
    return sp.csr_matrix((weights.data, columns, np.cumsum(indptr)), shape=(items, items))


def sparse_files(name: str, weights: sp.csr_matrix) -> Files:
    """Return the three arrays of a sparse matrix as files of an artifact."""
    return {
        f"{name}.data.npy": array_bytes(weights.data.astype(np.float32)),
        f"{name}.indices.npy": array_bytes(weights.indices.astype(np.int32)),
        f"{name}.indptr.npy": array_bytes(weights.indptr.astype(np.int64)),
    }


def read_sparse(artifact: Artifact, name: str, items: int) -> sp.csr_matrix:
    """Return the items × items matrix of an artifact; raise ArtifactDamaged when its arrays do not fit together."""
    data, indices, indptr = (read_array(artifact, f"{name}.{part}.npy") for part in ("data", "indices", "indptr"))
    fits = (
        len(indptr) == items + 1 and int(indptr[-1]) == len(data) == len(indices) and bool(np.all(np.diff(indptr) >= 0))
    )
    if not fits or (len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < items)):
        raise ArtifactDamaged(f"model {artifact.version}: the arrays of {name} do not fit together; train again")
    return sp.csr_matrix((data, indices, indptr), shape=(items, items))
