"""The runs of an evaluation as they grow, query by query: Elasticsearch's order, the bi-encoder's, every variant's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from middleware.errors import CommandError
from middleware.learning.evaluation.baselines import by_cosine, embed_windows
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.searches import APPLIED, Searched, Searcher, Setup
from middleware.learning.step_bar import Step

_EMBEDDED_TOGETHER = 100


@dataclass(slots=True)
class Collected:
    """Runs as they grow: document ids by query, in Elasticsearch's order, by cosine, and by variant and window."""

    windows: Sequence[int]
    own: Mapping[str, int]
    first_stage: dict[str, Sequence[str]] = field(default_factory=dict)
    by_cosine: dict[int, dict[str, Sequence[str]]] = field(default_factory=dict)
    variants: dict[tuple[str, int], dict[str, Sequence[str]]] = field(default_factory=dict)
    ms: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    extents: Counter[str] = field(default_factory=Counter)

    @property
    def largest_own(self) -> int:
        return max(self.own.values())

    def note(self, query: str, searched: Searched, hits: int) -> None:
        self.first_stage[query] = searched.hits[:hits]
        for (name, window), answer in searched.reranked.items():
            self.variants.setdefault((name, window), {})[query] = answer.hits[:hits]
            if answer.outcome == APPLIED:
                self.ms.setdefault((name, window), []).append(answer.second_stage_ms)
            if window == self.own[name]:
                self.outcomes.setdefault(name, Counter())[answer.outcome] += 1
                self.extents[name] = max(self.extents[name], answer.window)

    def embed(self, waiting: Mapping[str, Searched], queries: Mapping[str, str]) -> None:
        pairs = [(queries[query], searched.document_texts) for query, searched in waiting.items()]
        for (query, searched), cosines in zip(waiting.items(), embed_windows(pairs), strict=True):
            for window in {*self.windows, self.largest_own}:
                self.by_cosine.setdefault(window, {})[query] = by_cosine(searched.hits, cosines, window)


def collect(searcher: Searcher, judgments: Judgments, setup: Setup, hits: int, step: Step) -> Collected:
    """Every query once. Raises CommandError where one is refused, or a variant reranked not one of them."""
    own = searcher.own_windows
    collected = Collected(sorted({*setup.windows, *own.values()}) if setup.windows else [], own)
    waiting: dict[str, Searched] = {}
    for done, (query, text) in enumerate(judgments.queries.items(), start=1):
        step("searching", done - 1, len(judgments.queries))
        waiting[query] = searcher.search(text)
        collected.note(query, waiting[query], hits)
        if len(waiting) == _EMBEDDED_TOGETHER or done == len(judgments.queries):
            step("embedding", done - 1, len(judgments.queries))
            collected.embed(waiting, judgments.queries)
            waiting = {}
    _check_outcomes(collected)
    return collected


def _check_outcomes(collected: Collected) -> None:
    for name, outcomes in collected.outcomes.items():
        if not outcomes[APPLIED]:
            reasons = ", ".join(f"{count} x {why}" for why, count in outcomes.most_common())
            raise CommandError(f"variant {name} reranked none of {outcomes.total()} searches: {reasons}")
