"""`tillwise consent link`: a person's own link to their preference centre, for support or for a first look."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.app import build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.decisions.answer import rfc3339
from tillwise.preferences.centre import Centre, Visitor
from tillwise.preferences.language import LANGUAGES
from tillwise.preferences.link import MINUTES, Links, Use
from tillwise.privacy.gate import place_of
from tillwise.vocabulary.clock import wall_now


@click.command("link")
@click.argument("subject")
@click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id.")
@click.option("--banner", is_flag=True, help="A link to the banner only.")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default=None, help="Else what the browser asks for.")
@click.option("--place", default="", help="Country the person is in, ISO 3166-1, such as DE.")
@shop_option
@json_option
def link_command(
    subject: str, language: str | None, place: str, shop: Path, *, anonymous: bool, banner: bool, as_json: bool
) -> None:
    """Print a link that opens SUBJECT's own pages for 15 minutes. Whoever holds it is taken for that person."""
    app = build_app(shop)
    try:
        where, serve = place_of(place), app.settings.serve
        Centre(app).minted(Visitor(subject, anonymous, where, language or "", gpc=False), "command line")
        use = Use.BANNER if banner else Use.PAGES
        text, ends = Links(app.secrets).mint(
            subject, wall_now(), anonymous=anonymous, use=use, language=language or "", place=where
        )
    finally:
        app.close()
    base = serve.public_url.rstrip("/") or f"http://{serve.host}:{serve.port}"
    url = f"{base}/preferences/{'banner' if banner else 'open'}?link={text}"
    show = Show(as_json)
    show.document({"url": url, "expires": rfc3339(ends)})
    show.line(url)
    show.line(f"good for {MINUTES} minutes")
