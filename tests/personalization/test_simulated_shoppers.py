"""The world of scripts/bench_personal.py over a small shop of our own: it repeats, and profiles gain there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from middleware.config import ProfileSettings
from middleware.config.personal import PersonalSettings
from middleware.config.variants import WeightSettings
from middleware.fusion_models.hand_set import HandSet
from middleware.personal_order import bind_order
from middleware.personalization.events import Event
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile, profile_of
from middleware.personalization.state import EMPTY, Product, fold

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bench_personal_told import is_told_of_user
from bench_personal_world import Rules, Shelf, Shopper, Shown, Taste, World

NOW = 1_700_000_000.0
SEARCHES, HITS, BRANDS = 12, 60, ("acme", "bolt", "core", "dune", "echo", "flux")
COLOURS = ("black", "white", "red", "green")


def shop() -> tuple[Shelf, list[Shown]]:
    rng = np.random.default_rng(7)
    count = SEARCHES * HITS
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    shelf = Shelf(
        [f"p{number}" for number in range(count)],
        [frozenset([str(rng.choice(BRANDS))]) for _ in range(count)],
        [frozenset([str(rng.choice(COLOURS))]) for _ in range(count)],
        np.exp(rng.normal(3, 0.6, count)),
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
    )
    shown = [
        Shown(f"query {number}", np.arange(number * HITS, (number + 1) * HITS), np.sort(rng.normal(0, 1, HITS))[::-1])
        for number in range(SEARCHES)
    ]
    return shelf, shown


def fields_of(shelf: Shelf, place: int) -> HitFields:
    colours = tuple(f"colour={colour}" for colour in sorted(shelf.colours[place]))
    return HitFields(tuple(shelf.brands[place]), (), float(shelf.prices[place]), attributes=colours)


def profile(shelf: Shelf, shopper: Shopper) -> Profile:
    settings = ProfileSettings()
    events = [Event(shopper.name, act.action_name, shelf.ids[act.place], act.at_s) for act in shopper.past]
    products = {shelf.ids[act.place]: Product(fields_of(shelf, act.place)) for act in shopper.past}
    return profile_of(fold(EMPTY, events, products, settings, NOW), settings=settings, now=NOW)


def reciprocal_ranks(world: World, shopper: Shopper) -> list[tuple[float, float]]:
    """Of each later purchase without the profile and with it, at the default weights and bounds."""
    known, ranks = profile(world.shelf, shopper), []
    model = HandSet(WeightSettings().model_dump())
    for purchase in shopper.later:
        shown = world.searches[purchase.search]
        plain = {
            "cross_encoder": 1 / (1 + np.exp(-shown.relevance)),
            "first_stage": np.linspace(1, 0, HITS),
        }
        before = np.argsort(-model.fuse(plain), kind="stable").tolist()
        hits, ids = (
            [fields_of(world.shelf, int(place)) for place in shown.places],
            [world.shelf.ids[place] for place in shown.places],
        )
        fused = model.fuse(plain | profile_features(known, hits, ids))
        after = bind_order(before, fused, PersonalSettings().most_ranks)
        ranks.append((1 / (1 + before.index(purchase.bought)), 1 / (1 + after.index(purchase.bought))))
    return ranks


def draw(tastes: str, count: int, seed: int = 1) -> tuple[World, list[Shopper]]:
    world = World(*shop(), Rules(tastes=dict.fromkeys(tastes.split(), 1.0), interests=6, searches=12.0), seed)
    return world, world.shoppers(count, NOW, 4)


def mean_ranks(tastes: str, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """The means of each shopper with ten or more events, shape (n,) each."""
    world, shoppers = draw(tastes, count)
    means = np.array(
        [np.mean(reciprocal_ranks(world, shopper), axis=0) for shopper in shoppers if len(shopper.past) >= 10]
    )
    return means[:, 0], means[:, 1]


def test_a_seed_draws_the_same_shoppers_every_time_and_another_seed_others() -> None:
    assert draw("brand price", 20)[1] == draw("brand price", 20)[1]
    assert draw("brand price", 20)[1] != draw("brand price", 20, seed=2)[1]


def test_profiles_bring_what_shoppers_with_a_taste_buy_to_the_front() -> None:
    before, after = mean_ranks("brand price")
    assert after.mean() > 1.2 * before.mean()


def test_shoppers_without_a_taste_lose_nothing_that_is_not_chance() -> None:
    before, after = mean_ranks("")
    lost = before - after
    assert lost.mean() < 2 * lost.std() / np.sqrt(len(lost))


def test_shoppers_with_no_past_keep_their_order_to_the_hit() -> None:
    world, shoppers = draw("brand price", 60)
    newcomers = [shopper for shopper in shoppers if not shopper.past]
    assert newcomers
    assert all(before == after for shopper in newcomers for before, after in reciprocal_ranks(world, shopper))


def test_a_taste_moves_choices_by_the_odds_that_it_states() -> None:
    # A logit: of two hits alike but for the brand, e^3 = 20.1 times as many buy the one that they like.
    shelf, shown = shop()
    world = World(shelf, shown, Rules(quality=0, fit=0, thrift=0), 1)
    liked = world.taste_utility(0, Taste(brand="acme", brand_utility=3.0))
    assert set(liked.tolist()) == {0.0, 3.0}
    assert liked.tolist() == [3.0 * ("acme" in shelf.brands[place]) for place in shown[0].places]


def test_what_is_told_of_a_user_names_a_taste_that_the_profile_holds_and_no_other() -> None:
    known = Profile(brand_affinity={"acme": 0.6, "bolt": 0.3}, weight=40.0, events=20, confidence=0.9)
    assert is_told_of_user(known, Taste(brand="acme", brand_utility=3.0)) is True
    assert is_told_of_user(known, Taste(brand="core", brand_utility=3.0)) is False
    assert is_told_of_user(known, Taste()) is None
