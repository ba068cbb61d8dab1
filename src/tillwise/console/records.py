"""The documents as pages of the console: fragments made below, in the console's own frame."""

from __future__ import annotations

from tillwise.console.bar import Bar
from tillwise.console.pages import moment, render
from tillwise.documents.notices import InForce, NoticeDesk
from tillwise.documents.pages import notice_html
from tillwise.documents.told import compare
from tillwise.privacy.gate import place_of
from tillwise.privacy.wording import LANGUAGES
from tillwise.vocabulary.store import Store


def page(title: str, fragment: str, bar: Bar) -> str:
    """Return a fragment in the console's frame."""
    return render("records.html", shop="", title=title, body=fragment, signed_in=bar)


def problem(text: str) -> str:
    """Return a sentence that says why there is nothing to show."""
    return render("records_problem.html", text=text)


def notices(desk: NoticeDesk, store: Store, place: str, language: str, bar: Bar) -> str:
    """Return the notice in force and the history of its place and language. Raises InvalidInput for a language."""
    notice = desk.current(place_of(place), language)
    with store.snapshot() as snapshot:
        history = desk.history(snapshot, notice.place, notice.language)
    pairs = [(now, history[i + 1] if i + 1 < len(history) else None) for i, now in enumerate(history)]
    body = render(
        "records_notices.html", notice=notice_html(notice), pairs=pairs, place=notice.place,
        language=notice.language, languages=LANGUAGES,
    )  # fmt: skip
    return page("Notices", body, bar)


def difference(before: InForce, after: InForce, bar: Bar) -> str:
    """Return what changed from one notice to another."""
    found = compare(before.told, after.told)
    body = render("records_difference.html", before=before, after=after, found=found, since=moment(after.wall))
    return page("What changed", body, bar)
