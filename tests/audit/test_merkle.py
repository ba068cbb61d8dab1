"""The tree of RFC 6962, against its own recursive definition and against tampering."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)


def definition(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) written as the RFC writes it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(definition(leaves[:split]), definition(leaves[split:]))


sizes = st.integers(min_value=1, max_value=70)


def tree(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


@given(sizes)
def test_the_root_is_the_rfcs(size: int) -> None:
    """However the leaves arrive, the root is MTH(D[n])."""
    leaves = tree(size)
    assert root_of(leaves) == definition(leaves)
    assert Frontier().extend(leaves[: size // 2]).extend(leaves[size // 2 :]).root == definition(leaves)


@given(sizes, st.data())
def test_inclusion_proofs_prove_and_forged_ones_do_not(size: int, data: st.DataObject) -> None:
    """A path proves its own leaf at its own place, and nothing else."""
    leaves = tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    root = root_of(leaves)
    assert verify_inclusion(leaves[index], index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, [*proof, root], root)
    if size > 1:
        assert not verify_inclusion(leaves[index], (index + 1) % size, size, proof, root)


@settings(max_examples=200)
@given(sizes, st.data())
def test_consistency_proofs_prove_appending_only(size: int, data: st.DataObject) -> None:
    """A longer log proves that it kept every older leaf; a rewritten one cannot."""
    leaves = tree(size)
    old = data.draw(st.integers(1, size))
    proof = consistency_proof(leaves, old)
    assert verify_consistency(old, size, root_of(leaves[:old]), root_of(leaves), proof)
    rewritten = [leaf_hash(b"forged"), *leaves[1:]]
    assert not verify_consistency(
        old, size, root_of(leaves[:old]), root_of(rewritten), consistency_proof(rewritten, old)
    )


def test_whole_blocks_give_the_same_tree() -> None:
    """However many leaves come at once, and wherever the tree stood, root and frontier are those of one by one."""
    leaves = tree(9_000)
    for cut in (0, 1, 7, 4_095, 4_096, 5_000, 8_999):
        grown = Frontier().extend(leaves[:cut]).extend_packed(b"".join(leaves[cut:]))
        assert grown == Frontier().extend(leaves)
    assert Frontier().extend(leaves).root == definition(leaves)
