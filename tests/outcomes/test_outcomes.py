"""Outcomes are appended and found again; labels say when they may be believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tillwise.errors import InvalidDeclaration, InvalidInput
from tillwise.events import tables
from tillwise.outcomes import outcomes
from tillwise.outcomes.label import LabelDefinition
from tillwise.outcomes.outcomes import Outcome
from tillwise.stores.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(tmp_path / "shop.db")
    store.create((*tables.TABLES, *outcomes.TABLES))
    return store


def test_an_outcome_is_found_by_its_decision_and_by_its_order(store: SqliteStore) -> None:
    """Chargebacks name the order, clicks the decision: both are shown with the decision, as they were told."""
    told = [
        Outcome("click", 1.0, 100, decision_id="d-1"),
        Outcome("chargeback", 5990.0, 200, order_ref=7),
        Outcome("chargeback", 10.0, 300, order_ref=8),
    ]
    for outcome in told:
        store.commit(lambda t, o=outcome: outcomes.append(t, o)).result()
    with store.snapshot() as snapshot:
        assert outcomes.of_decision(snapshot, "d-1", 7) == told[:2]
        assert outcomes.of_decision(snapshot, "d-1") == told[:1]
        assert outcomes.of_kinds(snapshot, ("chargeback",), before=300) == told[1:2]
    store.close()


def test_an_outcome_is_not_known_before_it_was_told(store: SqliteStore) -> None:
    """A claimed earlier time does not move an outcome into a past that had been learnt from without it."""
    store.commit(lambda t: t.run("UPDATE head SET seq = 9, at = 500")).result()
    store.commit(lambda t: outcomes.append(t, Outcome("chargeback", 1.0, 100, order_ref=7))).result()
    with store.snapshot() as snapshot:
        assert outcomes.of_kinds(snapshot, ("chargeback",), before=500) == []
        assert outcomes.of_kinds(snapshot, ("chargeback",), before=501)[0].at == 500
    store.close()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "guess", "value": 1.0, "at": 0, "order_ref": 1}, "kind"),
        ({"kind": "click", "value": 1.0, "at": 0}, "decision_id"),
        ({"kind": "click", "value": float("nan"), "at": 0, "order_ref": 1}, "value"),
    ],
)
def test_a_wrong_outcome_names_its_field(wrong: dict[str, object], field: str) -> None:
    """Whoever posts an outcome learns which value to mend."""
    with pytest.raises(InvalidInput) as caught:
        Outcome(**wrong)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_a_label_is_mature_once_a_no_is_certain() -> None:
    """Labels mature (chargeback 90 days): training and metrics read mature labels only."""
    label = LabelDefinition("x", "y", ("Chargeback Received",), horizon=90, maturity=100)
    assert label.mature_before(1000) == 900
    with pytest.raises(InvalidDeclaration, match="maturity"):
        LabelDefinition("x", "y", (), horizon=90, maturity=80)
