"""`shop.py`: the shop's own features and use cases, declared in the same words as tillwise's own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError, TillwiseError
from tillwise.features.feature import Aggregate
from tillwise.jobs.learning import Learner
from tillwise.settings import SHOP_FILE
from tillwise.vocabulary.codes import code_of


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
    # Dataclasses look their module up by name; the name tells two shops in one process apart.
    name = f"tillwise_shop_{code_of(str(path.resolve())) % 2**64:x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except TillwiseError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except Exception as error:
        raise ConfigurationError(f"{path} fails with {type(error).__name__}: {error}") from error
    extra, own = getattr(module, "EXTRA_FEATURES", {}), getattr(module, "USE_CASES", ())
    if not isinstance(extra, Mapping) or not isinstance(own, Sequence):
        raise ConfigurationError(f"{path}: EXTRA_FEATURES is a dict of use case and features, USE_CASES a tuple")
    for use_case, features in extra.items():
        if not isinstance(features, Sequence) or not all(isinstance(feature, Aggregate) for feature in features):
            raise ConfigurationError(f"{path}: EXTRA_FEATURES['{use_case}'] must be a tuple of Aggregate declarations")
    for pair in own:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], UseCase)):
            raise ConfigurationError(f"{path}: USE_CASES must hold pairs (UseCase, learner)")
    return ShopFile({use_case: tuple(features) for use_case, features in extra.items()}, tuple(own))
