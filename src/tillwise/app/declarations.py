"""What has to be said before a shop may start: of every event, property, feature and use case, why and what kind."""

from __future__ import annotations

from collections.abc import Iterable

from tillwise.decisions.use_case import UseCase
from tillwise.documents.lineage import lineage
from tillwise.errors import ConfigurationError, InvalidDeclaration
from tillwise.events.check import check_event_types, is_category
from tillwise.features.check import check_features
from tillwise.privacy.wording import check_words
from tillwise.vocabulary.purpose import Purpose


def check_declarations(use_cases: Iterable[UseCase]) -> None:
    """Raise ConfigurationError naming the first declaration that lacks a purpose, a data category or its words.

    It is asked while a shop is built, before anybody is served: what cannot say why it reads something reads nothing.
    """
    check_words()
    try:
        check_event_types()
    except InvalidDeclaration as error:
        raise ConfigurationError(f"events: {error}") from error
    for use_case in use_cases:
        try:
            _check_use_case(use_case)
        except InvalidDeclaration as error:
            raise ConfigurationError(f"shop.py: {error}") from error


def _check_use_case(use_case: UseCase) -> None:
    if not isinstance(use_case.purpose, Purpose):
        raise InvalidDeclaration(
            f"use case '{use_case.name}' has no purpose: give it one, such as purpose=Purpose.MARKETING"
        )
    check_features(use_case.features, use_case.purpose)
    known = lineage(use_case)
    for each in known.inputs:
        if not each.tagged:
            raise InvalidDeclaration(
                f"use case '{use_case.name}': '{each.name}' has no data category; name it under categories of its"
                f" feature set, such as categories={{'{each.name}': ('user.behavior',)}}, or () when it is about nobody"
            )
        if odd := [category for category in each.categories if not is_category(category)]:
            raise InvalidDeclaration(
                f"use case '{use_case.name}': '{odd[0]}' of '{each.name}' is no data category; write it as the"
                " taxonomy does, such as user.behavior"
            )
