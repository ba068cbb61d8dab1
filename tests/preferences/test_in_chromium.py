"""The preference centre in real headless Chromium: every switch, with and without JavaScript; axe finds nothing; no
request leaves the shop's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from chromium import CHROMIUM, FLAGS, IN_CI, MISSING, Eyes, free_port, serving, shop_page
from people import ANNA, live
from playwright.sync_api import Page, expect, sync_playwright
from toy_shop import ToyShop, build_toy

from tillwise.api.create import create_api
from tillwise.preferences.language import LANGUAGES, words_of
from tillwise.preferences.link import Use
from tillwise.settings import ServeSettings, Settings, ShopSettings

if not CHROMIUM and not IN_CI:
    pytest.skip(MISSING, allow_module_level=True)
pytestmark = pytest.mark.xdist_group("chromium")
SWITCHES = {"recommend": "/rank/recommendations", "marketing": "/predict/churn", "train": None}
AXE = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}
AXE_CORE = str(files("axe_playwright_python").joinpath("axe.min.js"))
PAGES = ("", "/why", "/history", "/rights", "/erase")


@pytest.fixture(scope="module")
def ports() -> tuple[int, int, int]:
    return free_port(), free_port(), free_port()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int, int]) -> Iterator[ToyShop]:
    built = build_toy(tmp_path_factory.mktemp("chromium"))
    origins = (f"http://127.0.0.1:{ports[1]}",)
    built.settings = Settings(shop=ShopSettings(name="Teahouse"), serve=ServeSettings(origins=origins))
    yield built
    built.close()


@pytest.fixture(scope="module")
def eyes(shop: ToyShop, ports: tuple[int, int, int]) -> Iterator[Eyes]:
    assert CHROMIUM, MISSING
    with serving(create_api(shop), ports[0]), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        looking = Eyes(browser, f"http://127.0.0.1:{ports[0]}")
        yield looking
        browser.close()
    shops = {urlsplit(looking.base).netloc, f"127.0.0.1:{ports[1]}", f"127.0.0.1:{ports[2]}"}
    assert {urlsplit(url).netloc for url in looking.seen} <= shops, "a request went to another host"


def ask(shop: ToyShop, eyes: Eyes, path: str, who: dict[str, str]) -> Any:
    """Ask for a decision as the shop's server would."""
    body = {"place": {"country": "DE"}, **who, **({"placement": "home"} if "rank" in path else {})}
    headers = {"authorization": f"Bearer {shop.keys['decide']}"}
    return httpx.post(eyes.base + path, headers=headers, json=body).raise_for_status().json()


def axe(page: Page) -> list[Any]:
    """Return what axe-core finds on a page: (rule, elements). It must have had something to look at."""
    violations, passes = page.evaluate(
        "options => axe.run(document, options).then(found => [found.violations.map(each =>"
        " [each.id, each.nodes.map(node => node.html)]), found.passes.length])",
        AXE,
    )
    assert passes > 10
    found: list[Any] = violations
    return found


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_every_switch_works(shop: ToyShop, eyes: Eyes, scripts: bool) -> None:
    """Yes, then no, for each purpose: the page says so, and the next decision is personal, then `no_consent`."""
    who = f"u-switch-{scripts}"
    live(shop, who)
    with eyes.page(scripts=scripts) as page:
        page.goto(eyes.link(who))
        if scripts:
            page.evaluate("window.still = true")
        for purpose, path in SWITCHES.items():
            card = page.locator(f"article:has(#yes-{purpose})")
            expect(card.locator(".state")).to_have_text("Off")
            for say, state, degraded in (("yes", "On", None), ("no", "Off", "no_consent")):
                page.locator(f"#{say}-{purpose}").click()
                expect(card.locator(".state")).to_have_text(state)
                expect(page.locator(f"#{say}-{purpose}")).to_have_attribute("aria-pressed", "true")
                expect(page.get_by_role("status")).to_have_text("Saved. It counts from the next decision on.")
                if path:
                    assert ask(shop, eyes, path, {"subject": who})["degraded"] == degraded
        page.locator("#yes-all").click()
        for purpose in SWITCHES:
            expect(page.locator(f"#yes-{purpose}")).to_have_attribute("aria-pressed", "true")
        if scripts:
            assert page.evaluate("window.still") is True, "the page was not loaded again"
            assert page.evaluate("document.activeElement.id") == "yes-all", "the keyboard stayed where it was"


def test_the_link_is_in_no_history_and_no_referrer(shop: ToyShop, eyes: Eyes) -> None:
    """What was opened with a token has an address without one, and sends no referrer on."""
    live(shop, ANNA)
    with eyes.page() as page:
        answer = page.goto(eyes.link(ANNA))
        assert answer is not None
        assert page.url == f"{eyes.base}/preferences"
        assert page.evaluate("document.referrer + location.search") == ""
        assert answer.request.redirected_from is not None
        assert "referer" not in answer.request.all_headers()
        page.get_by_role("link", name="Your history").click()
        page.go_back()
        assert "link=" not in page.url


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing(shop: ToyShop, eyes: Eyes, language: str) -> None:
    """Each page in each language by WCAG 2.2 AA and axe's best practices; nothing is cut off at 320 px."""
    live(shop, f"u-{language}")
    ask(shop, eyes, "/rank/recommendations", {"subject": f"u-{language}"})
    dark = "dark" if language in ("de", "es") else "light"
    with eyes.page(viewport={"width": 320, "height": 700}, color_scheme=dark, reduced_motion="reduce") as page:
        page.add_init_script(path=AXE_CORE)
        page.goto(eyes.link(f"u-{language}", language))
        page.locator("#yes-recommend").click()
        expect(page.locator("#yes-recommend")).to_have_attribute("aria-pressed", "true")
        addresses = [f"/preferences{path}" for path in PAGES]
        for address in (*addresses, "/preferences/open?link=forged", eyes.link("v-1", language, use=Use.BANNER)):
            page.goto(address if address.startswith("http") else eyes.base + address)
            assert axe(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
            if not address.endswith("forged"):
                assert page.locator("html").get_attribute("lang") == language
        page.goto(eyes.link("v-1", language, use=Use.BANNER) + "&choose=1")
        assert axe(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_history_is_removed_and_traits_are_corrected(shop: ToyShop, eyes: Eyes, scripts: bool) -> None:
    """One entry, then an interest with its purchase, then a trait; what is gone is gone from the page too."""
    who = f"u-history-{scripts}"
    live(shop, who)
    with eyes.page(scripts=scripts) as page:
        page.goto(eyes.link(who))
        page.goto(f"{eyes.base}/preferences/history")
        page.get_by_role("button", name="Remove Searched oolong").click()
        expect(page.get_by_role("status")).to_contain_text("Removed: 1 records.")
        expect(page.locator(".events li")).to_have_count(3)
        page.get_by_role("button", name="Remove tea").click()
        expect(page.get_by_role("status")).to_contain_text("Removed: 2 records.")
        expect(page.locator(".events li")).to_have_count(1)
        page.get_by_label("Country (two letters)").fill("fr")
        page.get_by_role("button", name="Save Country").click()
        expect(page.get_by_role("status")).to_have_text("Corrected.")
        expect(page.get_by_label("Country (two letters)")).to_have_value("FR")


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_rights_end_with_a_receipt(shop: ToyShop, eyes: Eyes, scripts: bool, tmp_path: Path) -> None:
    """Download, review, hold and use again, object, delete: each by a button, each on record, by keyboard as well."""
    who = f"u-rights-{scripts}"
    live(shop, who)
    ask(shop, eyes, "/rank/recommendations", {"subject": who})
    with eyes.page(scripts=scripts) as page:
        page.goto(eyes.link(who))
        page.goto(f"{eyes.base}/preferences/why")
        page.get_by_role("button", name="Ask a person to look at it").click()
        expect(page.get_by_text("A person will look at it.").first).to_be_visible()
        page.goto(f"{eyes.base}/preferences/rights")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download as JSON").click()
        download.value.save_as(tmp_path / "mine.json")
        assert "oolong" in (tmp_path / "mine.json").read_text("utf-8")
        assert {"events", "profile"} <= json.loads((tmp_path / "mine.json").read_text("utf-8")).keys()
        for button in ("Put my data on hold", "Use my data again", "Object to all of it"):
            page.get_by_role("button", name=button).focus()
            page.keyboard.press("Enter")
            expect(page.get_by_role("status")).to_have_text("Done. Here is your receipt.")
            expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
        page.get_by_role("link", name="Delete everything …").click()
        page.get_by_role("button", name="Yes, delete everything").click()
        expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
        page.goto(f"{eyes.base}/preferences/history")
        expect(page.get_by_text("Nothing is kept about you here.")).to_be_visible()
    assert httpx.get(
        f"{eyes.base}/consent/{who}", headers={"authorization": f"Bearer {shop.keys['privacy']}"}
    ).status_code in (403, 404)


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_banner_works_inside_the_shops_page(
    shop: ToyShop, eyes: Eyes, ports: tuple[int, int, int], scripts: bool
) -> None:
    """A visitor says no, changes their mind and chooses; the shop's page hears that it was answered, and no more."""
    visitor = {"anonymous_id": f"v-banner-{scripts}"}
    link = eyes.link(visitor["anonymous_id"], "fr", use=Use.BANNER, anonymous=True)
    page_of_shop = (
        '<!doctype html><title>Shop</title><script>addEventListener("message", e => { window.told = e.data })</script>'
        f'<iframe title="Banner" src="{link}" width="600" height="500"></iframe>'
    )
    said = words_of("fr")
    with shop_page(ports[1], page_of_shop), eyes.page(scripts=scripts) as page:
        page.goto(f"http://127.0.0.1:{ports[1]}/")
        frame = page.frame_locator("iframe")
        sizes = [button.bounding_box() for button in frame.get_by_role("button").all()]
        assert len({(round(box["width"]), round(box["height"])) for box in sizes if box}) == 1, "equal buttons"
        frame.get_by_role("button", name=said("banner.no")).click()
        expect(frame.get_by_role("status")).to_have_text(said("banner.saved"))
        assert ask(shop, eyes, "/rank/recommendations", visitor)["degraded"] == "no_consent"
        if scripts:
            assert page.evaluate("window.told") == {"tillwise": "answered"}
        frame.get_by_role("link", name=said("banner.change")).click()
        group = frame.get_by_role("group", name=said("purpose.recommend.name"))
        group.get_by_label(said("choices.yes")).check()
        frame.get_by_role("button", name=said("banner.save")).click()
        expect(frame.get_by_role("status")).to_have_text(said("banner.saved"))
        assert ask(shop, eyes, "/rank/recommendations", visitor)["degraded"] is None
        assert ask(shop, eyes, "/predict/churn", visitor)["degraded"] == "no_consent"


def test_no_other_site_can_frame_the_pages_or_the_banner(
    shop: ToyShop, eyes: Eyes, ports: tuple[int, int, int]
) -> None:
    """The banner only in configured origins, the pages nowhere."""
    banner, pages = eyes.link(ANNA, use=Use.BANNER), eyes.link(ANNA)
    frames = "".join(f'<iframe title="{n}" src="{url}"></iframe>' for n, url in enumerate((banner, pages)))
    for port, allowed in ((ports[1], 1), (ports[2], 0)):
        with shop_page(port, f"<!doctype html><title>Shop</title>{frames}"), eyes.page() as page:
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_load_state("load")
            shown = [frame for frame in page.frames[1:] if frame.url.startswith(eyes.base)]
            assert len(shown) == allowed
