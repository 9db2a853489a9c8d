#!/usr/bin/env python3
"""What learning gains on Chorus, five-fold by query: folds, ablations and intervals as Markdown.

    scripts/bench_learning.py                        # the cross-encoder is taught first: some 30 minutes on two cores
    scripts/bench_learning.py --keep taught          # ... and kept, or taken from there: then 3 minutes
    scripts/bench_learning.py --opensearch 9200      # a node that runs already; gets an index of ours for the time

The cross-encoder learns from queries that are invented from the catalogue; judgments teach the fusion alone, so that
its features have seen none and nothing can leak from fold to fold. A query whose words are all in another, or the other
way round, is in its fold (laptop, laptops, laptop bag), which is harder than chance; folds are drawn several times.
nDCG@10 with linear gain, as trec_eval has it, over the queries that have a relevant document; ideal: all judged ones.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine import CHORUS  # noqa: E402
from bench_learning_stand import Stand, stand  # noqa: E402
from bench_proxy import machine  # noqa: E402

from middleware.fusion import FloatArray  # noqa: E402
from middleware.learning.evaluation.rankings import Evaluation, compare_evaluations  # noqa: E402
from middleware.learning.fusion.evaluation import (  # noqa: E402
    MEASURE,
    Quality,
    Training,
    cross_validate,
    elasticsearch,
    measure,
    split_folds,
)
from middleware.learning.fusion.make import DEFAULT_MONOTONE, DEFAULT_UNJUDGED  # noqa: E402
from middleware.learning.fusion.training import Recipe  # noqa: E402
from middleware.learning.fusion.windows import JudgedWindow  # noqa: E402

FOLDS = 5
RECIPE = Recipe(monotone=DEFAULT_MONOTONE)

Folds = Sequence[Sequence[int]]
Part = Callable[[Quality], Evaluation]
PARTS: Sequence[Part] = (lambda quality: quality.unjudged_as_0, lambda quality: quality.judged_only)


@dataclass(frozen=True)
class Bench:
    """The judged windows, and the folds as they were drawn each time."""

    windows: Sequence[JudgedWindow]
    draws: Sequence[Folds]

    def hand_set(self, name: str, weights: Mapping[str, float]) -> list[Quality]:
        """A sum of features that no judgment taught, so the same for all draws."""
        return [measure(name, self.windows, lambda window: mixed(window, weights))]

    def learned(self, name: str, training: Training) -> list[Quality]:
        """A fusion that is trained on four folds and measured on the fifth; one quality for each draw."""
        return [measure(name, self.windows, cross_validate(self.windows, folds, training)) for folds in self.draws]


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    if not (options.data / "judgments_dev.csv").is_file():
        sys.exit(f"{options.data} is not there: give --data, the folder of the Chorus catalogue and its judgments")
    print(machine())
    with stand(options.data, options.opensearch) as ready:
        windows, fields, names = judged_windows(ready, options)
    bench = Bench(windows, [split_folds(windows, FOLDS, seed) for seed in range(options.draws)])
    baselines = without_judgments(bench)
    chosen = bench.learned("fusion, learned", training(fields, names))
    rows = [*baselines, chosen, *ablations(bench, fields, names)]
    print_table(rows, against=(baselines[0], baselines[2]))
    print_folds(bench, [baselines[0][0], baselines[2][0], chosen[0]])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CHORUS, help="folder of the Chorus catalogue and judgments")
    parser.add_argument("--invented", type=int, default=2000, help="queries that the cross-encoder learns from")
    parser.add_argument("--keep", type=Path, help="folder of the taught cross-encoder: taken, or made")
    parser.add_argument("--draws", type=int, default=3, help="how often the folds are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the invented queries and the training")
    parser.add_argument("--opensearch", type=int, metavar="PORT", help="a real node on this machine")
    return parser.parse_args()


def judged_windows(
    ready: Stand, options: argparse.Namespace
) -> tuple[list[JudgedWindow], Sequence[str], Sequence[str]]:
    """The windows with all features, where words were looked for, and the features of the default."""
    judgments = ready.judgments()
    print(f"{judgments}\n")
    folder: Path = options.keep or ready.scratch / "taught"
    if not (folder / "model.safetensors").is_file():
        ready.teach(folder, options.invented, judgments, options.seed)
    fields = ready.fields(judgments)
    print(f"words are looked for in {', '.join(fields)}\n")
    return ready.windows(folder, fields, judgments), fields, ready.features()


def mixed(window: JudgedWindow, weights: Mapping[str, float]) -> FloatArray:
    total = np.zeros(len(window))
    for name, weight in weights.items():
        total += weight * window.features[name]
    return total


def without_judgments(bench: Bench) -> list[list[Quality]]:
    """Elasticsearch's order, the cosine, both mixed, and what the catalogue alone taught."""
    cosine, mix = {"vector_cosine_raw": 1.0}, {"vector_cosine_raw": 1.0, "first_stage": 0.2, "match": 0.4}
    return [
        [measure("Elasticsearch's order", bench.windows, elasticsearch)],
        bench.hand_set("bi-encoder", cosine),
        bench.hand_set("bi-encoder + 0.3 first stage", {**cosine, "first_stage": 0.3}),
        bench.hand_set("cross-encoder, taught by the catalogue", {"cross_encoder": 1.0}),
        bench.hand_set("bi-encoder + 0.2 first stage + 0.4 match", mix),
        bench.hand_set("the same + 0.2 cross-encoder", {**mix, "cross_encoder": 0.2}),
    ]


def training(
    fields: Sequence[str], names: Sequence[str], unjudged: float = DEFAULT_UNJUDGED, kind: str = "linear"
) -> Training:
    return Training(replace(RECIPE, kind=kind, fields=fields), names, 3, unjudged)


def ablations(bench: Bench, fields: Sequence[str], names: Sequence[str]) -> list[list[Quality]]:
    """The learned fusion with one thing changed."""
    changed: list[tuple[str, Training]] = [
        (f"- without {name}", training(fields, [other for other in names if other != name])) for name in names
    ]
    every = list(bench.windows[0].features)
    changed.append((f"- with {len(every) - len(names)} more features", training(fields, every)))
    changed += [(f"- unjudged hits weigh {weight:g}", training(fields, names, weight)) for weight in (0, 0.1, 0.3, 1)]
    changed += [(f"- {kind}", training(fields, names, kind=kind)) for kind in ("network", "trees", "average")]
    return [bench.learned(name, each) for name, each in changed]


def print_table(rows: Sequence[Sequence[Quality]], against: Sequence[Sequence[Quality]]) -> None:
    """Means over the draws of the folds, their range, and what is gained with its 95 % interval."""
    gains = " | ".join("over Elasticsearch | over the mix" for _ in PARTS).split(" | ")
    print(f"\n| nDCG@10 | unjudged as 0 | {' | '.join(gains[:2])} | judged hits only | {' | '.join(gains[2:])} |")
    print("|---|" + "---|" * 6)
    for row in rows:
        cells = [row[0].name]
        for part in PARTS:
            cells.append(f"{averaged(row, part).mean[MEASURE]:.3f}{spread(row, part)}")
            cells += [gain(row, baseline, part) for baseline in against]
        print(f"| {' | '.join(cells)} |")


def averaged(row: Sequence[Quality], part: Part) -> Evaluation:
    """Of each query its mean over the draws."""
    parts = [part(quality).by_query for quality in row]
    by_query = {query: {MEASURE: float(np.mean([each[query][MEASURE] for each in parts]))} for query in parts[0]}
    return Evaluation({MEASURE: float(np.mean([values[MEASURE] for values in by_query.values()]))}, by_query)


def spread(row: Sequence[Quality], part: Part) -> str:
    values = [part(quality).mean[MEASURE] for quality in row]
    return f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""


def gain(row: Sequence[Quality], baseline: Sequence[Quality], part: Part) -> str:
    """The difference of the means, bootstrapped over the queries."""
    found = compare_evaluations(averaged(baseline, part), averaged(row, part), MEASURE)
    return f"{found.difference:+.3f} ({found.interval[0]:+.3f} to {found.interval[1]:+.3f})"


def print_folds(bench: Bench, qualities: Sequence[Quality]) -> None:
    """Fold by fold, of the first draw: unjudged as 0 / judged hits only."""
    print("\n| fold | queries |" + "".join(f" {quality.name} |" for quality in qualities))
    print("|---|---|" + "---|" * len(qualities))
    for number, fold in enumerate(bench.draws[0], 1):
        there = [bench.windows[place].query_id for place in fold]
        queries = [query for query in there if query in qualities[0].unjudged_as_0.by_query]
        cells = [
            " / ".join(f"{part(quality).values(MEASURE, queries).mean():.3f}" for part in PARTS)
            for quality in qualities
        ]
        print(f"| {number} | {len(queries)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
