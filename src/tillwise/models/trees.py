"""Trees at answering time: LightGBM's public C interface, called directly.

`lightgbm.Booster.predict` spends most of a single row's time in checks of data frames; the C interface answers the
same bits in a third of it, and the library need not import a data frame package to start.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from tillwise.errors import ArtifactDamaged, ConfigurationError
from tillwise.models.model import Matrix, Vector

_RAW_SCORE: Final = 1
_CONTRIBUTIONS: Final = 3
_FLOAT32: Final = 0
_ROW_MAJOR: Final = 1
_ALL_TREES: Final = -1
_ALONE: Final = b"num_threads=1 verbosity=-1"


@cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("lightgbm")
    name = {"win32": "lib_lightgbm.dll", "darwin": "lib_lightgbm.dylib"}.get(sys.platform, "lib_lightgbm.so")
    place = Path(spec.origin).parent if spec and spec.origin else Path()
    found = next((place / folder / name for folder in ("lib", "bin") if (place / folder / name).exists()), None)
    if found is None:
        raise ConfigurationError("LightGBM's library is not installed: run `pip install lightgbm`")
    library = ctypes.CDLL(str(found))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _check(library: ctypes.CDLL, code: int) -> None:
    if code != 0:
        raise ArtifactDamaged(f"the trees cannot be used: {library.LGBM_GetLastError().decode(errors='replace')}")


class Trees:
    """Trees read from LightGBM's text. Any number of threads may ask at once."""

    def __init__(self, text: bytes, width: int) -> None:
        """Read the text; raise ArtifactDamaged unless it holds trees over `width` columns."""
        if not text.startswith(b"tree\n") or b"end of trees" not in text:
            raise ArtifactDamaged("the trees are not in LightGBM's text format")
        self._library = _library()
        self.text = text
        self._width = width
        self._booster = ctypes.c_void_p()
        self._single = ctypes.c_void_p()
        self._turn = threading.Lock()
        rounds, columns = ctypes.c_int(), ctypes.c_int()
        load = self._library.LGBM_BoosterLoadModelFromString
        _check(self._library, load(ctypes.c_char_p(text), ctypes.byref(rounds), ctypes.byref(self._booster)))
        _check(self._library, self._library.LGBM_BoosterGetNumFeature(self._booster, ctypes.byref(columns)))
        if columns.value != width:
            raise ArtifactDamaged(f"the trees read {columns.value} columns, the manifest names {width}")
        _check(
            self._library,
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, ctypes.c_int(_RAW_SCORE), ctypes.c_int(0), ctypes.c_int(_ALL_TREES),
                ctypes.c_int(_FLOAT32), ctypes.c_int32(width), ctypes.c_char_p(_ALONE), ctypes.byref(self._single),
            ),
        )  # fmt: skip
        self._out_length = ctypes.c_int64()

    def __del__(self) -> None:
        """Give the memory back."""
        if getattr(self, "_single", None):
            self._library.LGBM_FastConfigFree(self._single)
        if getattr(self, "_booster", None):
            self._library.LGBM_BoosterFree(self._booster)

    def margin(self, x: Matrix) -> Vector:
        """Return the n sums of leaves, in log-odds."""
        if len(x) != 1:
            return self._predict(x, _RAW_SCORE, 1)[:, 0]
        row = np.ascontiguousarray(x, dtype=np.float32)
        result = np.empty(1)
        with self._turn:
            code = self._library.LGBM_BoosterPredictForMatSingleRowFast(
                self._single,
                ctypes.c_void_p(row.ctypes.data),
                ctypes.byref(self._out_length),
                ctypes.c_void_p(result.ctypes.data),
            )
        _check(self._library, code)
        return result

    def contributions(self, x: Matrix) -> Vector:
        """Return n × (width + 1) TreeSHAP values; the last column is the expected margin."""
        return self._predict(x, _CONTRIBUTIONS, self._width + 1)

    def _predict(self, x: Matrix, what: int, columns: int) -> Vector:
        rows = np.ascontiguousarray(x, dtype=np.float32)
        result = np.empty((len(rows), columns))
        if not len(rows):
            return result
        length = ctypes.c_int64()
        code = self._library.LGBM_BoosterPredictForMat(
            self._booster, ctypes.c_void_p(rows.ctypes.data), ctypes.c_int(_FLOAT32), ctypes.c_int32(len(rows)),
            ctypes.c_int32(self._width), ctypes.c_int(_ROW_MAJOR), ctypes.c_int(what), ctypes.c_int(0),
            ctypes.c_int(_ALL_TREES), ctypes.c_char_p(_ALONE), ctypes.byref(length),
            ctypes.c_void_p(result.ctypes.data),
        )  # fmt: skip
        _check(self._library, code)
        return result
