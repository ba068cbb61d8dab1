"""The shop's own rules, and consents that arrive without what makes them count."""

from __future__ import annotations

from collections.abc import Iterator

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding
from tillwise.privacy.own_rules import OWN_LAW


def consent(app: App) -> Iterator[Finding]:
    """Name the shop's own rules, and mapped consent categories whose yeses are left out."""
    rules = [rule for rule in app.gate.rules.rules if rule.law == OWN_LAW]
    own = sorted({(rule.place, rule.purpose.value, rule.default.value) for rule in rules})
    if own:
        shown = ", ".join(f"{place} {purpose} {default}" for place, purpose, default in own[:5])
        more = f" and {len(own) - 5} more" if len(own) > 5 else ""
        yield Finding("fine", "own rules", f"rules.toml sets {shown}{more}")
    said = app.settings.consent
    if said.categories and not (said.notice and said.evidence):
        says = "tracking calls may carry consent, but every yes is left out: no notice or no evidence is named"
        yield Finding("warning", "consent", says, "set notice and evidence under [consent] in tillwise.toml")
