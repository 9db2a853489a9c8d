"""Whether the product's explanations, in words, name the taste that a shopper of bench_personal.py has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench_personal_world import Taste

from middleware.explanation.facts import Facts
from middleware.features.table import FEATURES
from middleware.fusion_models import FusionModel
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored

PAGE = 10


def is_told_of_user(profile: Profile, taste: Taste) -> bool | None:
    """Whether what is told of the user names their brand and colour; None for a taste that has neither."""
    told = Facts(profile).about_user()
    wanted = _named(taste)
    return all(any(name in fact for fact in told) for name in wanted) if wanted else None


class HitFacts:
    """What the explanations of a user's searches tell of the hits on first pages, and how much each fact adds there."""

    def __init__(self, profile: Profile) -> None:
        self._facts = Facts(profile)
        self._added: defaultdict[str, float] = defaultdict(float)

    def add(self, scored: Scored, hits: Sequence[HitFields], object_ids: Sequence[str], model: FusionModel) -> None:
        """Count the facts of a first page, each by what its feature adds beyond what somebody unknown has."""
        parts = model.contributions(scored.features).parts
        for position in scored.order[:PAGE]:
            features = {name: float(values[position]) for name, values in scored.features.items()}
            for name, fact in self._facts.about_hit(hits[position], object_ids[position], features).items():
                if features[name] > FEATURES[name].neutral:
                    beyond = 1 - FEATURES[name].neutral / features[name]
                    # Of prices each hit tells its own.
                    key = "usual price" if name == "price_fit" else fact
                    self._added[key] += float(parts[name][position]) * beyond

    def names(self, taste: Taste) -> bool | None:
        """Whether the fact that adds most is about one of the user's tastes; None without a taste, or a fact."""
        wanted = [*_named(taste), *(["usual price"] if taste.price_utility else [])]
        if not wanted or not self._added:
            return None
        strongest = max(self._added, key=lambda fact: self._added[fact])
        return any(name in strongest for name in wanted)


def _named(taste: Taste) -> list[str]:
    """How facts name them."""
    brand = [f"brand {taste.brand} ("] if taste.brand_utility else []
    return brand + ([f"colour {taste.colour} ("] if taste.colour_utility else [])
