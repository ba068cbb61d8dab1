"""What the person who asked is to be told, in one or two sentences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from tillwise.rights.request import Delay, RightsRequest, State


def tell(request: RightsRequest, reasons: Iterable[str]) -> str:
    """Return what the person is to be told now; `reasons` are those of its steps."""
    by, given = _day(request.deadline), set(reasons)
    if request.state is State.REFUSED:
        return "Your request was refused; the receipt names the reason. You may complain to a supervisory authority."
    if request.state is State.DONE:
        return "Your request is answered; the receipt says what was done."
    if request.extended:
        why = next((each.told for each in Delay if each.value in given), "")
        return f"{why} You get an answer by {by}."
    if not request.identity:
        return f"We have your request. First we check that it is you who asks; you get an answer by {by}."
    return f"We have your request, and are working on it; you get an answer by {by}."


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
