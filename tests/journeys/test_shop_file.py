"""A shop's own `shop.py`: its features become columns that are trained on and served, its use cases travel the road."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_shop import material
from test_survival import KEY, ask, check

from tillwise.app import App, build_app
from tillwise.cli.init import SHOP
from tillwise.cli.main import cli
from tillwise.decisions.decision import Place, Request
from tillwise.decisions.replay import Verdict
from tillwise.errors import ConfigurationError
from tillwise.jobs.train import train
from tillwise.models.artifact import Artifact

EXTRA = """\
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {
    "churn": (
        Aggregate(
            name="largest_45d", key="subject", events=("Order Completed",), agg=Agg.MAX, window=45 * DAY, of="amount",
            meaning="largest order of 45 days", unit="minor", purposes=frozenset({Purpose.MARKETING}),
        ),
    )
}
"""
OWN = '''\
"""A use case of the shop's own: is this person a regular?"""

from __future__ import annotations

from dataclasses import dataclass

from tillwise.decisions.decision import Decision, Reason
from tillwise.decisions.use_case import UseCase
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.vocabulary.purpose import Purpose

FEATURES = FeatureSet("regular", (
    Aggregate("orders_60d", "subject", ("Order Completed",), Agg.COUNT, 60 * DAY, "orders in 60 days",
              purposes=frozenset({Purpose.MARKETING})),
))
ONLINE = OnlineFeatures(FEATURES)


@dataclass(frozen=True)
class RegularPolicy:
    least: int = 1


@dataclass(frozen=True)
class RegularSteps:
    policy: RegularPolicy = RegularPolicy()

    def know(self, permit, request, snapshot):
        keys = {"subject": permit.subject}
        values = ONLINE.read(snapshot, permit, keys, {}) if permit.granted else (None,)
        return FeatureRow(permit, FEATURES.hash, FEATURES.columns, values, {"keys": keys})

    def think(self, row, model, explain):
        return Score(row, None, row.values[0])

    def act(self, score, seed, explain):
        return Decision("greet", (Reason("model", "The model says so", 1.0),))

    def fallback(self, row, request, why):
        regular = row is not None and (row.values[0] or 0) >= self.policy.least
        text = "Ordered lately" if regular else "No order lately"
        return Decision("greet" if regular else "none", (Reason("orders", text, 1.0),), degraded=why)


class Nothing:
    def learn(self, material):
        raise NameError

    def evaluate(self, material, artifact, start, end):
        raise NameError


USE_CASES = ((UseCase("regular", Purpose.MARKETING, FEATURES, RegularSteps(), RegularPolicy()), Nothing()),)
'''


def columns_in_force(app: App) -> list[str]:
    with app.store.snapshot() as snapshot:
        release = app.releases.current(snapshot, "churn")
    assert release is not None
    assert release.version is not None
    return list(Artifact.load(app.folder.models, release.version).manifest["columns"])


def test_a_feature_of_the_shop_is_trained_on_and_served(opened: Callable[[], App], folder: Path) -> None:
    """Until it is trained again the old model does not answer; then model, receipt and log agree on the new column."""
    before = check(ask(opened(), "churn"))
    (folder / "shop.py").write_text(EXTRA)
    app = opened()
    assert any("tillwise train churn" in problem for problem in app.problems())
    assert check(ask(app, "churn"))["degraded"] == "no_model"
    train(app.use_case("churn"), app.learners["churn"], material(app), app.releases)
    assert "largest_45d" in columns_in_force(app)
    answer = ask(app, "churn")
    told, features = check(answer), answer.receipt.features
    assert told["degraded"] is None
    assert features is not None
    assert dict(zip(features.columns, features.values, strict=True))["largest_45d"] is not None
    assert app.replayer.replay(told["decision_id"], from_log=True).verdict is Verdict.SAME
    assert app.replayer.replay(before["decision_id"]).verdict is Verdict.SAME
    assert app.problems() == ()


def test_the_example_in_a_new_shop_file_works(folder: Path, opened: Callable[[], App]) -> None:
    """What `tillwise init` writes as an example can be taken as it is."""
    example = SHOP.split('"""')[1].split("\n", 1)[1]
    (folder / "shop.py").write_text(example)
    assert "refunds_30d" in opened().use_case("fraud").features.columns


def test_a_use_case_of_the_shop_travels_the_road(folder: Path, opened: Callable[[], App]) -> None:
    """Declared in one file, with annotations as text: decided, put on record and replayed like any other."""
    (folder / "shop.py").write_text(OWN)
    app = opened()
    request = Request(None, {}, subject="c-2", place=Place("US"), deadline_ms=20_000)
    answer = app.road.decide(app.use_case("regular"), request, KEY)
    assert (answer.decision.action, answer.recorded) == ("greet", True)
    assert app.replayer.replay(str(answer.decision_id)).verdict is Verdict.SAME
    assert app.replayer.replay(str(answer.decision_id), from_log=True).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("raise NameError", "failed with NameError (shop.py, line {line})"),
        ("return undeclared\n", "failed with NameError: name 'undeclared' is not defined (shop.py, line {line})"),
        ("return int('1\\n2')", "failed with ValueError: invalid literal"),
        ("return None", "gave NoneType where Learned is due"),
    ],
)
def test_an_error_in_a_learner_of_the_shop_is_one_clear_line(folder: Path, broken: str, said: str) -> None:
    """Whose code failed, with what, and in which line: exit code 1 and no traceback."""
    text = OWN.replace("raise NameError", broken, 1)
    (folder / "shop.py").write_text(text)
    line = 1 + text[: text.index(broken)].count("\n")
    result = CliRunner().invoke(cli, ["train", "regular", "--shop", str(folder)])
    errors = [each for each in result.stderr.splitlines() if each.startswith("Error: ")]
    assert (result.exit_code, len(errors)) == (1, 1)
    assert "shop.py: the learner of 'regular' " + said.format(line=line) in errors[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("EXTRA_FEATURES = ()", "dict"),
        ("EXTRA_FEATURES = {'churn': 3}", "churn"),
        (EXTRA.replace("Purpose.MARKETING", "Purpose.SEARCH"), "Purpose.MARKETING"),
        (EXTRA.replace("largest_45d", "orders_30d"), "twice"),
        (EXTRA.replace('"churn"', '"chrun"'), "chrun"),
        (EXTRA.replace('"churn"', '"recommendations"'), "no extra features"),
        (OWN.replace('UseCase("regular"', 'UseCase("churn"'), "another use case 'churn'"),
        (OWN.replace('UseCase("regular"', 'UseCase("Regular one"'), "cannot stand in a path"),
        ("USE_CASES = (3,)", "pairs"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_what_is_wrong_in_a_shop_file_is_named(folder: Path, text: str, hint: str) -> None:
    """A shop file that cannot be used stops the start with one line that names the file and the cause."""
    (folder / "shop.py").write_text(text)
    with pytest.raises(ConfigurationError, match=r"shop\.py") as caught:
        build_app(folder)
    assert hint in str(caught.value)
