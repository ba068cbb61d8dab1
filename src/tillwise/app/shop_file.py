"""`shop.py`: the shop's own features and use cases, declared in the same words as tillwise's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError, TillwiseError
from tillwise.features.feature import Aggregate
from tillwise.jobs.learning import Learner

SHOP_FILE: Final = "shop.py"


@dataclass(frozen=True, slots=True)
class ShopFile:
    """What a shop declares itself: features a use case gets besides its own, and further use cases."""

    extra_features: Mapping[str, tuple[Aggregate, ...]] = field(default_factory=dict)
    use_cases: tuple[tuple[UseCase, Learner], ...] = ()


def read_shop_file(folder: Path) -> ShopFile:
    """Run the shop's own `shop.py`; raise ConfigurationError naming what is wrong in it. No file: no additions."""
    path = folder / SHOP_FILE
    if not path.exists():
        return ShopFile()
    spec = importlib.util.spec_from_file_location("tillwise_shop", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except TillwiseError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except Exception as error:
        raise ConfigurationError(f"{path} fails with {type(error).__name__}: {error}") from error
    extra = getattr(module, "EXTRA_FEATURES", {})
    own = getattr(module, "USE_CASES", ())
    for name, features in extra.items():
        if not all(isinstance(feature, Aggregate) for feature in features):
            raise ConfigurationError(f"{path}: EXTRA_FEATURES['{name}'] must hold Aggregate declarations only")
    for pair in own:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], UseCase)):
            raise ConfigurationError(f"{path}: USE_CASES must hold pairs (UseCase, learner)")
    return ShopFile({name: tuple(features) for name, features in extra.items()}, tuple(own))
