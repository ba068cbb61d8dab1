"""The judge of the withdrawal storm finds what it is for, and does not cry wolf over calls that overlap."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

CHECKER = Path(__file__).parents[2] / "benchmarks" / "withdrawal_check.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("withdrawal_check", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


JUDGE = _load().judge
GRANT, WITHDRAW = "grant", "withdraw"


def write(kind: str, begin: int, end: int | None, status: int = 200) -> dict[str, Any]:
    return {"person": "p", "kind": kind, "begin": begin, "end": end} | ({} if end is None else {"status": status})


def decide(begin: int, end: int, *, used: bool) -> dict[str, Any]:
    return {"person": "p", "kind": "decide", "begin": begin, "end": end, "status": 200, "used": used}


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        ([decide(0, 1, used=False)], 0),
        ([decide(0, 1, used=True)], 1),
        ([write(GRANT, 0, 1), decide(2, 3, used=True)], 0),
        ([write(GRANT, 0, 1), decide(2, 3, used=False)], 1),
        ([write(GRANT, 0, 1), write(WITHDRAW, 2, 3), decide(4, 5, used=True)], 1),
        ([write(GRANT, 0, 1), write(WITHDRAW, 2, 5), decide(4, 6, used=True)], 0),
        ([write(GRANT, 0, 1), write(WITHDRAW, 2, 3), write(GRANT, 4, 9), decide(5, 6, used=True)], 0),
        ([write(GRANT, 0, 3), write(WITHDRAW, 2, 4), decide(5, 6, used=True)], 0),
        ([write(GRANT, 0, None), write(WITHDRAW, 2, 3), decide(4, 5, used=True)], 0),
        ([write(GRANT, 0, 1), write(WITHDRAW, 2, None), decide(4, 5, used=True)], 0),
        ([write(GRANT, 0, 1), write(WITHDRAW, 2, None), decide(4, 5, used=False)], 0),
        ([write(GRANT, 0, 1, 409), decide(2, 3, used=True)], 1),
        ([write(GRANT, 0, 1, 503), decide(2, 3, used=True)], 0),
    ],
)
def test_what_is_wrong_and_what_may_be(calls: list[dict[str, Any]], wrong: int) -> None:
    """Sequential calls are judged exactly; overlapping, broken and failed ones get every benefit of the doubt."""
    assert sum(JUDGE(calls).values()) == wrong


@given(st.lists(st.sampled_from(["grant", "withdraw", "decide"]), max_size=30), st.integers(0, 29))
def test_a_faithful_register_is_never_accused_and_one_lie_always_is(kinds: list[str], lie: int) -> None:
    """One after the other, a plain variable answers as the law wants; turning one answer round is found."""
    value, calls = False, []
    for moment, kind in enumerate(kinds):
        if kind == "decide":
            calls.append(decide(2 * moment, 2 * moment + 1, used=value))
        else:
            value = kind == "grant"
            calls.append(write(kind, 2 * moment, 2 * moment + 1))
    assert not JUDGE(calls)
    decisions = [call for call in calls if "used" in call]
    if decisions:
        wrong = decisions[lie % len(decisions)]
        wrong["used"] = not wrong["used"]
        assert sum(JUDGE(calls).values()) == 1


def test_the_judge_knows_nothing_of_what_it_judges(tmp_path: Path) -> None:
    """It runs alone, without our code, and its exit code tells."""
    assert "tillwise" not in CHECKER.read_text().replace("code of the system", "")
    history = tmp_path / "history.jsonl"
    for used, code in ((False, 0), (True, 1)):
        history.write_text(json.dumps(decide(0, 1, used=used)) + "\n")
        done = subprocess.run([sys.executable, "-I", str(CHECKER), str(history)], check=False, capture_output=True)
        assert done.returncode == code
