"""What an evaluation found: every ranking with its values, compared with one of them, whole and slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.measures import Run, condense, unjudged_shares
from middleware.learning.evaluation.rankings import Comparison, Evaluation, compare_evaluations, evaluate
from middleware.learning.evaluation.significance import Gap, compare_groups, mean_interval
from middleware.learning.evaluation.slices import SEEN, UNSEEN, Slice

ELASTICSEARCH, CHANCE, BI_ENCODER = "elasticsearch", "random", "bi-encoder"
BASELINES = (ELASTICSEARCH, CHANCE, BI_ENCODER)


@dataclass(frozen=True, slots=True)
class System:
    """One ranking of all queries. `whole`: unjudged documents count as grade 0; `judged_only`: without them.

    `unjudged`: share of each query's first ten. By window: `curve` has the means of the first measure, `ms` what the
    second stage took of each search, in milliseconds. `outcomes`: how many searches were applied, or why not.
    """

    name: str
    note: str
    run: Run
    whole: Evaluation
    judged_only: Evaluation
    unjudged: Mapping[str, float]
    window: int = 0
    curve: Mapping[int, float] = field(default_factory=dict)
    ms: Mapping[int, Sequence[float]] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def unjudged_share(self) -> float:
        return sum(self.unjudged.values()) / len(self.unjudged) if self.unjudged else 0.0


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice: each system's mean of the main measure, and how far each is from the baseline there."""

    slice: Slice
    means: Mapping[str, float]
    comparisons: Mapping[str, Comparison]


@dataclass(frozen=True, slots=True)
class Generalisation:
    """Queries that a model was trained on minus those it never saw: the main measure, and its gain over the baseline.

    The first may only say that the ones are easier than the others; the second says what was learned by heart.
    """

    measure: Gap
    gain: Gap


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that is reported. `ceiling`: by window, the main measure of the best order that it allows."""

    index: str
    proxy: str | None
    judgments: Judgments
    without_relevant: int
    measures: Sequence[str]
    hits: int
    baseline: str
    systems: Mapping[str, System]
    ceiling: Mapping[int, float]
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    judged_comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    slices: Sequence[SliceResult] = ()
    generalisation: Mapping[str, Generalisation] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def how(self) -> str:
        return f"through the proxy at {self.proxy}" if self.proxy else "in process"

    @property
    def main_measure(self) -> str:
        return self.measures[0]

    @property
    def variants(self) -> list[System]:
        """The systems that are none of the baselines that every evaluation has."""
        return [system for name, system in self.systems.items() if name not in BASELINES]

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of a system's mean of the main measure."""
        return mean_interval(self.systems[name].whole.values(self.main_measure))


def measured(name: str, note: str, run: Run, judgments: Judgments, measures: Sequence[str]) -> System:
    """A system with its values on all queries."""
    qrels = judgments.qrels
    whole, judged_only = evaluate(run, qrels, measures), evaluate(condense(run, qrels), qrels, measures)
    return System(name, note, run, whole, judged_only, unjudged_shares(run, qrels))


def compared(results: Results, slices: Sequence[Slice]) -> Results:
    """The results with every other system compared with the baseline, on all queries and on each slice of them."""
    systems, baseline, measure = results.systems, results.baseline, results.main_measure
    whole = {name: system.whole for name, system in systems.items()}
    judged_only = {name: system.judged_only for name, system in systems.items()}
    return replace(
        results,
        comparisons=_compare(whole, baseline, measure),
        judged_comparisons=_compare(judged_only, baseline, measure),
        slices=[_slice_result(each, whole, baseline, measure) for each in slices],
        generalisation=_generalise(slices, whole, baseline, measure),
    )


def _compare(
    evaluations: Mapping[str, Evaluation], baseline: str, measure: str, queries: Sequence[str] | None = None
) -> dict[str, Comparison]:
    return {
        name: compare_evaluations(evaluations[baseline], evaluation, measure, queries)
        for name, evaluation in evaluations.items()
        if name != baseline
    }


def _slice_result(each: Slice, evaluations: Mapping[str, Evaluation], baseline: str, measure: str) -> SliceResult:
    means = {name: float(known.values(measure, each.queries).mean()) for name, known in evaluations.items()}
    return SliceResult(each, means, _compare(evaluations, baseline, measure, each.queries))


def _generalise(
    slices: Sequence[Slice], evaluations: Mapping[str, Evaluation], baseline: str, measure: str
) -> dict[str, Generalisation]:
    """By system; empty where all queries were seen in training, or none was, or nobody said which."""
    groups = {each.name: each.queries for each in slices if each.kind == "training"}
    if not groups.keys() >= {SEEN, UNSEEN}:
        return {}
    found = {}
    base_seen, base_unseen = (evaluations[baseline].values(measure, groups[group]) for group in (SEEN, UNSEEN))
    for name, evaluation in evaluations.items():
        seen, unseen = (evaluation.values(measure, groups[group]) for group in (SEEN, UNSEEN))
        gain = compare_groups(seen - base_seen, unseen - base_unseen)
        found[name] = Generalisation(compare_groups(seen, unseen), gain)
    return found
