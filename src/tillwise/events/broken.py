"""Why a body is no JSON: a strict decoder says that it is broken, people have to be told where and what to send."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final

from tillwise.errors import InvalidInput

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def broken(body: bytes, error: Exception) -> InvalidInput:
    """Return what is wrong with a body that did not decode: the field where one is to blame, else the place."""
    try:
        found = _fault(json.loads(body), "")
    except json.JSONDecodeError as stopped:
        return InvalidInput(
            f"the body is not valid JSON: {stopped.msg} (line {stopped.lineno}, column {stopped.colno})"
        )
    except UnicodeDecodeError:
        return InvalidInput("the body is not valid UTF-8")
    except RecursionError:
        return InvalidInput("the body is nested too deeply")
    except ValueError:
        found = None
    if found is None:
        return InvalidInput(f"the body is not valid JSON: {error}")
    field, what = found
    return InvalidInput(f"{field or 'the body'} {what}", field=field)


def _fault(value: Any, path: str) -> tuple[str, str] | None:
    """Return the first value that Python's lenient reader takes and JSON has no word for."""
    if isinstance(value, float) and not isfinite(value):
        return path, "is not a finite number: JSON has no NaN and no Infinity, leave it out or send null"
    if isinstance(value, str) and _SURROGATE.search(value):
        return path, "holds half a character (a lone surrogate such as \\ud800): send whole characters as UTF-8"
    if isinstance(value, dict):
        if any(_SURROGATE.search(key) for key in value):
            return path, "has a name with half a character (a lone surrogate): send whole characters as UTF-8"
        inside = ((each, f"{path}.{key}".lstrip(".")) for key, each in value.items())
    elif isinstance(value, list):
        inside = ((each, f"{path}[{index}]") for index, each in enumerate(value))
    else:
        return None
    return next((found for each, where in inside if (found := _fault(each, where)) is not None), None)
