"""The API page: the OpenAPI document as a page people can read, without a script and without the network."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tillwise.api.console import page
from tillwise.api.route import HTML, PUBLIC, Call, Reply, Route
from tillwise.console import pages
from tillwise.vocabulary.canonical import Json

_METHODS: Final = ("get", "post", "put", "delete")


def page_route(described: Json) -> Route:
    """Return `/docs`."""

    async def show(_: Call) -> Reply:
        info = described["info"]
        return page(pages.api(_rooms(described), info["description"], info["version"]))

    return Route("GET", "/docs", PUBLIC, show, "This API as a page", "Running it", media=HTML, shown=False)


def _rooms(described: Json) -> list[tuple[str, list[Json]]]:
    """Return the operations by room; a short form stands beside the route it means."""
    rooms: dict[str, list[Json]] = {}
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if method in methods:
                shown = _operation(path, method, methods[method], described)
                room = rooms.setdefault(methods[method]["tags"][0], [])
                twin = next((o for o in room if shown["twin"] and o["summary"] == shown["summary"]
                             and o["fields"] == shown["fields"]), None)  # fmt: skip
                if twin is None:
                    room.append(shown)
                else:
                    twin["others"].append(path)
    return list(rooms.items())


def _operation(path: str, method: str, operation: Json, described: Json) -> Json:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = content.get("example")
    return {
        "method": method.upper(),
        "path": path,
        "others": [],
        "twin": path.startswith("/v1/"),
        "summary": operation["summary"],
        "scope": operation.get("x-scope", ""),
        "fields": _fields(content.get("schema", {}), described),
        "example": "" if example is None else msgspec.json.format(msgspec.json.encode(example), indent=2).decode(),
        "answers": [(status, answer["description"]) for status, answer in operation["responses"].items()],
    }


def _fields(schema: Json, described: Json, prefix: str = "", depth: int = 0) -> list[Json]:
    schema = _resolved(schema, described)
    needed = schema.get("required", ())
    fields: list[Json] = []
    for name, part in schema.get("properties", {}).items():
        inner = _object(part, described)
        whole = _resolved(part, described)
        fields.append(
            {
                "name": prefix + name,
                "type": _type(part, described),
                "meaning": _meaning(whole),
                "required": name in needed,
            }
        )
        if inner is not None and depth < 3:
            fields += _fields(inner, described, f"{prefix}{name}.", depth + 1)
    return fields


def _resolved(schema: Json, described: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Json = described["components"]["schemas"][reference.rpartition("/")[2]]
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _object(part: Json, described: Json) -> Json | None:
    """Return the schema of an object, or of a list's objects, that stands inside a field."""
    for option in (
        part,
        part.get("items", {}),
        *part.get("anyOf", ()),
        *(o.get("items", {}) for o in part.get("anyOf", ())),
    ):
        whole = _resolved(option, described)
        if "properties" in whole:
            return whole
    return None


def _type(part: Json, described: Json) -> str:
    options = [o for o in part.get("anyOf", ()) if o.get("type") != "null"]
    if options and "type" not in part:
        return " or ".join(dict.fromkeys(_type(option, described) for option in options))
    whole = _resolved(part, described)
    if "enum" in whole:
        return " | ".join(str(each) for each in whole["enum"])
    kind: Any = whole.get("type", "any")
    if kind == "array":
        return f"list of {_type(whole.get('items', {}), described)}"
    return str(kind)


def _meaning(whole: Json) -> str:
    options = [o.get("description", "") for o in whole.get("anyOf", ())]
    text = whole.get("description") or next((o for o in options if o), "")
    default = whole.get("default")
    return f"{text}{' · ' if text else ''}default {default}" if default not in (None, {}, []) else text
