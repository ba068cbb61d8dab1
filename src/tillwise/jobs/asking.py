"""Asking a learner: one of the shop's own may fail in its own way, and that is told in one clear line."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tillwise.errors import ConfigurationError, TillwiseError
from tillwise.jobs.learning import Learner
from tillwise.settings import SHOP_FILE

T = TypeVar("T")


def ask(learner: Learner, use_case: str, folder: Path, work: Callable[[], T], expected: type[T]) -> T:
    """Return what `work` gets from a learner.

    Raises ConfigurationError, with the line of `shop.py`, when a shop's own learner fails or gives something else than
    expected. An error in one of tillwise's own is a bug of ours and stays as it is.
    """
    if type(learner).__module__.partition(".")[0] == "tillwise":
        return work()
    try:
        found = work()
    except TillwiseError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise ConfigurationError(
            f"{SHOP_FILE}: the learner of '{use_case}' failed with {said}{_place(error, folder)}"
        ) from error
    if not isinstance(found, expected):
        raise ConfigurationError(
            f"{SHOP_FILE}: the learner of '{use_case}' gave {type(found).__name__} where {expected.__name__} is due"
        )
    return found


def _place(error: Exception, folder: Path) -> str:
    """Return the last line of the shop's file that the error went through."""
    own = (folder / SHOP_FILE).resolve()
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if Path(at.filename).resolve() == own]
    return f" ({SHOP_FILE}, line {lines[-1]})" if lines else ""
