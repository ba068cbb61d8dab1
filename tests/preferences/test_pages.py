"""The pages tell the truth: what the gate would do, what was said and shown, what was removed, what browsers ask."""

from __future__ import annotations

import io
import json
import re
import zipfile
from html import unescape
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from knocking import Client
from people import ANNA, Visit, decide, live, minted, visit
from toy_shop import ORIGIN, SECRETS, ToyShop

from tillwise.events.log import read_head
from tillwise.events.people import find_pseudonym, pseudonym_for, traits_of
from tillwise.privacy import ledger
from tillwise.privacy.notice import make_notice
from tillwise.privacy.served import serve, served
from tillwise.rights.history import read_history
from tillwise.rights.person import find_person
from tillwise.use_cases.recommendations.history import read_history as known_history
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction


def said(shop: ToyShop) -> list[dict[str, Any]]:
    with shop.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, SECRETS, ANNA)
        return [] if person is None else ledger.history(snapshot, person)


def agree(shop: ToyShop) -> None:
    """Let Anna, who lives where people are asked first, say yes to recommendations."""
    shop.store.commit(
        lambda t: ledger.record(
            t,
            ledger.Consent(pseudonym_for(t, SECRETS, ANNA), Purpose.RECOMMEND, ledger.State.GIVEN, place="DE"),
            shop.clock.now(),
        )
    ).result()


def known(shop: ToyShop) -> list[Any]:
    """Return what the next recommendation would know of Anna."""
    with shop.store.snapshot() as snapshot:
        permit = shop.gate.permit(
            snapshot, purpose=Purpose.RECOMMEND, subject=find_pseudonym(snapshot, SECRETS, ANNA), country="US",
            point=Point.after(read_head(snapshot), shop.clock.now()),
        )  # fmt: skip
        return known_history(snapshot, permit, days=30, limit=50, simulated=False)


def test_a_yes_is_witnessed_by_the_page_itself(client: Client, shop: ToyShop) -> None:
    """The notice on the page is on record as served, the yes names it, and its text can be read again."""
    anna = visit(client)
    anna.get("/preferences")
    notice_id = re.search(r'name="notice" value="([\w-]+)"', anna.get("/preferences").text)
    assert notice_id is not None
    page = anna.post("/preferences/choice", {"purpose": "recommend", "say": "yes", "notice": notice_id[1]})

    assert "You said yes on" in page.text
    fact = said(shop)[-1]
    assert (fact["purpose"], fact["state"], fact["notice"]) == ("recommend", "given", notice_id[1])
    assert (fact["source"], fact["place"]) == ("preference centre", "DE")
    with shop.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, SECRETS, ANNA)
        assert person is not None
        assert served(snapshot, person, notice_id[1]) is not None
    assert "A notice you were shown" in anna.get(f"/preferences/notice/{notice_id[1]}").text
    assert decide(client)["degraded"] is None


def test_a_yes_to_a_notice_nobody_saw_is_refused(client: Client, shop: ToyShop) -> None:
    """A made-up notice, purpose or answer changes nothing; fraud prevention has no switch."""
    anna = visit(client)
    for form, status in (
        ({"purpose": "recommend", "say": "yes", "notice": "n-0000000000000000"}, 404),
        ({"purpose": "fraud_prevention", "say": "no"}, 404),
        ({"purpose": "nothing", "say": "no"}, 404),
        ({"purpose": "recommend", "say": "maybe"}, 422),
    ):
        assert anna.post("/preferences/choice", form).status_code == status
    assert said(shop) == []


def test_a_no_after_a_yes_is_a_withdrawal(client: Client, shop: ToyShop) -> None:
    """A first no is a refusal, a no after a yes a withdrawal; each acts on the next decision."""
    anna = visit(client)
    notice = re.search(r'name="notice" value="([\w-]+)"', anna.get("/preferences").text)
    assert notice is not None
    for say, degraded in (("no", "no_consent"), ("yes", None), ("no", "no_consent")):
        anna.post("/preferences/choice", {"purpose": "recommend", "say": say, "notice": notice[1]})
        assert decide(client)["degraded"] == degraded
    assert [row["state"] for row in said(shop)] == ["refused", "given", "withdrawn"]


def test_a_page_from_before_a_use_began_says_no_yes_to_it(client: Client, shop: ToyShop) -> None:
    """Yes to all counts for what that page told; a yes to the new use alone asks the person to look again."""
    anna = visit(client)
    anna.get("/preferences")
    old = make_notice("A shop", (Purpose.RECOMMEND,), shop.gate.rules, "DE", wall_now())

    def show(transaction: Transaction) -> None:
        serve(transaction, old, pseudonym_for(transaction, SECRETS, ANNA), shop.clock.now())

    shop.store.commit(show).result()
    alone = anna.post("/preferences/choice", {"purpose": "marketing", "say": "yes", "notice": old.notice_id})
    assert (alone.status_code, "has changed since you opened it" in alone.text) == (409, True)
    assert said(shop) == []
    anna.post("/preferences/choice", {"purpose": "all", "say": "yes", "notice": old.notice_id})
    assert [(row["purpose"], row["state"]) for row in said(shop)] == [("recommend", "given")]
    anna.post("/preferences/choice", {"purpose": "all", "say": "no", "notice": old.notice_id})
    assert ("marketing", "refused") in [(row["purpose"], row["state"]) for row in said(shop)]


def test_a_yes_to_something_nobody_does_any_more_can_be_taken_back(client: Client, shop: ToyShop) -> None:
    """Said elsewhere, shown here: as easy to withdraw as it was to give (GDPR 7(3)); a new yes is not asked for."""
    anna = visit(client)
    anna.get("/preferences")
    with shop.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, SECRETS, ANNA)
    assert person is not None
    shared = ledger.Consent(person, Purpose.SHARE, ledger.State.GIVEN, place="DE")
    shop.store.commit(lambda transaction: ledger.record(transaction, shared, shop.clock.now())).result()

    assert "Advertising by others" in anna.get("/preferences").text
    assert anna.post("/preferences/choice", {"purpose": "share", "say": "yes"}).status_code == 404
    notice = re.search(r'name="notice" value="([\w-]+)"', anna.get("/preferences").text)
    assert notice is not None
    assert 'id="yes-share"' not in anna.get("/preferences").text
    everything = {"purpose": "all", "say": "yes", "notice": notice[1]}
    assert "Saved." in anna.post("/preferences/choice", everything).text
    anna.post("/preferences/choice", {"purpose": "share", "say": "no"})
    assert said(shop)[-1]["state"] == "withdrawn"
    assert "Advertising by others" not in anna.get("/preferences").text


@pytest.mark.parametrize(("country", "sentence"), [
    ("DE", "We honour it: it counts as a no to Offers."),
    ("US-VA", "the signal does not stop what the shop does itself"),
    ("US-CA", "Nothing here is switched on against it."),
])  # fmt: skip
def test_the_signal_of_a_browser_is_shown_honestly(client: Client, country: str, sentence: str) -> None:
    """Exactly `Sec-GPC: 1` is shown, with what it does at this place; California must say so (Regs 7025(c)(6))."""
    anna = visit(client, country=country)
    assert "It sends the signal" not in anna.get("/preferences").text
    for value, shown in (("1", True), ("true", False), ("0", False)):
        page = Visit(client, {"sec-gpc": value}, anna.cookie).get("/preferences").text
        assert ("It sends the signal" in page) is shown
        assert (sentence in page) is shown


def test_the_next_decision_does_not_know_what_was_removed(client: Client, shop: ToyShop) -> None:
    """One entry, then an interest with the purchase that held it; payments stay; each is a request with a receipt."""
    agree(shop)
    anna = visit(client)
    assert len(known(shop)) == 4
    page = anna.get("/preferences/history").text
    viewed = re.search(r'Looked at: Green tea.*?name="event" value="(\d+)"', page, re.DOTALL)
    assert viewed is not None
    assert "Black tea &lt;b&gt;" in page
    assert "2 further records" in page

    assert "Removed: 1 records" in anna.post("/preferences/remove", {"event": viewed[1]}).text
    assert len(known(shop)) == 3
    assert "Removed: 1 records" in anna.post("/preferences/remove", {"category": "tea"}).text
    assert len(known(shop)) == 1
    assert "There was nothing to remove" in anna.post("/preferences/remove", {"category": "tea"}).text
    assert anna.get("/preferences/rights").text.count("A correction") >= 2
    with shop.store.snapshot() as snapshot:
        left = [row[0] for row in snapshot.all("SELECT type FROM events ORDER BY seq")]
        history = read_history(snapshot, find_person(snapshot, SECRETS, ANNA))
    assert left == ["Identify", "Product Viewed", "Products Searched", "Payment Attempted"]
    assert (len(history.events), history.others) == (2, 2)


def test_payments_are_not_taken_out_one_by_one(client: Client, shop: ToyShop) -> None:
    """Whoever cheated cannot remove the traces of it and stay."""
    with shop.store.snapshot() as snapshot:
        row = snapshot.one("SELECT seq FROM events WHERE type = 'Payment Attempted'")
    assert row is not None
    assert visit(client).post("/preferences/remove", {"event": str(row[0])}).status_code == 404


def test_traits_are_corrected_within_what_they_can_be(client: Client, shop: ToyShop) -> None:
    """A country is two letters; what is not kept of people cannot be set."""
    anna = visit(client)
    assert "Corrected." in anna.post("/preferences/correct", {"name": "country", "value": "fr"}).text
    for name, value in (("country", "Gallia"), ("is_admin", "yes"), ("created_at", "1")):
        assert anna.post("/preferences/correct", {"name": name, "value": value}).status_code == 422
    with shop.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, SECRETS, ANNA)
        assert person is not None
        assert traits_of(snapshot, SECRETS, person)["country"] == "FR"


def test_a_copy_holds_everything_in_both_forms(client: Client) -> None:
    """JSON to read, CSV tables to take elsewhere."""
    anna = visit(client)
    token = anna.token()
    form = {"form": token, "format": "json"}
    read = client.post("/preferences/download", data=form, headers={"cookie": anna.cookie})
    packed = client.post("/preferences/download", data={**form, "format": "zip"}, headers={"cookie": anna.cookie})

    assert "oolong" in read.text
    assert json.loads(read.text)["identity"] == [{"id": ANNA}]
    assert read.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    names = zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
    assert {"everything.json", "events.csv"} <= set(names)


def test_whoever_was_erased_is_not_brought_back_by_looking(client: Client, shop: ToyShop) -> None:
    """After the deletion the pages know nobody; a new yes begins anew, witnessed."""
    anna = visit(client)
    assert "Receipt" in anna.post("/preferences/erase", {"say": "yes"}).text
    page = anna.get("/preferences").text
    for path in ("", "/history", "/why", "/rights"):
        assert anna.get(f"/preferences{path}").status_code == 200
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM subjects") == (0,)

    notice = re.search(r'name="notice" value="([\w-]+)"', page)
    assert notice is not None
    again = anna.post("/preferences/choice", {"purpose": "recommend", "say": "yes", "notice": notice[1]})
    assert "You said yes on" in again.text
    assert decide(client)["degraded"] is None


def test_keeping_everything_deletes_nothing(client: Client, shop: ToyShop) -> None:
    """The other button of the last question."""
    agree(shop)
    visit(client).post("/preferences/erase", {"say": "no"})
    assert len(known(shop)) == 4


def test_a_decision_is_told_with_its_reasons_and_goes_to_a_person(client: Client, shop: ToyShop) -> None:
    """The page names what was decided and why; the button puts it before a reviewer."""
    order = {"id": "o-1", "amount": 99_000, "currency": "EUR"}
    asked = {"subject": ANNA, "order": order, "payment": {"method": "card"}, "place": {"country": "DE"}}
    client.post("/predict/fraud", role="decide", json=asked)
    decision = decide(client)["decision_id"]
    anna = visit(client)
    page = anna.get("/preferences/why").text

    assert "Whether an order was safe: a person looks at it" in page
    assert "The amount is high" in page
    assert "Nothing personal was used for this." in page
    assert (
        "A person will look at it."
        in anna.post("/preferences/ask", {"kind": "human_review", "decision": decision}).text
    )
    german = visit(client, language="de").get("/preferences/why").text
    assert "Die Gründe selbst stehen vorerst auf Englisch." in german
    assert '<ul lang="en">' in german


def test_the_banner_can_be_included_by_the_shops_own_server(client: Client, shop: ToyShop) -> None:
    """`part=1` is a part without a page around it, whose form leads back here; its link opens nothing else."""
    url = minted(client, anonymous_id="v-1", use="banner", language="es")
    path = url.partition("8420")[2]
    part = client.get(f"{path}&part=1")

    assert part.text.lstrip().startswith("<section")
    assert 'action="http://127.0.0.1:8420/preferences/banner"' in part.text
    assert ORIGIN in client.get(path).headers["content-security-policy"].partition("frame-ancestors")[2]
    link = path.partition("link=")[2]
    notice = re.search(r'name="notice" value="([\w-]+)"', part.text)
    assert notice is not None
    done = client.post("/preferences/banner", data={"link": link, "say": "yes", "notice": notice[1]})
    assert "Su elección está guardada" in done.text
    assert client.get(f"/preferences/open?link={link}").status_code == 403
    assert client.post("/preferences/banner", data={"link": "x", "say": "yes"}).status_code == 403


@pytest.fixture
def pages(client: Client) -> list[str]:
    anna = visit(client)
    return [anna.get(f"/preferences{path}").text for path in ("", "/why", "/history", "/rights", "/erase")]


def test_pages_load_nothing_from_elsewhere(client: Client, pages: list[str]) -> None:
    """One style sheet, one script, one picture, all of this server; no style or script within a page."""
    for page in pages:
        assert not re.search(r"""(src|href|action)=["']?(https?:)?//""", page)
        assert " style=" not in page
        assert not re.search(r"<script(?! src=\"/assets/preferences\.js\")", page)
        assert " on" + "click" not in page
    policy = client.get("/preferences").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for name in ("preferences.css", "preferences.js", "icon.svg"):
        assert client.get(f"/assets/{name}").status_code == 200


def test_no_id_of_the_person_stands_in_a_page_or_a_log(client: Client, pages: list[str], tmp_path: Path) -> None:
    """Neither the shop's id nor a pseudonym: a page left open on a shared screen names nobody."""
    assert [page for page in pages if ANNA in unescape(page)] == []


def test_everyone_else_is_untouched(client: Client, shop: ToyShop) -> None:
    """What one person does on their pages changes nothing of another's."""
    live(shop, "u-other")
    before = decide(client, "u-other")["degraded"]
    anna = visit(client)
    anna.post("/preferences/ask", {"kind": "objection"})
    anna.post("/preferences/erase", {"say": "yes"})

    assert decide(client, "u-other")["degraded"] == before
    assert "Green tea" in visit(client, subject="u-other").get("/preferences/history").text


class SlowFiles:
    """A holder of copies in files that takes its time."""

    name = "slow"

    def __init__(self) -> None:
        self.go_on = Event()

    def erase_files(self, store: Any, person: Any) -> dict[str, int]:
        assert self.go_on.wait(20)
        return {"files": 1}


@pytest.mark.parametrize("path", ["/preferences/remove", "/preferences/erase"])
def test_a_page_does_not_wait_for_copies_in_files(client: Client, shop: ToyShop, path: str) -> None:
    """The answer comes when the rows are gone, says that it is under way, and the request ends by itself."""
    slow = SlowFiles()
    shop.rights._erasure._files = (slow,)
    agree(shop)
    anna = visit(client)
    page = anna.post(path, {"category": "tea", "say": "yes"})

    assert page.status_code == 200
    if path.endswith("erase"):
        assert "It is under way" in page.text
        assert "seqs" not in page.text
        assert known(shop) == []
    else:
        assert "Removed: 2 records" in page.text
        assert len(known(shop)) == 1
    assert "being worked on" in anna.get("/preferences/rights").text
    slow.go_on.set()
    while shop.rights.requests.open():
        pass
    assert "being worked on" not in anna.get("/preferences/rights").text
