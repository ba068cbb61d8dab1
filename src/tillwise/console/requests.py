"""The pages of the data protection officer: what people asked, until when, and one request opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from tillwise.access.roles import need
from tillwise.console import pages
from tillwise.console.bar import REQUESTS, Bar
from tillwise.rights.asked import Asked
from tillwise.rights.deadlines import due
from tillwise.rights.request import DAY, FINAL, HANDED, Delay, Kind, Refusal, RightsRequest
from tillwise.rights.rights import Rights
from tillwise.rights.telling import tell
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds

__all__ = ["REQUEST", "REQUESTS", "RESULT", "request_page", "requests_page"]

REQUEST: Final = need("page request", "requests", "contact", purposes=("data_rights",))
"""One request names who asked. Required role: data protection officer, or the shop's own admin key."""
RESULT: Final = need(
    "page request result", "requests", "contact", "behaviour", "orders", "decisions", "consents", "reviews",
    "payment_device", purposes=("data_rights",),
)  # fmt: skip
REASONS: Final = {
    Refusal.IDENTITY_NOT_PROVEN: "It is not proven who asks",
    Refusal.MANIFESTLY_UNFOUNDED: "It is manifestly unfounded",
    Refusal.EXCESSIVE: "It is excessive, such as the same again and again",
    Refusal.LEGAL_OBLIGATION: "A law obliges us to keep it",
    Refusal.LEGAL_CLAIMS: "It is needed for legal claims",
    Refusal.RIGHTS_OF_OTHERS: "It would harm the rights of others",
    Refusal.RIGHT_DOES_NOT_APPLY: "The right does not apply here",
}
DELAYS: Final = {Delay.COMPLEX: "The request is complex", Delay.MANY_REQUESTS: "There are many requests"}
KINDS: Final = {
    Kind.ACCESS: "Wants to know what is held",
    Kind.RECTIFICATION: "Wants something corrected",
    Kind.ERASURE: "Wants to be erased",
    Kind.PORTABILITY: "Wants a copy to take elsewhere",
    Kind.OBJECTION: "Objects",
    Kind.RESTRICTION: "Wants every use on hold",
    Kind.LIFTING: "Ends the hold",
    Kind.EXPLANATION: "Wants a decision explained",
    Kind.HUMAN_REVIEW: "Wants a person to decide",
}
IRREVERSIBLE: Final = frozenset({Kind.ERASURE, Kind.RECTIFICATION})


@dataclass(frozen=True, slots=True)
class Line:
    """One request in a table: its words for the deadline, and how they are coloured."""

    request: RightsRequest
    says: str
    colour: str
    pending: bool

    @property
    def day(self) -> str:
        """Return the day that counts: by when to answer, or when it was answered."""
        return _day(self.request.deadline if self.request.finished is None else self.request.finished)

    @property
    def kind(self) -> str:
        """Return what is asked, in words."""
        return KINDS[self.request.kind]


def line(request: RightsRequest, wall: Milliseconds) -> Line:
    """Return a request as a table shows it."""
    pending = "pending" in msgspec.json.decode(request.result)
    if request.finished is not None:
        late = request.finished > request.deadline
        return Line(request, "answered late" if late else "answered in time", "bad" if late else "good", pending)
    days = abs(request.deadline - wall) // DAY
    many = f"{days} day{'' if days == 1 else 's'}"
    if request.overdue(wall):
        return Line(request, f"overdue by {many}", "bad", pending)
    return Line(request, f"{many} left", "warn" if request.soon(wall) else "good", pending)


def requests_page(shop: str, rights: Rights, wall: Milliseconds, bar: Bar | None) -> str:
    """Return the page of everything that was asked. It names nobody."""
    waiting = [line(each, wall) for each in rights.requests.open()]
    months = rights.requests.months()
    return pages.render(
        "requests.html", shop=shop, signed_in=bar or True, open=waiting,
        overdue=sum(each.request.overdue(wall) for each in waiting),
        soon=sum(each.request.soon(wall) for each in waiting),
        unchecked=sum(not each.request.identity for each in waiting),
        interrupted=[each for each in waiting if each.pending],
        answered=[line(each, wall) for each in rights.requests.finished(20)],
        months=months, busiest=max((each.received for each in months), default=1),
        renewals=[(each, each.overdue(wall)) for each in rights.renewals()],
    )  # fmt: skip


def request_page(
    shop: str, rights: Rights, request_id: str, wall: Milliseconds, bar: Bar | None, *, may_act: bool, problem: str = ""
) -> str:
    """Return the page of one request; raise NotFound."""
    request = rights.requests.find(request_id)
    asked = rights.requests.asked(request_id)
    until = due(request.place, request.kind, request.received).extended
    open_, steps = request.state not in FINAL, rights.requests.steps(request_id)
    return pages.render(
        "request.html", shop=shop, signed_in=bar or True, line=line(request, wall), request=request,
        asked=_details(asked), steps=steps, tell=tell(request, (each.reason for each in steps)), problem=problem,
        open=open_, may_act=may_act and open_, reasons=_refusals(request, asked), delays=DELAYS,
        extendable=open_ and not request.extended and until is not None and not request.overdue(wall),
        until=until, law=_law(request), irreversible=request.kind in IRREVERSIBLE,
        ready=rights.can_go_on(request, asked), signed=rights.signed(request) if not open_ else None,
        fetch=rights.requests.fetchable(request) if may_act else None, hands_over=request.kind in HANDED,
        result=[] if open_ else _results(msgspec.json.decode(request.result)),
        must_inform=request.kind is Kind.LIFTING and asked is not None and not asked.informed,
    )  # fmt: skip


def _law(request: RightsRequest) -> str:
    return f"{request.law}, place {request.place}" if request.place else request.law


def _refusals(request: RightsRequest, asked: Asked | None) -> dict[Refusal, str]:
    """Return the reasons that may be chosen: an objection to marketing is absolute."""
    absolute = request.kind is Kind.OBJECTION and (asked is None or any(p.value == "marketing" for p in asked.ends))
    return {code: text for code, text in REASONS.items() if not absolute or code is Refusal.IDENTITY_NOT_PROVEN}


def _details(asked: Asked | None) -> list[tuple[str, str]]:
    """Return who asked what, in words; empty when that is not kept any more."""
    if asked is None:
        return []
    said = [("Anonymous id" if asked.anonymous else "Customer", asked.subject)]
    if asked.kind is Kind.OBJECTION:
        said.append(("Against", ", ".join(pages.words(each.value) for each in asked.ends)))
    if asked.decision_id:
        said.append(("Decision", asked.decision_id))
    said += [(f"Correct {pages.words(name)}", f"to {value}") for name, value in asked.corrections.traits.items()]
    said += [("Remove", f"the event at position {seq}") for seq in asked.corrections.remove_events]
    return said + [("Detach", text) for text in asked.corrections.detach]


def _results(result: Json) -> list[tuple[str, str]]:
    """Return what came of a request in a few words each; every count stands in the receipt."""
    said: list[tuple[str, str]] = []
    for name, value in result.items():
        if name in ("rows", "files") and isinstance(value, dict):
            said.append((name, ", ".join(f"{pages.words(each)} {_total(n):,}" for each, n in value.items()) or "none"))
        elif name == "models":
            said.append(("learnt from them", _models(value)))
        elif name in ("erased", "person_informed"):
            said.append((pages.words(name), _day(value)))
        else:
            said.append((pages.words(name), _plain(value)))
    return said


def _total(counts: object) -> int:
    return sum(counts.values()) if isinstance(counts, dict) else int(str(counts))


def _models(models: list[Json]) -> str:
    """Return how many models per use case, and until when those that answer are learnt anew."""
    many: dict[str, int] = {}
    for each in models:
        many[each["use_case"]] = many.get(each["use_case"], 0) + 1
    cases = ", ".join(f"{n} of {pages.words(name)}" for name, n in many.items())
    until = max((each.get("renewal_due", 0) for each in models), default=0)
    return f"{cases}; those that answer are learnt anew by {_day(until)}" if until else cases


def _day(moment: Milliseconds) -> str:
    return pages.moment(moment).partition(",")[0]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{pages.words(str(name))} {_plain(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_plain(each) for each in value) or "none"
    return str(value)
