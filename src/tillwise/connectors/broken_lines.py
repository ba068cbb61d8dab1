"""What is wrong with a file's lines, in words a shop can act on: the reader's own are for programmers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tillwise.errors import InvalidMapping

_REASONS: Final = {
    "MISSING COLUMNS": "has fewer values than the first line names columns; mend the line, or the file's delimiter",
    "TOO MANY COLUMNS": "has more values than the first line names columns; put values such as 19,90 in quotes",
    "INVALID ENCODING": 'is not UTF-8; save the file as UTF-8 (spreadsheets: "CSV UTF-8")',
    "UNQUOTED VALUE": "has a quotation mark out of place; close every quote, and double those inside a value",
    "LINE SIZE OVER MAXIMUM": "is longer than a line can be; close every quote, or take the long value out",
}
_OTHERWISE: Final = "cannot be read; look at its quotes and delimiters"
_WRONG_SHARE: Final = 0.5
"""When more lines than this are broken in the same way, the file is wrong, not the lines."""


def csv_reason(kind: str) -> str:
    """Return why a line could not be read, by the kind of error the reader names, and what to do."""
    return _REASONS.get(kind, _OTHERWISE)


def check_lines(place: str, broken: Sequence[tuple[int, str]], good: int) -> None:
    """Raise InvalidMapping when most lines are broken in the same way: nothing of such a file goes in."""
    for reason, n in Counter(reason for _, reason in broken).most_common(1):
        if n > (good + len(broken)) * _WRONG_SHARE:
            first = next(line for line, why in broken if why == reason)
            raise InvalidMapping(
                f"{place}: {n} of {good + len(broken)} lines cannot be used, first line {first}: it {reason}",
                field="file",
            )


def unreadable(name: str, error: Exception) -> str:
    """Return what to do about a file that cannot be opened as what its name (in small letters) says it is."""
    if isinstance(error, OSError) and error.strerror:
        return f"the file cannot be read: {error.strerror}"
    if name.endswith(".parquet"):
        return "the file is not Parquet, or is cut off: write it again, or give it the ending of its format"
    if "gzip" in str(error).lower() or isinstance(error, EOFError):
        return "the file is not gzip, or is cut off: pack it again, or take .gz off its name"
    if not name.endswith(".csv"):
        return "the file is not text in UTF-8, one JSON object per line: save it again so"
    return (
        "the file breaks the rules of CSV, for instance with two kinds of line ends: open it in an editor or a"
        " spreadsheet and save it again as CSV UTF-8"
    )
