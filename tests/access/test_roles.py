"""Roles are data, and whatever the data do not say is denied."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.access.grants import Grant
from tillwise.access.key import ROLES, SCOPES, Key
from tillwise.access.roles import FILE, Need, load_roles, need, read_roles
from tillwise.access.signed import Signed, signed_key
from tillwise.errors import ConfigurationError

TEXT = files("tillwise.access").joinpath(FILE).read_text("utf-8")
TABLE = load_roles()
names = st.sampled_from([*TABLE.roles, "owner", ""])
categories = st.frozensets(st.sampled_from([*TABLE.categories, "secrets"]), min_size=1)
purposes = st.tuples(st.sampled_from([*TABLE.purposes, "curiosity"])) | st.just(())


def signed(*roles: str, purpose: str = "") -> Signed:
    grants = tuple(Grant(f"g-{role}", "p-1", role, 0, 1, None, None, None) for role in roles)
    return Signed("p-1", "Anna", grants, None, purpose)


@settings(max_examples=200)
@given(st.lists(names, max_size=3), categories, purposes)
def test_a_page_opens_only_for_what_the_table_says(held: list[str], shown: frozenset[str], serves: tuple[str]) -> None:
    """For every purpose a page opens for, each category it shows stands in the table for one of the roles."""
    opened = TABLE.purposes_for(held, Need("page", shown, serves))
    for purpose in serves or TABLE.purposes:
        told = all(any(c in TABLE.roles[r].sees.get(purpose, ()) for r in held if r in TABLE.roles) for c in shown)
        assert (purpose in opened) == told


def test_without_a_role_everything_is_denied() -> None:
    """No grant, an unknown role, an unknown category, a page that says nothing: denied."""
    anything = need("page", "aggregates")
    assert not signed().may(anything)
    assert not signed("owner").may(anything)
    assert not signed("admin", "dpo").may(Need("page", frozenset({"secrets"})))
    assert not signed("admin", "dpo").may(Need("page", frozenset()))


@pytest.mark.parametrize(
    ("role", "sees", "denied"),
    [
        ("analyst", ["aggregates"], ["decisions", "accounts", "contact"]),
        ("merchandiser", ["aggregates"], ["orders", "behaviour"]),
        ("reviewer", ["reviews", "payment_device"], ["contact", "consents", "accounts"]),
        ("support", ["decisions", "contact"], ["payment_device", "reviews", "accounts"]),
        ("dpo", ["requests", "contact", "payment_device"], ["secrets"]),
        ("auditor", ["decisions", "consents"], ["contact"]),
        ("admin", ["accounts", "decisions"], ["contact", "consents", "requests"]),
    ],
)
def test_each_role_sees_what_its_work_needs(role: str, sees: list[str], denied: list[str]) -> None:
    """Need to know, spelled out: what each role sees, and what it does not."""
    for category in sees:
        assert signed(role).may(need("page", category))
    for category in denied:
        assert not signed(role).may(Need("page", frozenset({category})))


def test_categories_must_meet_under_one_purpose() -> None:
    """What one role sees for one purpose and another for another is not put together."""
    both = need("page", "contact", "payment_device")
    assert not signed("support", "reviewer").may(both)
    assert signed("dpo").purposes(both) == ("data_rights", "audit", "security")


def test_people_say_why_before_personal_data_and_only_then() -> None:
    """Figures need no reason, people's data do, and a reason of another purpose does not open the page."""
    assert not signed("analyst").must_say_why(need("page", "aggregates"))
    decisions = need("page", "decisions", "payment_device")
    assert signed("reviewer").must_say_why(decisions)
    assert signed("reviewer", purpose="customer_asked").must_say_why(decisions)
    assert not signed("reviewer", purpose="fraud_review").must_say_why(decisions)
    assert signed("reviewer", purpose="fraud_review").used(decisions)[0].role == "reviewer"


def test_scopes_of_people_come_through_roles_and_none_is_everything() -> None:
    """No role carries `admin`: nobody gets everything by being given one role."""
    assert signed("reviewer").allows("review")
    assert not signed("reviewer").allows("privacy")
    assert signed("dpo").allows("privacy")
    assert not signed(*TABLE.roles).allows("admin")


def test_the_shops_own_admin_key_opens_every_page() -> None:
    """The first way in stays, and the ledger tells it from people."""
    by_key = signed_key(Key("k-1", "admin", frozenset({"admin"}), 0, 1))
    assert by_key.may(need("page", "contact", "accounts", "payment_device"))
    assert not by_key.must_say_why(need("page", "contact"))
    assert by_key.reason == "admin key"


def test_every_scope_and_every_key_role_says_what_it_shows() -> None:
    """A scope nobody described would be a hole in the answer to a breach."""
    assert TABLE.scopes.keys() == set(SCOPES)
    for scopes in ROLES.values():
        assert TABLE.categories_of(scopes) <= TABLE.categories.keys()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('sees.analysis = ["aggregates"]', 'sees.analysis = ["everything"]'),
        ('sees.analysis = ["aggregates"]', 'sees.curiosity = ["aggregates"]'),
        ('scopes = ["review", "read:decisions"]', 'scopes = ["root"]'),
        ('"review" = { reach', '"rewiev" = { reach'),
        ('"outcomes" = { reach = "nobody", categories = [] }\n', ""),
        ("personal = true", 'personal = "perhaps"'),
        ("[roles.analyst]", "[roles.analyst"),
        ('reach = "asked"', 'reach = "some"'),
    ],
)
def test_a_table_with_a_hole_stops_the_start(before: str, after: str) -> None:
    """A role, scope or category that names something undeclared, or says nothing, is refused by name."""
    with pytest.raises(ConfigurationError, match=FILE):
        read_roles(TEXT.replace(before, after, 1))


def test_a_page_that_does_not_say_what_it_shows_stops_the_start() -> None:
    """A page declares real categories and purposes, or the process does not begin."""
    with pytest.raises(ConfigurationError, match="does not say"):
        need("page")
    with pytest.raises(ConfigurationError, match="secrets"):
        need("page", "secrets")
    with pytest.raises(ConfigurationError, match="curiosity"):
        need("page", "aggregates", purposes=("curiosity",))
