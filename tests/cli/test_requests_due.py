"""Nobody is forgotten: `doctor` and `work` name what is overdue, soon due, and what is to be learnt anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.app import build_app
from tillwise.cli.init import create_shop
from tillwise.cli.main import cli
from tillwise.releases.card import Label, LogPosition, ModelCard
from tillwise.releases.gate import Choice
from tillwise.rights.request import DAY, Kind
from tillwise.rights.requests import Asked
from tillwise.vocabulary.clock import wall_now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_shop(tmp_path / "shop")
    return tmp_path / "shop"


def told(folder: Path, *words: str) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json", "--shop", str(folder)])
    assert "Traceback" not in result.output
    return json.loads(result.stdout)


def findings(folder: Path, about: str) -> list[tuple[str, str, str]]:
    said = told(folder, "doctor")
    rows = said["findings"] if isinstance(said, dict) else said
    return [(each["level"], each["says"], each["mend"]) for each in rows if each["about"] == about]


def test_deadlines_are_watched(folder: Path) -> None:
    """Overdue is wrong, seven days before is a warning, further away is silent; each names its request and its law."""
    app = build_app(folder)
    ids = [app.rights.take(Asked(f"u-{n}", Kind.ACCESS, place="DE", identity=True)).id for n in range(3)]
    for request_id, days in zip(ids, (-1, 6, 8), strict=True):
        until = wall_now() + days * DAY
        app.store.commit(
            lambda t, i=request_id, u=until: t.run("UPDATE rights_requests SET deadline = ? WHERE id = ?", (u, i))
        ).result()
    app.close()
    said = findings(folder, "requests")
    assert [(level, mend) for level, _, mend in said] == [
        ("wrong", f"tillwise privacy requests show {ids[0]}"),
        ("warning", f"tillwise privacy requests show {ids[1]}"),
    ]
    assert "GDPR 12(3)" in said[0][1]
    assert told(folder, "work")["people's requests"] == "3 open, 1 overdue, 1 due within 7 days"
    listed = told(folder, "privacy", "requests", "list")
    assert [each["overdue"] for each in listed] == [True, False, False]


def test_a_model_that_learnt_from_somebody_who_left_is_named_then_trained(folder: Path) -> None:
    """A warning at once; `work` waits for others, then trains, or says why it cannot; late is wrong."""
    app = build_app(folder)
    card = ModelCard(
        use_case="churn", version="sha256:aa", kind="tabular", features="", columns=(), seed=7,
        label=Label("", "", 0, 0), position=LogPosition(0, 0, 0), splits=(), primary="", metrics=(),
    )  # fmt: skip
    app.releases.keep_card(card)
    app.releases.release("churn", Choice("model", "boosted", "sha256:aa", "better", ()), who="t")

    def renewal(since: int) -> None:
        row = ("r-1", "churn", "sha256:aa", 9, since, since + 30 * DAY, "erasure")
        app.store.commit(lambda t: t.run("INSERT OR REPLACE INTO renewals VALUES (?, ?, ?, ?, ?, ?, ?)", row)).result()

    renewal(wall_now())
    (found,) = findings(folder, "renewal")
    assert (found[0], found[2]) == ("warning", "tillwise train churn")
    assert told(folder, "work")["learn churn anew"].endswith("tillwise train churn")
    renewal(wall_now() - 31 * DAY)
    assert findings(folder, "renewal")[0][0] == "wrong"
    assert "could not be trained" in told(folder, "work")["learn churn anew"]
    app.close()
