"""Reads the tables that come with tillwise: rules, words, retention. A missing one stops the start, not a shopper.

Tables of law are sealed: `tables.sha256` beside them holds what they were when somebody last read them. A row that was
lost or changed since is not guessed around; a shop's own rules go into its own files, never into these.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from tillwise.errors import ConfigurationError

SEAL: Final = "tables.sha256"
"""Lines as `sha256sum` writes them. In the folder, after a table was reviewed: `sha256sum` of the tables it lists."""


def shipped_text(package: str, *path: str) -> str:
    """Return the text of a file inside a package; raise ConfigurationError naming it when it cannot be read."""
    try:
        return files(package).joinpath(*path).read_text("utf-8")
    except (OSError, UnicodeDecodeError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"{_name(package, *path)} is missing or cannot be read ({type(error).__name__}): without it nothing may be"
            " decided; install tillwise again"
        ) from None


def sealed_text(package: str, name: str) -> str:
    """Return the text of a sealed table; raise ConfigurationError when it is not the one that was reviewed."""
    text = shipped_text(package, name)
    line = f"{hashlib.sha256(text.encode()).hexdigest()}  {name}"
    if line not in shipped_text(package, SEAL).splitlines():
        raise ConfigurationError(
            f"{_name(package, name)} is not the table that was reviewed: it was changed, or the sum beside it is"
            " missing. Install tillwise again; a shop's own rules go into its rules.toml and tillwise.toml"
        )
    return text


def _name(package: str, *path: str) -> str:
    return "/".join((package.replace(".", "/"), *path))
