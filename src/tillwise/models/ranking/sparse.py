"""Item-to-item weights while they are learnt: the strongest of each row, and their place among all items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


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
