"""Starts one model server of somebody else's. Run by peers.py with the peer's own Python; needs nothing of tillwise.

    PYTHON benchmarks/peer_servers.py mlserver|bentoml|mlflow|feast FOLDER PORT

FOLDER holds `trees.txt` (the model in LightGBM's text) and `columns.json`. Each is set up as its documentation says for
one LightGBM model on one machine, with as many workers as it starts by default.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

BENTO = """
import bentoml
import lightgbm
import numpy as np


@bentoml.service(traffic={"timeout": 10})
class Fraud:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file="TREES")

    @bentoml.api
    def predict(self, rows: list[list[float]]) -> list[float]:
        return self.booster.predict(np.array(rows, dtype=np.float32), num_threads=1).tolist()
"""
STORE = """
project: bench
provider: local
registry: registry.db
online_store:
    type: sqlite
    path: online.db
entity_key_serialization_version: 3
"""
VIEW = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float32

person = Entity(name="person", join_keys=["person"])
source = FileSource(path="rows.parquet", timestamp_field="event_timestamp")
fraud = FeatureView(
    name="fraud", entities=[person], ttl=timedelta(days=3650), source=source,
    schema=[Field(name=f"f{n}", dtype=Float32) for n in range(15)],
)
"""


def replace_process(*command: str) -> None:
    """Become the peer's own command line."""
    os.execv(str(Path(sys.executable).parent / command[0]), list(command))


def mlserver(folder: Path, port: int) -> None:
    """The V2 inference protocol with MLServer's LightGBM runtime."""
    (folder / "model.bst").write_bytes((folder / "trees.txt").read_bytes())
    model = {"name": "fraud", "implementation": "mlserver_lightgbm.LightGBMModel", "parameters": {"uri": "./model.bst"}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    server = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "host": "127.0.0.1"}
    server["parallel_workers"] = 0  # its worker processes end at once here: no event loop
    (folder / "settings.json").write_text(json.dumps(server))
    replace_process("mlserver", "start", str(folder))


def bentoml(folder: Path, port: int) -> None:
    """A BentoML service around the booster."""
    (folder / "service.py").write_text(BENTO.replace("TREES", str(folder / "trees.txt")))
    os.chdir(folder)
    replace_process("bentoml", "serve", "service:Fraud", "--host", "127.0.0.1", "--port", str(port))


def mlflow(folder: Path, port: int) -> None:
    """The scoring server of mlflow with its LightGBM flavour."""
    import lightgbm  # noqa: PLC0415 - only this peer needs it
    import mlflow.lightgbm  # noqa: PLC0415

    mlflow.lightgbm.save_model(lightgbm.Booster(model_file=str(folder / "trees.txt")), str(folder / "flavour"))
    replace_process(
        "mlflow", "models", "serve", "-m", str(folder / "flavour"), "--env-manager", "local", "-h", "127.0.0.1",
        "-p", str(port),
    )  # fmt: skip


def feast(folder: Path, port: int) -> None:
    """Feast's feature server over its SQLite online store: 15 values of one of 2 000 people, no model."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    rng = np.random.default_rng(7)
    rows = pd.DataFrame({f"f{n}": rng.random(2_000).astype("float32") for n in range(15)})
    rows["person"], rows["event_timestamp"] = range(2_000), pd.Timestamp.utcnow()
    rows.to_parquet(folder / "rows.parquet")
    (folder / "feature_store.yaml").write_text(STORE)
    (folder / "view.py").write_text(VIEW)
    os.chdir(folder)
    run = str(Path(sys.executable).parent / "feast")
    assert os.spawnl(os.P_WAIT, run, "feast", "apply") == 0
    assert os.spawnl(os.P_WAIT, run, "feast", "materialize-incremental", "2100-01-01T00:00:00") == 0
    replace_process("feast", "serve", "--host", "127.0.0.1", "--port", str(port), "--no-access-log")


if __name__ == "__main__":
    {"mlserver": mlserver, "bentoml": bentoml, "mlflow": mlflow, "feast": feast}[sys.argv[1]](
        Path(sys.argv[2]), int(sys.argv[3])
    )
