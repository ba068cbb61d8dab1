"""The documents as HTML: fragments for the console, whole self-contained files else; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tillwise.documents.inventory import Field
from tillwise.documents.ropa import Record
from tillwise.privacy.notice import Notice
from tillwise.privacy.wording import words

if TYPE_CHECKING:
    from jinja2 import Environment

_FRAME = (
    "html{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "body{margin:0;background:var(--ground);color:var(--ink)}"
    "main{max-width:76rem;margin:0 auto;padding:2rem 1.5rem 4rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .2rem}*{box-sizing:border-box}:root{color-scheme:light dark}"
)
_KINDS = {
    "property": "Event properties", "feature": "Features", "reading": "Histories read as they are",
    "request": "Values of the request", "computed": "Computed columns", "column": "Columns of the row store",
    "file": "Files and folders",
}  # fmt: skip


@cache
def _templates() -> Environment:
    # Loaded with the first page: a server answers decisions sooner without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("tillwise.documents"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"category": words("en").category, "ask": _ask}
    return environment


def style() -> str:
    """Return the style sheet of the documents."""
    return files("tillwise.documents").joinpath("assets", "documents.css").read_text("utf-8")


def inventory_html(fields: Sequence[Field], flow: str, shop: str, read: int) -> str:
    """Return the inventory as a fragment, below the fragment `flow`; `read` events were looked into."""
    groups: dict[str, dict[str, list[Field]]] = {}
    for field in fields:
        where = field.name.partition(": ")[0] if ": " in field.name else field.name.partition(".")[0]
        if field.kind == "file":
            where = "files"
        groups.setdefault(_KINDS[field.kind], {}).setdefault(where, []).append(field)
    counts: dict[str, int] = {}
    for field in fields:
        counts[field.sensitivity] = counts.get(field.sensitivity, 0) + 1
    return _render("inventory.html", groups=groups, counts=counts, total=len(fields), flow=flow, shop=shop, read=read)


def flow_html(picture: str, cases: Iterable[str]) -> str:
    """Return the picture of the flow as a fragment, with a choice of the use case that stands out."""
    return _render("flow.html", picture=picture, cases=list(cases))


def flow_page(picture: str, cases: Iterable[str]) -> str:
    """Return the flow as a page of its own."""
    return _render("flow_page.html", flow=flow_html(picture, cases))


def record_html(found: Record) -> str:
    """Return the record of processing as a fragment."""
    return _render("record.html", record=found)


def notice_html(notice: Notice) -> str:
    """Return a notice as a fragment: the short layer open, the long one below."""
    return _render("notice.html", notice=notice, parts=[part.split("\n") for part in notice.long.split("\n\n")[1:]])


def whole(title: str, fragment: str, language: str = "en") -> str:
    """Return a fragment as one self-contained document."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(title)}</title>'
        f"<style>{style()}{_FRAME}</style></head><body><main>{fragment}</main></body></html>\n"
    )


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(**values)


def _ask(default: str) -> str:
    asks: Mapping[str, str] = words("en").groups["ask"]
    return asks[default]
