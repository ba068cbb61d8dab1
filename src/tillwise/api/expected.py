"""What a field of a body should hold, in words: the choices of a closed list, or what its format stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import inspect

MOST_CHOICES: Final = 20
"""A longer list is no help in an error; what it stands for is."""


def expected_at(declared: Any, path: str) -> str:
    """Return what belongs at a path such as `place.country` or `cart[].quantity`; empty when nothing is said of it."""
    kinds = [inspect.type_info(declared)]
    for part in path.split("."):
        name, bracket, _ = part.partition("[")
        kinds = [inner for kind in kinds for inner in _fields(kind, name)]
        if bracket:
            kinds = [inner for kind in kinds for inner in _items(kind)]
    said = [text for kind in kinds for text in _said(kind)]
    return said[0] if said else ""


def _plain(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the alternatives of a type, without what is said about them."""
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _plain(each)
    elif isinstance(kind, inspect.Metadata):
        yield from _plain(kind.type)
    else:
        yield kind


def _fields(kind: inspect.Type, name: str) -> Iterator[inspect.Type]:
    for each in _plain(kind):
        if isinstance(each, inspect.StructType):
            yield from (field.type for field in each.fields if field.encode_name == name)


def _items(kind: inspect.Type) -> Iterator[inspect.Type]:
    for each in _plain(kind):
        if isinstance(each, inspect.ListType):
            yield each.item_type


def _said(kind: inspect.Type) -> Iterator[str]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _said(each)
    elif isinstance(kind, inspect.Metadata):
        if described := (kind.extra_json_schema or {}).get("description"):
            yield str(described)
        yield from _said(kind.type)
    elif isinstance(kind, inspect.LiteralType) and len(kind.values) <= MOST_CHOICES:
        yield f"one of {', '.join(str(value) for value in kind.values)}"
