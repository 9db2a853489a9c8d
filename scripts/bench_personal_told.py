"""Whether the product's explanation of a profile, in words, names the taste that a shopper of bench_personal.py has."""

from __future__ import annotations

from bench_personal_world import Taste

from middleware.explanation.facts import Facts
from middleware.personalization.profiles import Profile


def names_taste(profile: Profile, taste: Taste) -> bool | None:
    """Whether the first brand (and colour) told of the user is the true one; None for a taste that has neither."""
    told = Facts(profile).about_user()
    checks = []
    if taste.brand_utility:
        first = next((fact for fact in told if "brand " in fact), "")
        checks.append(f"brand {taste.brand} (" in first)
    if taste.colour_utility:
        first = next((fact for fact in told if "colour " in fact), "")
        checks.append(f"colour {taste.colour} (" in first)
    return all(checks) if checks else None
