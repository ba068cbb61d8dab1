"""Reads the tables that come with tillwise: rules, words, retention. A missing one stops the start, not a shopper."""

from __future__ import annotations

from importlib.resources import files

from tillwise.errors import ConfigurationError


def shipped_text(package: str, *path: str) -> str:
    """Return the text of a file inside a package; raise ConfigurationError naming it when it cannot be read."""
    try:
        return files(package).joinpath(*path).read_text("utf-8")
    except (OSError, UnicodeDecodeError, ModuleNotFoundError) as error:
        name = "/".join((package.replace(".", "/"), *path))
        why = type(error).__name__
        raise ConfigurationError(
            f"{name} is missing or cannot be read ({why}): without it nothing may be decided; install tillwise again"
        ) from None
