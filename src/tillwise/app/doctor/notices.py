"""The notice: does what people are told match what runs, and whose yes has to be renewed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding, day
from tillwise.documents.lineage import PSEUDONYM
from tillwise.documents.uses import uses
from tillwise.privacy.material import covers, read_materials
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.wording import LANGUAGES, words
from tillwise.vocabulary.anonymous import published
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot


def notices(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at the notice in force, the last one shown, words that are missing, and people who wait for renewal."""
    place = app.settings.shop.place or UNKNOWN
    now = app.notices.make(snapshot, place)
    last = app.notices.history(snapshot, place, "en")
    if not last:
        where = "a place nobody named" if place == UNKNOWN else place
        says = f"no notice was ever in force for {where}: nobody can say yes before one is shown"
        yield Finding("warning", "notice", says, "tillwise notice")
    elif last[0].notice_id != now.notice_id:
        says = f"what runs has changed since notice {last[0].notice_id} of {day(last[0].wall)}; its text is out of date"
        yield Finding("warning", "notice", says, "tillwise notice, then tillwise notice diff")
    else:
        yield Finding("fine", "notice", f"{now.notice_id} says what runs, since {day(last[0].wall)}")
    shown = snapshot.one("SELECT id FROM notices_served WHERE place = ? ORDER BY at DESC LIMIT 1", (place,))
    known = {each.notice_id for each in app.notices.history(snapshot, place) if each.language != "en"}
    if shown is not None and shown[0] != now.notice_id and shown[0] not in known:
        says = f"people in {place} were last shown {shown[0]}, not the notice in force"
        yield Finding("warning", "notice", says, f"show them GET /notice again, or tillwise notice --place {place}")
    yield from _words(app)
    yield from _waiting(snapshot)


def _words(app: App) -> Iterator[Finding]:
    for category in sorted({each for use in uses(app.described).values() for each in use.categories} - {PSEUDONYM}):
        lacking = [language for language in LANGUAGES if words(language).category(category) == category]
        if lacking:
            says = f"the notice has no words for {category} in {', '.join(lacking)}"
            yield Finding("warning", "notice", says, "use a key of the fideslang taxonomy below `user`")


def _waiting(snapshot: Snapshot) -> Iterator[Finding]:
    """Count the people whose yes does not cover what a purpose uses today."""
    needed = read_materials(snapshot)
    waiting: Counter[str] = Counter()
    for purpose, material, n in snapshot.all(
        "SELECT c.purpose, c.material, count(*) FROM consents c WHERE c.state = 'given' AND c.seq ="
        " (SELECT max(n.seq) FROM consents n WHERE n.subject = c.subject AND n.purpose = c.purpose)"
        " GROUP BY c.purpose, c.material"
    ):
        if not covers(material, needed.get(Purpose(purpose), "")):
            waiting[purpose] += n
    for purpose, n in sorted(waiting.items()):
        says = (
            f"people: {published(n, n)}, said yes to {purpose} before it used what it uses now; it stays off for them"
        )
        yield Finding("warning", "renewal", says, "show them the notice in force and ask again")
