"""An evaluation from judgments and an index to results: every judged query through the real path and the baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from middleware.catalog.client import Access, connect
from middleware.config import CONTROL, Settings
from middleware.errors import CommandError, ConfigError
from middleware.experiments.assign import resolve
from middleware.learning.evaluation.baselines import SHUFFLES, best_order, evaluate_chance, shuffled
from middleware.learning.evaluation.collect import Collected, collect
from middleware.learning.evaluation.judgments import Judgments, read_judgments
from middleware.learning.evaluation.measures import Run, parse_measures
from middleware.learning.evaluation.rankings import evaluate
from middleware.learning.evaluation.results import (
    BASELINES,
    BI_ENCODER,
    CHANCE,
    ELASTICSEARCH,
    Results,
    System,
    compared,
    measured,
)
from middleware.learning.evaluation.searches import (
    ID,
    Searcher,
    Setup,
    ThroughProxy,
    in_process,
    known_documents,
    switched_off,
)
from middleware.learning.evaluation.slices import KINDS, Known, make_slices, read_log, read_trained_on
from middleware.learning.shop import Shop, open_shop, section_of
from middleware.learning.step_bar import Step


@dataclass(frozen=True, slots=True)
class Options:
    """What to evaluate; every name as the command's option of that name."""

    index: str
    qrels: Path
    queries: Path | None = None
    search: Path | None = None
    variants: Sequence[str] = ()
    baseline: str = ELASTICSEARCH
    measures: Sequence[str] = ()
    hits: int = 100
    windows: Sequence[int] = ()
    id_field: str = ID
    proxy: str | None = None
    profile_user: str | None = None
    budget_ms: int = 60_000
    slices: Sequence[str] = KINDS
    log: Path | None = None
    trained_on: Path | None = None


def evaluate_index(options: Options, settings: Settings, access: Access, step: Step) -> Results:
    """Run it. Raises ConfigError and CommandError, one line with counts and the remedy."""
    started = time.monotonic()
    variants = _chosen_variants(options, settings)
    known = _known(options)
    judgments = read_judgments(options.qrels, options.queries)
    measures = options.measures or default_measures(judgments.max_grade)
    parse_measures(measures)
    make_slices(judgments, options.slices, known)  # what is wrong with them is said before an hour of searches
    shop = _open(options, settings, access, variants)
    judgments, without_relevant = _answerable(judgments, shop, options.id_field)
    setup = Setup(variants, options.windows, options.id_field, options.profile_user, options.budget_ms)
    with _searcher(options, shop, setup) as searcher:
        collected = collect(searcher, judgments, setup, shop.hits, step)
    step("measuring", 0, 1)
    results = Results(
        index=options.index,
        proxy=options.proxy,
        judgments=judgments,
        without_relevant=without_relevant,
        measures=measures,
        hits=shop.hits,
        baseline=options.baseline,
        systems=_systems(collected, judgments, measures),
        ceiling=_ceiling(collected, judgments, measures[0]),
    )
    results = compared(results, make_slices(judgments, options.slices, known))
    return replace(results, seconds=time.monotonic() - started)


def default_measures(max_grade: int) -> tuple[str, ...]:
    """One of each kind; the threshold of graded accuracy is the highest grade that was given."""
    graded = (f"Accuracy(rel={max_grade})@1",) if max_grade > 1 else ()
    return ("nDCG@10", "RR", "AP", "P@10", "R@100", "F1@10", "Accuracy@1", *graded)


def _chosen_variants(options: Options, settings: Settings) -> list[str]:
    chosen = list(dict.fromkeys(options.variants or settings.variants))
    for name in chosen:
        if name not in settings.variants:
            known = sorted(settings.variants)
            remedy = f"{CONTROL} is always a baseline" if name == CONTROL else f"name some of {known}"
            raise ConfigError("--variant", name, remedy)
        if name in BASELINES:
            raise ConfigError("--variant", name, "this is the name of a baseline; rename the variant in rerank.yml")
    if options.baseline not in (*BASELINES, *chosen):
        raise ConfigError("--baseline", options.baseline, f"name one of {[*BASELINES, *chosen]}")
    return chosen


def _open(options: Options, settings: Settings, access: Access, variants: Sequence[str]) -> Shop:
    section = section_of(options.index, settings)
    hits = max(options.hits, *(resolve(name, section, settings).window for name in variants), *options.windows)
    shop = open_shop(settings, access, options.index, options.search, hits)
    if not options.proxy:
        return shop
    return switched_off(replace(shop, client=connect(options.proxy, access.trusting(settings.upstream))))


def _known(options: Options) -> Known:
    return Known(
        read_log(options.log) if options.log else None,
        read_trained_on(options.trained_on) if options.trained_on else None,
    )


@contextmanager
def _searcher(options: Options, shop: Shop, setup: Setup) -> Iterator[Searcher]:
    if options.proxy:
        yield ThroughProxy(shop, setup)
    else:
        with in_process(shop, setup) as searcher:
            yield searcher


def _answerable(judgments: Judgments, shop: Shop, id_field: str) -> tuple[Judgments, int]:
    """Judgments of documents that are in the index, for queries with a relevant one; how many queries have none."""
    ids = sorted({document for judged in judgments.qrels.values() for document in judged})
    judgments = judgments.only(known_documents(shop, ids, id_field))
    useless = set(judgments.without_relevant)
    if len(useless) == len(judgments.qrels):
        raise CommandError(f"{judgments}: not one query has a relevant document in {shop.index}")
    kept = {query: judged for query, judged in judgments.qrels.items() if query not in useless}
    return replace(judgments, qrels=kept, queries={query: judgments.queries[query] for query in kept}), len(useless)


def _systems(collected: Collected, judgments: Judgments, measures: Sequence[str]) -> dict[str, System]:
    first = measured(ELASTICSEARCH, "the first stage's own order", collected.first_stage, judgments, measures)
    systems = {ELASTICSEARCH: first}
    for name, own in collected.own.items():
        runs = {size: run for (variant, size), run in collected.variants.items() if variant == name}
        system = measured(name, f"variant of rerank.yml, window {own}", runs[own], judgments, measures)
        systems[name] = replace(
            system,
            window=collected.extents[name],
            curve=_curve(runs, judgments, measures[0]),
            ms={size: tuple(collected.ms.get((name, size), ())) for size in sorted(runs)},
            outcomes=collected.outcomes[name],
        )
    return systems | _baselines(collected, judgments, measures)


def _baselines(collected: Collected, judgments: Judgments, measures: Sequence[str]) -> dict[str, System]:
    """The bi-encoder and chance, on the largest window of the variants."""
    window = collected.largest_own
    note = f"the first {window} hits by the cosine of the starter's embeddings (all-MiniLM-L6-v2)"
    cosine = measured(BI_ENCODER, note, collected.by_cosine[window], judgments, measures)
    shown = {each: collected.by_cosine[each] for each in collected.windows}
    chance = evaluate_chance(collected.first_stage, window, judgments.qrels, measures)
    note = f"the first {window} hits shuffled, mean of {SHUFFLES} times"
    return {
        BI_ENCODER: replace(cosine, window=window, curve=_curve(shown, judgments, measures[0])),
        CHANCE: System(CHANCE, note, shuffled(collected.first_stage, window, seed=0), *chance, window=window),
    }


def _curve(runs: Mapping[int, Run], judgments: Judgments, measure: str) -> dict[int, float]:
    return {window: evaluate(run, judgments.qrels, [measure]).mean[measure] for window, run in sorted(runs.items())}


def _ceiling(collected: Collected, judgments: Judgments, measure: str) -> dict[int, float]:
    runs = {window: best_order(collected.first_stage, window, judgments.qrels) for window in collected.windows}
    return _curve(runs, judgments, measure)
