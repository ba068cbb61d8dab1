"""Roles as data: role × purpose × category, what scopes show, and the duties. Whatever is not written is denied."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec

from tillwise.access.key import SCOPES, is_scope
from tillwise.errors import ConfigurationError

FILE: Final = "roles.toml"
Reach = Literal["everyone", "asked", "nobody"]


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of data there is to see."""

    personal: bool
    says: str


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key with one scope is shown, and of whom."""

    reach: Reach
    categories: tuple[str, ...]


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person with this role may see, by purpose, and which scopes they have."""

    says: str
    scopes: tuple[str, ...]
    sees: dict[str, tuple[str, ...]]

    def may(self, purpose: str, category: str) -> bool:
        """Return True when this role sees this category for this purpose."""
        return category in self.sees.get(purpose, ())


class Duty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A duty one named person holds."""

    says: str
    needed: bool


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table."""

    purposes: dict[str, str]
    categories: dict[str, Category]
    scopes: dict[str, Shown]
    roles: dict[str, Role]
    duties: dict[str, Duty]

    def purposes_for(self, held: Iterable[str], need: Need) -> tuple[str, ...]:
        """Return the purposes for which these roles together see everything a page shows; none means denied.

        A role that is not in the table sees nothing, a category that is not in it is shown to nobody.
        """
        mine = [self.roles[name] for name in held if name in self.roles]
        wanted = need.purposes or tuple(self.purposes)
        return tuple(
            purpose
            for purpose in wanted
            if need.categories and all(any(role.may(purpose, c) for role in mine) for c in need.categories)
        )

    def scopes_of(self, held: Iterable[str]) -> frozenset[str]:
        """Return the scopes a person with these roles has."""
        return frozenset(scope for name in held if name in self.roles for scope in self.roles[name].scopes)

    def is_personal(self, need: Need) -> bool:
        """Return True when a page shows data about people; an unknown category counts as such."""
        return any(c not in self.categories or self.categories[c].personal for c in need.categories)

    def categories_of(self, scopes: Iterable[str]) -> frozenset[str]:
        """Return what a key with these scopes is shown."""
        shown = [self.shown(scope) for scope in scopes]
        return frozenset(category for each in shown if each is not None for category in each.categories)

    def shown(self, scope: str) -> Shown | None:
        """Return what a scope shows; that of a shop's own use case shows what `decide` does, an unknown one nothing."""
        above = scope.partition(":")[0]
        return self.scopes.get(scope) or (self.scopes.get(above) if is_scope(scope) else None)


@dataclass(frozen=True, slots=True)
class Need:
    """What one page or route shows, and what for.

    `what` is its name in the access ledger. `purposes` are those the page serves, all when empty. `back` is the path a
    person returns to after giving a reason, the page's own when empty.
    """

    what: str
    categories: frozenset[str]
    purposes: tuple[str, ...] = ()
    back: str = ""


def need(what: str, *categories: str, purposes: tuple[str, ...] = (), back: str = "") -> Need:
    """Declare what a page shows. Raises ConfigurationError for a category or purpose nobody declared, or none."""
    table = load_roles()
    unknown = [name for name in categories if name not in table.categories]
    unknown += [name for name in purposes if name not in table.purposes]
    if unknown:
        raise ConfigurationError(f"{what}: '{unknown[0]}' is not declared in access/{FILE}")
    if not categories:
        raise ConfigurationError(f"{what} does not say what it shows: nothing starts")
    return Need(what, frozenset(categories), purposes, back)


@cache
def load_roles() -> Roles:
    """Return the table that comes with tillwise. Raises ConfigurationError naming what does not fit."""
    return read_roles(files("tillwise.access").joinpath(FILE).read_text("utf-8"))


def read_roles(text: str) -> Roles:
    """Read a table. Raises ConfigurationError for a part that is missing, unknown or names something undeclared."""
    try:
        table = msgspec.convert(tomllib.loads(text), Roles)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"access/{FILE}: {error}") from None
    for where, names, known in _mentions(table):
        if wrong := sorted(set(names) - set(known)):
            raise ConfigurationError(f"access/{FILE}: {where} names '{wrong[0]}', which is not declared")
    if missing := sorted(set(SCOPES) - table.scopes.keys()):
        raise ConfigurationError(f"access/{FILE}: nobody says what the scope '{missing[0]}' shows")
    return table


def _mentions(table: Roles) -> Iterable[tuple[str, Iterable[str], Mapping[str, object] | tuple[str, ...]]]:
    for scope, shown in table.scopes.items():
        yield "[scopes]", (scope,), SCOPES
        yield f"scope {scope}", shown.categories, table.categories
    for name, role in table.roles.items():
        yield f"role {name}", role.scopes, SCOPES
        yield f"role {name}", role.sees, table.purposes
        for purpose, categories in role.sees.items():
            yield f"role {name}, {purpose}", categories, table.categories
