"""Why nothing left, in codes for programs and plain words for people, each with the step that mends it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Cause(NamedTuple):
    """One reason: a code, what it means, and what would put it right."""

    code: str
    text: str
    mend: str


_ALL: Final = (
    Cause("record_missing", "there is no record of this vendor", "add a [[vendor]] table to vendors.toml"),
    Cause("records_unreadable", "vendors.toml cannot be read, so nobody is on record", "tillwise recipients list"),
    Cause("agreement_missing", "the record names no agreement", "add agreement = { kind, signed, expires } to it"),
    Cause("agreement_expired", "the agreement is not in force today", "renew it and write the new dates in its record"),
    Cause("evidence_expired", "a certificate or report in the record has run out", "ask for a new one, note its dates"),
    Cause(
        "purpose_not_allowed", "the record does not allow this purpose",
        "add it to purposes, if the agreement covers it",
    ),
    Cause(
        "category_not_allowed", "the record allows none of these categories",
        "add them to categories, if the agreement covers them",
    ),
    Cause("category_banned", "the data are of a kind that may never leave", "take them out of what is sent"),
    Cause("place_unknown", "nobody knows where the person is, so no border rule can be met", "set place under [shop]"),
    Cause(
        "transfer_missing", "data would cross a border and the record names no mechanism that carries them",
        'add transfer = { mechanism = "scc", decision = "…" } to the record',
    ),
    Cause("transfer_expired", "the transfer mechanism has run out", "renew it and write the new date in its record"),
    Cause(
        "transfer_not_accepted", "the law of the person's place does not take this mechanism",
        "agree on one that it takes; recipients/borders.toml lists them",
    ),
    Cause("not_adequate", "the country is on no adequacy list of the person's place", "agree on another mechanism"),
    Cause(
        "certificate_missing",
        "only certified organisations are adequate there, and the record holds no such certificate",
        "add the certificate under [[vendor.evidence]], or agree on another mechanism",
    ),
    Cause(
        "transfer_consent_missing", "the person has not said yes to their data going to this country",
        "ask them; tillwise recipients consent SUBJECT COUNTRY given --notice ID",
    ),
    Cause("localised", "the law keeps this person's data in their own region", "use a vendor whose store stands there"),
    Cause("minor", "the person is too young for their data to be handed on without a yes", "leave them out"),
    Cause("nobody", "nobody knows any more whom this was about", ""),
    Cause("gpc", "the person's browser objects to their data being handed on", "leave them out"),
    Cause("restricted", "the person asked that their data rest", "wait until the restriction is lifted"),
    Cause("consent_missing", "the person was asked nothing and has to say yes first", "ask them"),
    Cause("consent_refused", "the person said no", "leave them out"),
    Cause("consent_withdrawn", "the person took their yes back", "leave them out"),
    Cause("consent_expired", "the person's yes is too old to count", "ask them again"),
    Cause("consent_invalidated", "the person's yes was found not to count", "ask them again"),
    Cause("consent_renewal_needed", "the person's yes did not cover what is used today", "ask them again"),
    Cause("guardian_missing", "the person is so young that a parent or guardian has to agree", "ask them"),
    Cause("banned_for_minors", "the law bans this use for people so young", "leave them out"),
    Cause("no_basis_in_place", "the law of the person's place knows no basis for this use", "leave them out"),
    Cause("banned_in_place", "the law of the person's place bans this use", "leave them out"),
)  # fmt: skip
_BY_CODE: Final = {cause.code: cause for cause in _ALL}


def cause_of(code: str, detail: str = "") -> Cause:
    """Return a cause by its code, with a detail such as the category that is meant; a code of the gate as it is."""
    found = _BY_CODE.get(code, Cause(code, code.replace("_", " "), ""))
    return found._replace(text=f"{found.text}: {detail}") if detail else found
