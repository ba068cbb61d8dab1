"""Reasons in plain words, from exact contributions."""
