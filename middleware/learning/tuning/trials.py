"""One trial of a study: a configuration is tried fold by fold, and given up where others were better by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from middleware.learning.tuning.judge import Judge
from middleware.learning.tuning.parts import Parts
from middleware.learning.tuning.reranker import Trainer
from middleware.learning.tuning.session import Session
from middleware.learning.tuning.space import Configuration, Space, suggest
from middleware.learning.tuning.study import completed
from middleware.learning.tuning.windows import CrossEncoder

HITS_READ, MS, FOLDER = "hits read", "ms", "folder"
"""What is noted of a trial beside its value: hits of a search that are read, what that took, its model's folder."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Tries configurations; `judge` holds the judgments of `parts.folds` alone. `trainer`: where models are trained."""

    judge: Judge
    parts: Parts
    space: Space
    trainer: Trainer | None

    def run(self, trial: Any) -> float:
        """The mean of the measure over the queries of all folds, each by what the others taught.

        Of a trained cross-encoder over the first fold alone, since a model is trained for each. Raises
        optuna.TrialPruned where it is given up, CommandError where the configuration cannot be tried.
        """
        configuration = suggest(trial, self.space)
        if configuration.reranker is not None:
            return self._with_reranker(trial, configuration)
        values: dict[str, float] = {}
        for place in range(len(self.parts.folds)):
            values |= self._values(configuration, place, None)
            value = float(np.mean(list(values.values())))
            _report(trial, value, place, is_last=place + 1 == len(self.parts.folds))
        self._note(trial, configuration, None)
        return value

    def forget_all_but_best(self, study: Any, session: Session) -> None:
        """Delete the models that were trained for completed trials that are not the best."""
        if self.trainer is None:
            return
        with session.alone():
            best, *others = [each.user_attrs.get(FOLDER) for each in completed(study)]
            for name in set(others) - {best, None}:
                self.trainer.forget(self.trainer.folder / name)

    def _with_reranker(self, trial: Any, configuration: Configuration) -> float:
        trainer, choice = self.trainer, configuration.reranker
        assert trainer is not None
        assert choice is not None
        learned_from, watched = self.parts.without(0), self.parts.folds[0]
        folder = trainer.train(
            choice, configuration.template, learned_from, watched, lambda value, step: _report(trial, value, step)
        )
        trial.set_user_attr(FOLDER, folder.name)
        with trainer.serve(folder) as model:
            values = self._values(configuration, 0, model)
            self._note(trial, configuration, model)
        return float(np.mean(list(values.values())))

    def _values(self, configuration: Configuration, place: int, model: CrossEncoder | None) -> Mapping[str, float]:
        measure = self.judge.measure
        evaluation = self.judge.evaluate(configuration, self.parts.without(place), self.parts.folds[place], model)
        return {query: values[measure] for query, values in evaluation.by_query.items()}

    def _note(self, trial: Any, configuration: Configuration, model: CrossEncoder | None) -> None:
        hits = self.judge.mean_hits(configuration, self.parts.training)
        each = self.judge.windows.ms_per_hit(configuration.template, model)
        trial.set_user_attr(HITS_READ, round(hits, 1))
        if each is not None:
            trial.set_user_attr(MS, round(hits * each, 1))


def _report(trial: Any, value: float, step: int, *, is_last: bool = False) -> None:
    """Raises optuna.TrialPruned where the median of the others was better, and there is something left to do."""
    import optuna

    trial.report(value, step)
    if not is_last and trial.should_prune():
        raise optuna.TrialPruned
