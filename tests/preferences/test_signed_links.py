"""Links: for one person, 15 minutes, gone from the address at once; forged, late or somebody else's open nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knocking import Client
from people import ANNA, Visit, decide, live, minted, visit
from toy_shop import SECRETS, ToyShop

from tillwise.access.reads import reads_about
from tillwise.events.people import find_pseudonym
from tillwise.preferences.language import language_for
from tillwise.preferences.link import LIFE, Links, Use
from tillwise.preferences.session import LONGEST, Sessions
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import wall_now

NOW = 1_800_000_000_000


def test_a_link_needs_the_privacy_scope_and_one_person(client: Client) -> None:
    """Only the shop's own server mints, and never for two people or nobody."""
    for role in ("browser", "server", "decide"):
        assert client.post("/privacy/links", role=role, json={"subject": ANNA}).status_code == 403
    for body in ({}, {"subject": ANNA, "anonymous_id": "a-1"}, {"subject": ANNA, "language": "xx"}):
        assert client.post("/privacy/links", role="privacy", json=body).status_code == 422


def test_an_opened_link_leaves_no_token_in_the_address(client: Client) -> None:
    """The answer to the link is a redirect with a cookie; what the browser then shows names nobody."""
    answer = client.get(minted(client).partition("8420")[2])
    cookie = answer.headers["set-cookie"]

    assert (answer.status_code, answer.headers["location"]) == (303, "/preferences")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert {"HttpOnly", "SameSite=Lax", "Path=/preferences"} <= {part.strip() for part in cookie.split(";")}
    assert int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 15 * 60
    assert ANNA not in cookie
    assert ANNA not in minted(client)


def test_links_that_open_nothing_say_so_kindly(client: Client) -> None:
    """Forged, changed, ended, minted for the banner, or by another shop: 403 and a page, in the reader's language."""
    good = minted(client).rpartition("=")[2]
    changed = ("B" if good[0] == "A" else "A") + good[1:]
    late, _ = Links(SECRETS).mint(ANNA, wall_now() - LIFE)
    foreign, _ = Links(Secrets(b"x" * 32)).mint(ANNA, wall_now())
    banner, _ = Links(SECRETS).mint(ANNA, wall_now(), use=Use.BANNER)
    for text in ("", "abc", good[:-2], changed, late, foreign, banner, "é"):
        answer = client.get(f"/preferences/open?link={text}", headers={"accept-language": "de"})
        assert answer.status_code == 403
        assert "Dieser Link öffnet nichts" in answer.text
        assert "set-cookie" not in answer.headers
    assert "15 Minuten" in client.get(f"/preferences/open?link={late}", headers={"accept-language": "de"}).text


def test_without_a_session_no_page_shows_anything(client: Client) -> None:
    """Every page and every form asks for the session first."""
    for path in ("", "/why", "/history", "/rights", "/erase", "/notice/n-1"):
        assert client.get(f"/preferences{path}").status_code == 403
    for path in ("/choice", "/remove", "/correct", "/ask", "/download", "/erase", "/leave"):
        assert client.post(f"/preferences{path}", data={"form": "x"}).status_code == 403


def test_a_form_of_another_page_changes_nothing(client: Client, shop: ToyShop) -> None:
    """Without the token of this very session, or sent by another site, a form is refused."""
    anna, other = visit(client), visit(client)
    say = {"purpose": "recommend", "say": "yes"}
    stolen = other.token()

    assert anna.post("/preferences/choice", say, token=stolen).status_code == 403
    assert anna.post("/preferences/choice", say, token="").status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"origin": "null", "sec-fetch-site": "cross-site"}):
        foreign = Visit(client, headers, anna.cookie)
        assert foreign.post("/preferences/choice", say).status_code == 403
    assert decide(client)["degraded"] == "no_consent"


def test_nobody_reaches_what_is_somebody_elses(client: Client, shop: ToyShop) -> None:
    """Requests, decisions, events and notices of others are not there."""
    live(shop, "u-other")
    other, anna = visit(client, subject="u-other"), visit(client)
    receipt = other.post("/preferences/ask", {"kind": "objection"}).text
    request_id = receipt.partition('class="quiet small">')[2].partition("<")[0].strip()
    decision = decide(client, "u-other")["decision_id"]
    event = other.get("/preferences/history").text.partition('name="event" value="')[2].partition('"')[0]

    assert len(request_id) == 36
    assert anna.get(f"/preferences/rights?request={request_id}").status_code == 403
    assert anna.post("/preferences/ask", {"kind": "human_review", "decision": decision}).status_code == 404
    assert anna.post("/preferences/remove", {"event": event}).status_code == 404
    assert anna.get("/preferences/notice/n-0123456789abcdef").status_code == 404


def test_a_session_ends_by_itself_and_when_it_is_left(client: Client) -> None:
    """15 minutes after the last click, two hours after the first, or at once."""
    sessions = Sessions(SECRETS)
    link = Links(SECRETS).read(Links(SECRETS).mint(ANNA, NOW)[0])
    assert link is not None
    session = sessions.begin(link, "en", NOW)
    header = sessions.cookie(session, NOW, secure=True)

    assert "Secure" in header
    assert sessions.read(header, NOW + LIFE - 1) == session
    assert sessions.read(header, NOW + LIFE) is None
    assert Sessions(Secrets(b"b" * 32)).read(header, NOW) is None
    assert sessions.renew(session, NOW + LONGEST).ends == NOW + LONGEST

    anna = visit(client)
    left = anna.post("/preferences/leave", {})
    assert "These pages are closed" in left.text
    assert anna.get("/preferences").status_code == 403
    assert "nothing happened for 15 minutes" in anna.get("/preferences").text


def test_minting_and_looking_are_written_down(client: Client, shop: ToyShop) -> None:
    """The access ledger says which key got a link, and that the person looked."""
    visit(client).get("/preferences/history")
    with shop.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, SECRETS, ANNA)
        assert person is not None
        seen = [(read.what, read.who) for read in reads_about(snapshot, person)]

    assert [what for what, _ in seen] == ["POST /privacy/links", "history"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.booleans(), st.text(max_size=300))
def test_what_was_sealed_comes_back_and_nothing_else_opens(who: str, anonymous: bool, noise: str) -> None:
    """Any id survives the way through an address; any other text is nobody's link."""
    links = Links(SECRETS)
    text, ends = links.mint(who, NOW, anonymous=anonymous)
    link = links.read(text)

    assert link is not None
    assert (link.who, link.anonymous, link.ends) == (who, anonymous, ends)
    assert text.isascii()
    assert links.read(noise) is None or noise == text


@pytest.mark.parametrize(("wanted", "accepted", "language"), [
    ("de", "fr", "de"), ("", "fr-CA,fr;q=0.9,en;q=0.8", "fr"), ("", "nl, pt;q=0.5, es;q=0.7", "es"),
    ("", "", "en"), ("xx", "zz", "en"), ("", "de;q=x, pt", "pt"),
])  # fmt: skip
def test_the_language_is_that_of_the_link_else_of_the_browser(wanted: str, accepted: str, language: str) -> None:
    """Accept-Language is read by weight (RFC 9110 12.5.4)."""
    assert language_for(wanted, accepted) == language
