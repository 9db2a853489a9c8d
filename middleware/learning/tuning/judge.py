"""What a configuration is worth on some judged queries when it has learned from others, which is all that counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.experiments.assign import ResolvedVariant
from middleware.fusion import FloatArray, rank
from middleware.fusion_models.document import read_model
from middleware.fusion_models.hand_set import HandSet
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.measures import condense
from middleware.learning.evaluation.rankings import Evaluation, evaluate
from middleware.learning.fusion.rows import make_rows
from middleware.learning.fusion.training import train
from middleware.learning.fusion.windows import JudgedWindow
from middleware.learning.tuning.parts import only_queries
from middleware.learning.tuning.space import WEIGHTS, Configuration, FusionChoice
from middleware.learning.tuning.windows import LEARNED, OWN, CrossEncoder, Windows

Fuse = Callable[[Mapping[str, FloatArray]], FloatArray]


@dataclass(frozen=True, slots=True)
class Judge:
    """Measures configurations. `judgments` is all that it can see; `own`: the variant as rerank.yml has it.

    `judged_only`: hits that nobody judged are taken out before measuring. `max_grade`: the grade that target 1 is.
    """

    windows: Windows
    judgments: Judgments
    own: ResolvedVariant
    measure: str
    judged_only: bool
    max_grade: int

    def evaluate(
        self,
        configuration: Configuration,
        learned_from: Sequence[str],
        measured: Sequence[str],
        model: CrossEncoder | None = None,
    ) -> Evaluation:
        """The measure of each of the queries `measured`, of the fusion that `learned_from` taught.

        A query that finds nothing counts 0, one without a judgment above grade 0 is left out. What lies behind the
        window stays in Elasticsearch's order. Raises CommandError, with counts, where nothing can be learned.
        """
        fuse = self._fuse(configuration, learned_from, model)
        run: dict[str, list[str]] = {}
        for window in self._windows(configuration, measured, model):
            inside = [window.document_ids[place] for place in rank(fuse(window.features))]
            run[window.query_id] = [*inside, *self.windows.hits(window.query_id)[len(inside) :]]
        qrels = {query: self.judgments.qrels[query] for query in measured}
        return evaluate(condense(run, qrels) if self.judged_only else run, qrels, (self.measure,))

    def train(
        self, configuration: Configuration, learned_from: Sequence[str], model: CrossEncoder | None = None
    ) -> dict[str, Any]:
        """The document of the fusion model that the queries `learned_from` teach."""
        choice = configuration.fusion
        assert choice is not None  # asked before
        rows = make_rows(
            self._windows(configuration, learned_from, model), choice.names, self.max_grade, choice.unjudged
        )
        return train(rows, choice.recipe)

    def windows_of(self, configuration: Configuration, queries: Sequence[str]) -> list[JudgedWindow]:
        """The windows of these queries."""
        return self._windows(configuration, queries, None)

    def mean_hits(self, configuration: Configuration, queries: Sequence[str]) -> float:
        """How many hits of a search the cross-encoder reads, on average."""
        counts = [min(configuration.window, len(self.windows.hits(query))) for query in queries]
        return sum(counts) / max(len(counts), 1)

    def _fuse(self, configuration: Configuration, learned_from: Sequence[str], model: CrossEncoder | None) -> Fuse:
        choice = configuration.fusion
        if choice is None:
            return self.own.fusion.model.fuse
        if choice.kind == WEIGHTS:
            return HandSet(choice.weights).fuse
        return read_model(self.train(configuration, learned_from, model)).fuse

    def _windows(
        self, configuration: Configuration, queries: Sequence[str], model: CrossEncoder | None
    ) -> list[JudgedWindow]:
        whose = OWN if configuration.fusion is None else LEARNED
        seen = only_queries(self.judgments, queries)
        return self.windows.make(seen, configuration.window, configuration.template, whose, model)


def learns(choice: FusionChoice | None) -> bool:
    """Whether a fusion model is trained."""
    return choice is not None and choice.kind != WEIGHTS
