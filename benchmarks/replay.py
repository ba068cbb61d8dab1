"""Past decisions taken again, bit for bit, after releases, a schema change and erasures, in another process.

Protocol (`--shop` is a built shop such as `tillwise demo` makes; it is copied, never written to)
1. `--decisions` decisions over all three use cases, one by one: lists for home, cart and e-mail, churn, and orders with
   payments; known people, strangers and nobody; with and without reasons. What the shop decided before counts too.
2. Releases: every use case goes back one step and forward again, and churn is trained anew with another seed.
   Policies change, a stricter preset changes the rules of law, events keep coming, and `--erase` people are erased.
3. Replay, in a process of its own: every decision from its receipt, and every one again from the log.
4. Schema change: the fraud model's features get one more, so that its definitions are others. Replay again, in a third
   process.
Target: every receipt replays to identical bytes. From the log: same, erased or expired, each with a reason; `differs`
never. A decision of somebody erased is answered `erased` with the entry of the audit log that says so.

    python benchmarks/replay.py --shop DIR [--decisions 10000]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tillwise.app.auditing import AuditKeeper, erased_proof
from tillwise.app.build import App, build_app
from tillwise.decisions.decision import Explain, Place, Request
from tillwise.decisions.replay import Verdict
from tillwise.errors import NotFound
from tillwise.events.ingest import read_message
from tillwise.use_cases.churn.audience import customers

CHANGED_SETTINGS = """
[policy.fraud.costs]
chargeback_fee = 9900

[policy.recommendations]
max_per_category = 2

[privacy]
preset = "eu-strict"
"""
CHANGED_FEATURES = """
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {
    "fraud": (
        Aggregate(
            name="bench_refunds_30d", key="subject", events=("Order Refunded",), agg=Agg.COUNT, window=30 * DAY,
            meaning="Refunds of this person in 30 days", purposes=frozenset({Purpose.FRAUD_PREVENTION, Purpose.TRAIN}),
        ),
    )
}
USE_CASES = ()
"""


def asked(app: App, draw: random.Random) -> Iterator[tuple[str, Request]]:
    """Yield questions of all three use cases, for ever."""
    people = customers(app.store, app.secrets, app.clock.now())
    attempts = (app.folder.path / "simulated" / "attempts.jsonl").read_text("utf-8").splitlines()
    items = list(app.shelf.current(*_now(app)).item_ids[:200])
    number = 0
    while True:
        number += 1
        who = None if number % 11 == 0 else f"stranger-{number}" if number % 7 == 0 else draw.choice(people)
        explain = draw.choice((Explain.NONE, Explain.TOP, Explain.TOP, Explain.FULL))
        place = Place(draw.choice(("US", "US", "DE", "FR")))
        body = {"placement": draw.choice(("home", "cart", "email")), "k": draw.randrange(1, 12),
                "cart": [{"item_id": draw.choice(items), "quantity": 1}]}  # fmt: skip
        yield "recommendations", Request(None, body, subject=who, place=place, explain=explain, deadline_ms=10_000)
        known = draw.choice(people)
        yield "churn", Request(None, {}, subject=known, place=place, explain=explain, deadline_ms=10_000)
        attempt = json.loads(draw.choice(attempts))
        order = {
            "order": {"id": f"bench-{number}", "amount": draw.randrange(500, 90_000), "currency": "EUR", "items": []},
            "payment": {"method": "card", "card_hash": attempt["card_hash"]},
            "billing": {"country": attempt["billing_country"]},
            "shipping": {"country": draw.choice(("PL", "DE")), "address_hash": attempt["address_hash"]},
            "device_id": attempt["device_id"], "ip": attempt["ip"],
        }  # fmt: skip
        yield "fraud", Request(
            None, order, subject=attempt["user_id"], place=Place("DE"), explain=explain, deadline_ms=10_000,
            simulated=True,
        )  # fmt: skip


def _now(app: App) -> tuple[object, int, int]:
    with app.store.snapshot() as snapshot:
        row = snapshot.one("SELECT at, epoch FROM head")
        app.shelf.refresh(snapshot, row[0], row[1])  # type: ignore[index]
        return snapshot, row[0], row[1]  # type: ignore[index]


def decide(folder: Path, times: int, draw: random.Random) -> tuple[list[str], list[str]]:
    """Return the ids of so many decisions with those the shop had, and people who were decided about."""
    app = build_app(folder)
    people, taken = [], 0
    for name, request in asked(app, draw):
        answer = app.road.decide(app.use_case(name), request, "bench")
        taken += answer.recorded
        if request.subject is not None and name != "recommendations" and len(people) < 400:
            people.append(request.subject)
        if taken >= times:
            break
    with app.store.snapshot() as snapshot:
        ids = [row[0] for row in snapshot.all("SELECT decision_id FROM receipts ORDER BY seq")]
    app.close()
    return ids, people


def live_on(folder: Path, erase: list[str]) -> None:
    """Release, change policies and rules, let events come, erase people."""
    app = build_app(folder)
    for release in list(_in_force(app)):
        app.releases.rollback(release[0], who="benchmark")
        app.releases.again(release[1], who="benchmark", why="forward again")
    app.close()
    run("train", "churn", "--seed", "11", "--shop", str(folder))
    with (folder / "tillwise.toml").open("a", encoding="utf-8") as file:
        file.write(CHANGED_SETTINGS)
    app = build_app(folder)
    now = app.clock.now()
    for person in erase + [f"new-{n}" for n in range(50)]:
        message = {"type": "track", "event": "Product Viewed", "userId": person, "properties": {"product_id": "p-1"}}
        app.log.append([read_message(message, received=now)]).result()
    app.close()
    for person in erase:
        run("privacy", "erase", person, "--place", "DE", "--identity-checked", "--shop", str(folder))
    app = build_app(folder)
    AuditKeeper(app.store, app.secrets, None).once()
    app.close()


def _in_force(app: App) -> Iterator[tuple[str, str]]:
    with app.store.snapshot() as snapshot:
        for release in app.releases.in_force(snapshot):
            if release.version:
                yield release.use_case, release.version


def run(*words: str) -> None:
    """Run a command of tillwise, and stop the benchmark when it fails."""
    done = subprocess.run([sys.executable, "-m", "tillwise", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tillwise {' '.join(words)}: {done.stdout}{done.stderr}")


def replay(folder: Path, ids: list[str]) -> dict[str, dict[str, int]]:
    """Take every decision again, from its receipt and from the log; return the verdicts by use case, with reasons."""
    app = build_app(folder)
    found: dict[str, Counter[str]] = {"receipt": Counter(), "log": Counter(), "why": Counter()}
    began = time.perf_counter()
    for number, decision_id in enumerate(ids):
        try:
            again = app.replayer.replay(decision_id)
        except NotFound:
            proof = erased_proof(app.store, app.secrets, decision_id)
            proved = proof is not None and proof["entry"] is not None
            found["receipt"]["erased with proof" if proved else "GONE"] += 1
            continue
        found["receipt"][again.verdict.value] += 1
        from_log = app.replayer.replay(decision_id, from_log=True)
        found["log"][from_log.verdict.value] += 1
        if from_log.verdict is not Verdict.SAME or again.verdict is not Verdict.SAME:
            found["why"][f"{from_log.verdict.value}: {', '.join((*again.notes, *from_log.notes))[:110]}"] += 1
        if number % 500 == 499:
            print(f"  {number + 1} replayed, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    app.close()
    return {name: dict(counter.most_common(12)) for name, counter in found.items()}


def another_process(folder: Path, ids: Path) -> bool:
    """Replay in a process of its own, print what came of it, and return whether it met the target."""
    command = [sys.executable, __file__, "--replay", str(folder), str(ids)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"  from receipts: {found['receipt']}")
    print(f"  from the log:  {found['log']}")
    for why, count in found["why"].items():
        print(f"    {count:6} × {why}")
    return not set(found["receipt"]) - {"same", "erased with proof"} and "differs" not in found["log"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="a built shop; it is copied")
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--erase", type=int, default=3)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--replay", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.replay:
        print(json.dumps(replay(Path(given.replay[0]), json.loads(Path(given.replay[1]).read_text("utf-8")))))
        return
    if given.shop is None:
        parser.error("--shop is needed: the folder of a built shop")
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "shop"
        shutil.copytree(given.shop, folder)
        began = time.perf_counter()
        ids, people = decide(folder, given.decisions, draw)
        (Path(made) / "ids.json").write_text(json.dumps(ids), "utf-8")
        print(f"{given.decisions} decisions taken in {time.perf_counter() - began:.0f} s; {len(ids)} on record")
        live_on(folder, draw.sample(sorted(set(people)), given.erase))
        print(f"after releases, new policies and rules, events and {given.erase} erasures:")
        good = another_process(folder, Path(made) / "ids.json")
        (folder / "shop.py").write_text(CHANGED_FEATURES, "utf-8")
        print("after a change of the feature definitions:")
        good &= another_process(folder, Path(made) / "ids.json")
    print("target met" if good else "target MISSED")
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
