"""The log from outside: verified, kept elsewhere, proved to a third party, bundled for an auditor."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.app import build_app
from tillwise.app.auditing import AuditKeeper, copy_target
from tillwise.audit.keeping import read_held
from tillwise.cli.init import create_shop
from tillwise.cli.main import cli
from tillwise.decisions.decision import Place, Request
from tillwise.errors import InvalidInput


def decide(shop: Path, *subjects: str) -> list[str]:
    app = build_app(shop)
    found = []
    for subject in subjects:
        body = {"order": {"id": f"o-{subject}", "amount": 5_000, "currency": "EUR"}, "payment": {"method": "card"}}
        asked = Request(None, body, subject=subject, place=Place("DE"), deadline_ms=20_000)
        found.append(app.road.decide(app.use_case("fraud"), asked, "k").decision_id or "")
    app.close()
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    shop = tmp_path_factory.mktemp("audit") / "shop"
    create_shop(shop)
    return shop, decide(shop, "c-1", "c-2", "c-3")


@pytest.fixture
def lived(made: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    """A shop with three decisions, for this test alone."""
    shutil.copytree(made[0], tmp_path / "shop")
    return tmp_path / "shop", made[1]


def told(shop: Path, *words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json", "--shop", str(shop)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return json.loads(result.stdout)


def tamper(shop: Path, *statements: str) -> None:
    with sqlite3.connect(shop / "tillwise.db") as database:
        for statement in statements:
            database.execute(statement)


def test_a_quiet_edit_is_found_by_name(lived: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Acts, consents and decisions lie under the checkpoint; a decision turned round in the file is named."""
    shop, _ = lived
    note = tmp_path / "elsewhere.txt"
    kept = told(shop, "audit", "checkpoint", "--out", str(note))
    found = told(shop, "audit", "verify", "--checkpoint", str(note), "--public-key", kept["key"])
    assert (found["intact"], found["held"], found["waiting"], found["older"]) == (True, 1, 0, 0)
    assert found["entries"] == kept["size"] >= 5  # settings, rules, a policy, and the decisions
    tamper(shop, "UPDATE receipts SET action = 'turned' WHERE seq = 2")
    wrong = told(shop, "audit", "verify", code=1)["wrong"]
    assert len(wrong) == 1
    assert "its receipt was changed" in wrong[0]


def test_an_end_cut_off_is_found_with_a_checkpoint_kept_elsewhere(
    lived: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Whoever holds file and key can sign a shorter log; a copy of a later checkpoint gives them away."""
    shop, _ = lived
    note = tmp_path / "elsewhere.txt"
    told(shop, "audit", "checkpoint")
    decide(shop, "c-4")
    told(shop, "audit", "checkpoint", "--out", str(note))
    cut = "SELECT max(first) FROM audit_runs"
    tamper(
        shop, f"UPDATE audit_edge SET size = ({cut}), roots = x''", f"DELETE FROM audit_runs WHERE first = ({cut})",
        "DELETE FROM audit_signed", "DELETE FROM receipts WHERE seq = 4",
    )  # fmt: skip
    wrong = told(shop, "audit", "verify", "--checkpoint", str(note), code=1)["wrong"]
    assert any("the end was cut off" in each for each in wrong)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def test_a_decision_is_proved_to_a_third_party(lived: tuple[Path, list[str]]) -> None:
    """Leaf, path and signed root follow from the document alone; the root is that of an independent computation."""
    shop, decisions = lived
    proof = told(shop, "audit", "prove", decisions[1])
    content = proof["content"].encode()
    assert decisions[1].encode() in content
    leaf = hashlib.sha256(b"\x00" + bytes.fromhex(proof["salt"]) + b"receipt\x00" + content).digest()
    assert leaf.hex() == proof["leaf"]
    with sqlite3.connect(shop / "tillwise.db") as database:
        packed = b"".join(row[0] for row in database.execute("SELECT leaves FROM audit_runs ORDER BY first"))
    leaves = [packed[at : at + 32] for at in range(0, len(packed), 32)]
    entry = hashlib.sha256(b"\x00" + proof["position"].to_bytes(8, "big") + leaf).digest()
    assert leaves[proof["index"]] == entry
    assert base64.b64encode(naive_root(leaves)).decode() == proof["root"]
    assert proof["root"] in proof["checkpoint"]


def test_a_later_checkpoint_is_shown_to_append_only(lived: tuple[Path, list[str]], tmp_path: Path) -> None:
    """A consistency proof between two checkpoints kept elsewhere; the wrong way round is refused."""
    shop, _ = lived
    told(shop, "audit", "checkpoint", "--out", str(tmp_path / "old.txt"))
    decide(shop, "c-9")
    told(shop, "audit", "checkpoint", "--out", str(tmp_path / "new.txt"))
    files = (str(tmp_path / "old.txt"), str(tmp_path / "new.txt"))
    proof = told(shop, "audit", "consistency", *files)
    assert proof["newer"]["size"] > proof["older"]["size"]
    result = CliRunner().invoke(cli, ["audit", "consistency", *reversed(files), "--shop", str(shop)])
    assert result.exit_code == 1
    assert "older checkpoint first" in result.output


def test_an_erased_decision_is_answered_with_proof(lived: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Replay says erased and names the entry; the log still verifies; the proof is that of the erasure."""
    shop, decisions = lived
    note = tmp_path / "elsewhere.txt"
    told(shop, "audit", "checkpoint", "--out", str(note))
    assert told(shop, "replay", decisions[0])["verdict"] == "same"
    told(shop, "privacy", "erase", "c-1", "--place", "DE", "--identity-checked")
    told(shop, "audit", "checkpoint", "--out", str(note))
    again = told(shop, "replay", decisions[0])
    assert again["verdict"] == "erased"
    assert again["proof"]["act"]
    proof = told(shop, "audit", "prove", decisions[0])
    assert (proof["erased"], proof["kind"], proof["index"]) == (decisions[0], "act", again["proof"]["entry"])
    assert '"entries"' in proof["content"]
    assert told(shop, "audit", "verify", "--checkpoint", str(note))["erased"] >= 1
    assert told(shop, "replay", decisions[1])["verdict"] == "same"


def test_checkpoints_leave_the_house_by_themselves(lived: tuple[Path, list[str]], tmp_path: Path) -> None:
    """`copy_to` gets each new checkpoint, at most once a minute; a file with many of them is read as many."""
    shop, _ = lived
    app = build_app(shop)
    target = copy_target(app.folder, "../kept.txt")
    keeper = AuditKeeper(app.store, app.secrets, target)
    first = keeper.once()
    keeper.once()
    app.close()
    key = told(shop, "audit", "checkpoint", "--out", str(tmp_path / "kept.txt"))["key"]
    held = read_held([tmp_path / "kept.txt"], key)
    assert [each.size for each in held] == [first.size, first.size]
    (tmp_path / "broken.txt").write_text("no checkpoint", "utf-8")
    with pytest.raises(InvalidInput, match="no checkpoint"):
        read_held([tmp_path / "broken.txt"], key)


def test_a_serving_process_takes_new_entries_over(lived: tuple[Path, list[str]]) -> None:
    """The keeper's thread ends with everything in the tree."""
    shop, _ = lived
    app = build_app(shop)
    keeper = AuditKeeper(app.store, app.secrets, None, every=60).start()
    keeper.stop()
    app.close()
    found = told(shop, "audit", "verify")
    assert (found["waiting"], found["intact"]) == (0, True)


def test_changed_settings_enter_the_log(lived: tuple[Path, list[str]]) -> None:
    """Every new content of the shop's own files is an entry; the same content is not."""
    shop, _ = lived
    count = "SELECT count(*) FROM audit_log WHERE kind = 'declarations'"

    def entries() -> int:
        build_app(shop).close()
        with sqlite3.connect(shop / "tillwise.db") as database:
            return int(database.execute(count).fetchone()[0])

    before = entries()
    assert entries() == before
    with (shop / "tillwise.toml").open("a", encoding="utf-8") as file:
        file.write("\n# a remark\n")
    assert entries() == before + 1


@pytest.fixture
def evidence(lived: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, str]:
    shop, _ = lived
    key = told(shop, "audit", "checkpoint")["key"]
    out = tmp_path / "evidence.zip"
    told(shop, "audit", "bundle", "--from", "2000-01-01", "--to", "2100-01-01", "--out", str(out))
    return out, key


def test_a_bundle_holds_the_evidence_and_names_no_customer(evidence: tuple[Path, str]) -> None:
    """Releases, rules, requests, counts, acts, checkpoints, findings; signed, and whole on any machine."""
    out, key = evidence
    result = CliRunner().invoke(cli, ["audit", "verify-bundle", str(out), "--public-key", key])
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(out) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert {
        "acts.json", "rules.json", "notices.json", "inventory.json", "ropa.html", "requests.json", "decisions.json",
        "checkpoints.txt", "doctor.json", "verification.json", "manifest.json", "manifest.sig",
    } <= files.keys()  # fmt: skip
    # Within a random decision id "c-1" is no customer.
    assert re.search(rb"(?<![0-9a-f])c-1(?![0-9a-f])", b"".join(files.values())) is None
    assert json.loads(files["decisions.json"])[0]["n"] == 3
    assert json.loads(files["verification.json"])["intact"] is True


def _edit(files: dict[str, bytes]) -> None:
    files["decisions.json"] = files["decisions.json"].replace(b"3", b"4")


def _drop(files: dict[str, bytes]) -> None:
    del files["acts.json"]


def _add(files: dict[str, bytes]) -> None:
    files["more.json"] = b"[]"


def _sign(files: dict[str, bytes]) -> None:
    files["manifest.json"] = files["manifest.json"].replace(b"2000-01-01", b"2001-01-01")


@pytest.mark.parametrize(("change", "says"), [
    (_edit, "decisions.json was edited"), (_drop, "acts.json is missing"), (_add, "more.json was put in later"),
    (_sign, "the manifest was edited"),
])  # fmt: skip
def test_a_changed_bundle_is_named(
    evidence: tuple[Path, str], tmp_path: Path, change: Callable[[dict[str, bytes]], None], says: str
) -> None:
    """Nothing can be edited, taken out, put in or dated otherwise."""
    out, key = evidence
    with zipfile.ZipFile(out) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(forged, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    result = CliRunner().invoke(cli, ["audit", "verify-bundle", str(forged), "--public-key", key])
    assert result.exit_code == 1
    assert says in result.output


def test_the_doctor_asks_for_checkpoints_and_verification(lived: tuple[Path, list[str]]) -> None:
    """Never taken over, never kept elsewhere, never verified: each is said with the command that mends it."""
    shop, _ = lived

    def says() -> str:
        result = CliRunner().invoke(cli, ["doctor", "--json", "--shop", str(shop)])
        return " ".join(each["says"] for each in json.loads(result.stdout) if each["about"] == "audit")

    assert "wait for the audit log" in says()
    assert "never verified" in says()
    told(shop, "audit", "checkpoint")
    told(shop, "audit", "verify")
    assert "held on" in says()
    assert "kept elsewhere" not in says()
    tamper(shop, "DELETE FROM receipts WHERE seq = 1")
    told(shop, "audit", "verify", code=1)
    assert "did not verify" in says()
