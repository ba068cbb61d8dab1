"""The OpenAPI 3.1 document, written from the same table of routes and the same types that serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tillwise.api.problem import PROBLEM, TITLES, Problem
from tillwise.api.route import CONSOLE, JSON, OPERATOR, PUBLIC, Call, Reply, Route, shown_by
from tillwise.vocabulary.canonical import Json

_REF: Final = "#/components/schemas/{name}"
_DESCRIPTION: Final = (
    "Events in, decisions out. Money in decision routes is in integer minor units; tracking routes take Segment's"
    " decimal major units. Errors are RFC 9457 problem documents. A decision route answers 200 with an honest"
    " degraded reason where it could not do better."
)


def describe(routes: tuple[Route, ...], version: str) -> Json:
    """Return the OpenAPI document of these routes."""
    shown = [route for route in routes if route.shown and route.scope != CONSOLE]
    schemas, components = _schemas(shown)
    paths: dict[str, Json] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tillwise",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of the shop"},
                "writeKey": {"type": "http", "scheme": "basic", "description": "The key as user name, no password"},
            },
        },
    }


def _schemas(routes: Iterable[Route]) -> tuple[dict[Any, Json], Json]:
    """Return the schema of each declared type, and the named parts they refer to."""
    types: list[Any] = [Problem]
    for route in routes:
        for declared in (route.takes, route.gives, *route.also.values()):
            if declared is not None and not isinstance(declared, dict) and declared not in types:
                types.append(declared)
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, found, strict=True)), components


def _schema(declared: Any, schemas: dict[Any, Json]) -> Json:
    return declared if isinstance(declared, dict) else schemas[declared]


def _operation(route: Route, schemas: dict[Any, Json]) -> Json:
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.room],
        "responses": _responses(route, schemas),
    }
    if route.scope not in (PUBLIC, OPERATOR):
        operation["security"] = [{"writeKey": []}, {"key": []}] if route.tracking else [{"key": []}]
        operation["x-scope"] = route.scope
        if shown := shown_by(route):
            operation["x-shows"] = sorted(shown)
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.takes is not None:
        media: Json = {"schema": _schema(route.takes, schemas)}
        if route.example is not None:
            media["example"] = route.example
        operation["requestBody"] = {"required": True, "content": {JSON: media}}
    return operation


def _operation_id(route: Route) -> str:
    words = route.path.replace("{", "").replace("}", "").strip("/").replace("/", "_").replace(".", "_")
    return f"{route.method.lower()}_{words or 'start'}"


def _parameters(route: Route) -> list[Json]:
    return [
        {
            "name": p.name,
            "in": p.where,
            "required": p.where == "path",
            "description": p.meaning,
            "schema": dict(p.schema),
        }
        for p in route.parameters
    ]


def _responses(route: Route, schemas: dict[Any, Json]) -> Json:
    good: Json = {"description": "Done"}
    if route.gives is not None:
        good["content"] = {JSON: {"schema": _schema(route.gives, schemas)}}
    elif route.media:
        good["content"] = {route.media.partition(";")[0]: {"schema": {"type": "string"}}}
    responses: Json = {"200": good}
    for status, declared in route.also.items():
        responses[str(status)] = {
            "description": TITLES[status], "content": {JSON: {"schema": _schema(declared, schemas)}},
        }  # fmt: skip
    own = {400, 413, *route.problems}
    if route.scope != PUBLIC:
        own |= {401, 403}
    for status in sorted(own - set(route.also)):
        responses[str(status)] = {
            "description": TITLES[status], "content": {PROBLEM: {"schema": schemas[Problem]}},
        }  # fmt: skip
    return responses


def openapi_route(described: Json) -> Route:
    """Return the route that shows the document."""
    body = msgspec.json.encode(described)

    async def show(_: Call) -> Reply:
        return Reply(body)

    return Route("GET", "/openapi.json", PUBLIC, show, "This description", "Running it", shown=False)
