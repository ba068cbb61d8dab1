"""Only the gate makes permits: no other module of the source may even name the seal."""

from __future__ import annotations

import ast
from pathlib import Path

import tillwise

SOURCE = Path(tillwise.__file__).parent
MAY = {SOURCE / "privacy" / "gate.py", SOURCE / "privacy" / "permit.py"}


def names_the_seal(file: Path) -> bool:
    tree = ast.parse(file.read_text("utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    named = any(
        node.module == "tillwise.privacy.permit" and any(name.name in ("seal", "_GATE", "*") for name in node.names)
        for node in imports
    )
    return named or any(
        isinstance(node, ast.Attribute)
        and node.attr in ("seal", "_GATE")
        and ast.unparse(node.value).endswith("permit")
        for node in ast.walk(tree)
    )


def test_nobody_but_the_gate_names_the_seal() -> None:
    """A Permit stands for the gate's word; whoever could seal one could skip the law."""
    assert [str(file) for file in sorted(SOURCE.rglob("*.py")) if file not in MAY and names_the_seal(file)] == []
    assert names_the_seal(SOURCE / "privacy" / "gate.py")
