"""The page an analyst reads: every feature of a shop, generated from the declarations that compute it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from tillwise.features.feature import DAY, HOUR, MINUTE, Aggregate, FeatureSet, Where

_HEAD: Final = ("name", "meaning", "unit", "of", "over", "of the same", "events", "purposes", "data", "version")
_UNITS: Final = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1000, "second"), (1, "millisecond"))
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem;text-align:left;"
    "vertical-align:top}code{overflow-wrap:anywhere}"
)
_INTRO: Final = (
    "Every value is computed by the same declaration while training and while serving. A window ends at the moment of"
    " the decision and never contains what is being decided; events of the order in question do not count."
)


def feature_page(feature_sets: Iterable[FeatureSet]) -> str:
    """Return the page as Markdown."""
    parts = ["# Features", _INTRO]
    for features in feature_sets:
        parts += [f"## {features.name}", f"Definition `{features.hash}`"]
        if features.aggregates:
            parts.append(_markdown_table(_HEAD, [_row(aggregate) for aggregate in features.aggregates]))
        for title, rows in _others(features):
            parts.append(_markdown_table(("name", "meaning", title), rows))
    return "\n\n".join(parts) + "\n"


def feature_page_html(feature_sets: Iterable[FeatureSet]) -> str:
    """Return the page as one self-contained HTML document."""
    parts = [f"<h1>Features</h1><p>{escape(_INTRO)}</p>"]
    for features in feature_sets:
        parts.append(f"<h2>{escape(features.name)}</h2><p>Definition <code>{features.hash}</code></p>")
        if features.aggregates:
            parts.append(_html_table(_HEAD, [_row(aggregate) for aggregate in features.aggregates]))
        parts += [_html_table(("name", "meaning", title), rows) for title, rows in _others(features)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Features</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def words_for(window: int) -> str:
    """Return a window in words: the largest unit it is a whole number of."""
    for size, name in _UNITS:
        if window % size == 0:
            n = window // size
            return f"{n} {name}" if n == 1 else f"{n} {name}s"
    return f"{window} milliseconds"


def _row(aggregate: Aggregate) -> tuple[str, ...]:
    conditions = "".join(f", {_condition(condition)}" for condition in aggregate.where)
    lines = ", product lines" if aggregate.lines else ""
    return (
        aggregate.name, aggregate.meaning, aggregate.unit,
        aggregate.agg.value if aggregate.of is None else f"{aggregate.agg} of {aggregate.of}",
        words_for(aggregate.window), aggregate.key, ", ".join(aggregate.events) + lines + conditions,
        ", ".join(sorted(aggregate.purposes)), ", ".join(aggregate.categories), str(aggregate.version),
    )  # fmt: skip


def _condition(condition: Where) -> str:
    value = condition.value
    if isinstance(value, int):
        return f"{condition.column} = {value}"
    if condition.op == "between":
        return f"{condition.column} from {value[0]} to {value[1]}"
    return f"{condition.column} one of {', '.join(map(str, value))}"


def _others(features: FeatureSet) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return request values and row expressions, as tables of three columns."""
    meaning = features.meanings
    found: list[tuple[str, list[tuple[str, ...]]]] = []
    if features.request:
        found.append(("from", [(name, meaning.get(name, ""), "the request") for name in features.request]))
    if features.rows:
        found.append(("computed as", [(name, meaning.get(name, ""), text) for name, text in features.rows]))
    return found


def _markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _html_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
