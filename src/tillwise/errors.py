"""Every error tillwise raises, in one tree.

    TillwiseError
    ├── ConfigurationError      a setting, key file or shop.py is missing or wrong
    ├── InvalidInput            a caller's input cannot be used; names the field
    │   ├── InvalidEvent        an event breaks its declared type
    │   ├── InvalidMapping      a mapping file cannot be applied; names file, line or column
    │   └── InvalidDeclaration  a feature or use case is declared in a way that cannot be computed
    ├── NotPermitted            the gate refused, or a key lacks the scope
    ├── NotFound                an id nobody knows
    ├── Conflict                the same id was used for something else
    ├── NotReleased             no model may answer for this use case
    ├── ArtifactDamaged         a model file is missing or its bytes do not match its name
    └── StoreUnavailable        the row store did not answer in time

A message says what happened, where, and what to do. HTTP codes are chosen by the API, exit codes by the CLI.
"""

from __future__ import annotations


class TillwiseError(Exception):
    """Anything tillwise refuses or cannot do, with a message for the person who has to act."""


class ConfigurationError(TillwiseError):
    """A setting, key file or shop.py is missing or wrong."""


class InvalidInput(TillwiseError):
    """A caller's input cannot be used.

    `field` is the path of the offending value, such as `order.amount`; empty when the whole body is meant.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidEvent(InvalidInput):
    """An event breaks its declared type; it goes to quarantine with this reason."""


class InvalidMapping(InvalidInput):
    """A mapping file cannot be applied; the message names file, line or column and what to write instead."""


class InvalidDeclaration(TillwiseError):
    """A feature or use case is declared in a way that cannot be computed exactly."""


class NotPermitted(TillwiseError):
    """The gate refused, or the key lacks the scope."""


class NotFound(TillwiseError):
    """Nobody knows this id."""


class Conflict(TillwiseError):
    """The same id was used for something else before."""


class NotReleased(TillwiseError):
    """No model may answer for this use case."""


class ArtifactDamaged(TillwiseError):
    """A model file is missing or its bytes do not match its name."""


class StoreUnavailable(TillwiseError):
    """The row store did not answer in time; the work was not done and may be tried again."""
