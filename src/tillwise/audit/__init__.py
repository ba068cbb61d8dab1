"""Proof: a Merkle log nobody can quietly edit."""
