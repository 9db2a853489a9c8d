#!/usr/bin/env python3
"""What knowing the customer gains, where the truth is known: simulated shoppers, the product's own profiles and order.

    scripts/bench_personal.py                                # two cores: some 12 minutes, a cross-encoder is taught
    scripts/bench_personal.py --model taught                 # kept there, or taken from there: 6 minutes
    scripts/bench_personal.py --users 300 --seeds 1 --quick  # a first look
    scripts/bench_personal.py --opensearch 9200              # a node that runs already; keeps the vectors made in it

Shoppers have latent tastes: a brand, a colour, a level of price, some of these or none. They search the Chorus
catalogue in a real node, look at hits with a chance that falls with Elasticsearch's rank, and click and buy by a
multinomial logit of relevance, quality and taste; bench_personal_world.py states all of it. Their events become
profiles by `profiles build`, which are read and ranked with as in a live search, with default weights, strength and
bounds. What they buy later tells which order was better: the reciprocal rank of the bought product, with the profile
and without, in the same window. Intervals: users are resampled, each with all that they bought.

Later purchases are drawn from all hits whatever their rank, so that neither order is favoured. One row draws them under
the bias of Elasticsearch's ranks, as the past was: that favours the order without profiles, which is nearer to it.
Relevance is what the cross-encoder says, so the order without profiles makes no mistake but in quality and taste.

What it cannot tell: whether real shoppers have such tastes, and as strong ones; whether they choose by a logit; what
they do once the order changes. The last rows say what is left of the gain where the world is another one.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine import CHORUS  # noqa: E402
from bench_personal_shop import (  # noqa: E402
    NOW,
    Found,
    PersonalShop,
    ShopOptions,
    open_personal_shop,
    read_queries,
)
from bench_personal_tables import Row, print_tables  # noqa: E402
from bench_personal_told import HitFacts, is_told_of_user  # noqa: E402
from bench_personal_world import Rules, Shelf, Shopper, Shown, World  # noqa: E402
from bench_proxy import machine  # noqa: E402

from middleware.learning.step_bar import step_bar  # noqa: E402
from middleware.personalization.profiles import Profile  # noqa: E402

LATER = 4
VARIATIONS: Mapping[str, Rules] = {
    "nobody has a taste": Rules(tastes={}),
    "weaker tastes: 2 to 4": Rules(strength=(2.0, 4.0)),
    "half as strong tastes: 1.5 to 2.5": Rules(strength=(1.5, 2.5)),
    "looks fall as 1 / rank": Rules(bias=1.0),
    "nothing is bought twice": Rules(durable=1.0),
    "everything is bought twice": Rules(durable=0.0),
    "searches for anything": Rules(interests=1, wander=1.0),
}


@dataclass(frozen=True)
class Stage:
    """The shop with its searches, the same for all worlds."""

    shop: PersonalShop
    found: Mapping[str, Found]
    shelf: Shelf
    shown: Sequence[Shown]


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    if not (options.data / "judgments_dev.csv").is_file():
        sys.exit(f"{options.data} is not there: give --data, the folder of the Chorus catalogue and its judgments")
    print(machine())
    wanted = ShopOptions(options.data, options.model, options.opensearch, options.invented, options.products)
    with step_bar(Console(stderr=True), "starting") as step, open_personal_shop(wanted, step) as shop:
        found = shop.find(read_queries(options.data))
        stage = Stage(shop, found, *shop.shelve(found))
        rows = [
            row for seed in range(options.seeds) for row in simulate(stage, Rules(), options.seed + seed, options.users)
        ]
        varied = (
            {}
            if options.quick
            else {name: simulate(stage, rules, options.seed, options.users // 2) for name, rules in VARIATIONS.items()}
        )
    print_tables(rows, varied)
    if options.output:
        every = {"main": rows, **varied}
        kept = {name: [asdict(row) for row in each] for name, each in every.items()}
        options.output.write_text(json.dumps(kept))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CHORUS, help="folder of the Chorus catalogue, judgments and log")
    parser.add_argument("--users", type=int, default=1000, help="shoppers of each world")
    parser.add_argument("--seeds", type=int, default=3, help="worlds that are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--quick", action="store_true", help="without the worlds under other rules")
    parser.add_argument("--model", type=Path, help="folder of the cross-encoder: taken, or made")
    parser.add_argument("--invented", type=int, default=300, help="queries that it learns from where it is made")
    parser.add_argument("--products", type=int, help="of the catalogue the first so many; default: all")
    parser.add_argument("--opensearch", type=int, metavar="PORT", help="a real node on this machine")
    parser.add_argument("--output", type=Path, help="file for all figures as JSON")
    return parser.parse_args()


def simulate(stage: Stage, rules: Rules, seed: int, users: int) -> list[Row]:
    """One world: its past becomes profiles, and each later purchase a row."""
    world = World(stage.shelf, stage.shown, rules, seed)
    shoppers = world.shoppers(users, NOW, LATER)
    profiles = stage.shop.profiles({each.name: each.past for each in shoppers}, stage.shelf, seed)
    rows = []
    for done, shopper in enumerate(shoppers):
        stage.shop.step("ranking", done, len(shoppers))
        rows += judge(stage, world, shopper, profiles[shopper.name], seed)
    return rows


def judge(stage: Stage, world: World, shopper: Shopper, profile: Profile | None, seed: int) -> list[Row]:
    """One shopper's later purchases."""
    told, rows = HitFacts(profile or Profile()), []
    for purchase in shopper.later:
        found = stage.found[world.searches[purchase.search].query_text]
        scored = stage.shop.rank(found.plan, found.response, profile, shopper.name)
        told.add(scored, found.window.hit_fields, found.window.object_ids, found.plan.variant.fusion.model)
        before, after = list(found.scored.order), list(scored.order)
        bought, by_rank = purchase.bought, purchase.bought_by_rank
        rows.append(
            Row(
                user=f"{seed}/{shopper.name}",
                seed=seed,
                tastes=" and ".join(shopper.taste.kinds),
                events=len(shopper.past),
                is_new_search=purchase.is_new,
                is_same_order=after == before,
                before=1 / (1 + before.index(bought)),
                after=1 / (1 + after.index(bought)),
                before_by_rank=1 / (1 + before.index(by_rank)),
                after_by_rank=1 / (1 + after.index(by_rank)),
                told_of_user=is_told_of_user(profile, shopper.taste) if profile else None,
            )
        )
    return [replace(row, told_of_hits=told.names(shopper.taste)) for row in rows]


if __name__ == "__main__":
    main()
