"""What a study found: its best trial, measured once on queries that no trial saw, with all that serves it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.learning.evaluation.rankings import Comparison, compare_evaluations
from middleware.learning.fusion.make import with_profile
from middleware.learning.tuning.importance import importances
from middleware.learning.tuning.judge import Judge, learns
from middleware.learning.tuning.parts import Parts
from middleware.learning.tuning.reranker import Trainer
from middleware.learning.tuning.session import Session
from middleware.learning.tuning.space import Configuration, Space, suggest
from middleware.learning.tuning.study import PRESENT, completed, failures, finished

_LOOKS = "looks"


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial as it is shown. `curve`: what was reported on the way; `value` is None where it was pruned."""

    number: int
    value: float | None
    values: Mapping[str, Any]
    notes: Mapping[str, Any]
    curve: Mapping[int, float]

    @property
    def is_present(self) -> bool:
        """Whether it is rerank.yml's configuration, as near as the space comes to it."""
        return PRESENT in self.notes


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The best configuration beside rerank.yml's on held-out queries; `looks`: best trials measured there so far."""

    comparison: Comparison
    queries: int
    looks: int


@dataclass(frozen=True, slots=True)
class Result:
    """`trials` in the order they were made. `document`: the best one's fusion model, where one is trained.

    `held_out` is None where other processes are still at work: the last of them measures. `folder`: the best's
    cross-encoder, where one is trained.
    """

    trials: Sequence[TrialRow]
    best: TrialRow
    configuration: Configuration
    space: Space
    measure: str
    training_queries: int
    folds: int
    held_out: HeldOut | None
    importances: Mapping[str, float]
    document: Mapping[str, Any] | None
    folder: Path | None
    remarks: Sequence[str]


def look_at_held_out(
    study: Any, session: Session, judge: Judge, parts: Parts, space: Space, trainer: Trainer | None, others: int
) -> Result:
    """The result; `judge` may see all judgments, and measures the best configuration and rerank.yml's, nothing else.

    `others`: trials that other processes are at; while there are some nothing is measured. Raises CommandError.
    """
    best = completed(study)[0]
    configuration = suggest(_Values(best.params), space)
    held_out, document, folder = None, None, None
    if not others:
        folder = _folder(trainer, configuration, parts)
        held_out = _measure(study, session, judge, parts, space, configuration, trainer, folder)
        if learns(configuration.fusion):
            document = _document(judge, parts, configuration)
    return Result(
        trials=[_row(trial) for trial in sorted(finished(study), key=lambda trial: trial.number)],
        best=_row(best),
        configuration=configuration,
        space=space,
        measure=f"{judge.measure}, judged hits only" if judge.judged_only else judge.measure,
        training_queries=len(parts.folds[0] if trainer else parts.training),
        folds=1 if trainer else len(parts.folds),
        held_out=held_out,
        importances=importances(study, space.seed),
        document=document,
        folder=folder,
        remarks=_remarks(study, judge, held_out, others),
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a trial that was made, in the place of one that chooses."""

    values: Mapping[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.values[name]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.values[name])

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self.values[name])


def _row(trial: Any) -> TrialRow:
    is_complete = trial.state.name == "COMPLETE"
    return TrialRow(
        trial.number, trial.value if is_complete else None, trial.params, trial.user_attrs, trial.intermediate_values
    )


def _folder(trainer: Trainer | None, configuration: Configuration, parts: Parts) -> Path | None:
    if trainer is None or configuration.reranker is None:
        return None
    watched = parts.folds[0]
    return trainer.train(configuration.reranker, configuration.template, parts.without(0), watched, lambda *_: None)


def _measure(
    study: Any,
    session: Session,
    judge: Judge,
    parts: Parts,
    space: Space,
    configuration: Configuration,
    trainer: Trainer | None,
    folder: Path | None,
) -> HeldOut:
    before = judge.evaluate(space.present(), parts.training, parts.held_out)
    with trainer.serve(folder) if trainer and folder else nullcontext() as model:
        after = judge.evaluate(configuration, parts.training, parts.held_out, model)
    with session.alone():
        best = completed(study)[0].number
        looks = sorted({*study.user_attrs.get(_LOOKS, ()), best})
        study.set_user_attr(_LOOKS, looks)
    return HeldOut(compare_evaluations(before, after, judge.measure), len(after.by_query), len(looks))


def _document(judge: Judge, parts: Parts, configuration: Configuration) -> dict[str, Any]:
    windows = judge.windows_of(configuration, parts.training)
    document = with_profile(judge.train(configuration, parts.training), windows, judge.own.weights)
    choice = configuration.fusion
    assert choice is not None
    made_of = {
        "made": time.strftime("%Y-%m-%d"),
        "made_by": "es-rerank tune",
        "judgments": judge.judgments.source,
        "searches": len(windows),
        "window": configuration.window,
        "loss": choice.recipe.loss,
        "l2": choice.recipe.l2,
        "unjudged": choice.unjudged,
        "seed": choice.recipe.seed,
    }
    return {**document, "made_of": made_of}


def _remarks(study: Any, judge: Judge, held_out: HeldOut | None, others: int) -> list[str]:
    remarks = [*judge.judgments.remarks()]
    failed = failures(study)
    if failed:
        remarks.append(f"configurations that could not be tried: {'; '.join(failed)}")
    if others:
        remarks.append(
            f"{others} trials of other processes are not done: the last process measures the best on the held-out "
            "queries and writes --output"
        )
    if held_out and held_out.looks > 1:
        remarks.append(
            f"{held_out.looks} best trials of this study were measured on the held-out queries, one after the other: "
            "what was seen there may have had a say in going on, so the last number is a little too good"
        )
    if held_out and judge.own.trained is not None:
        remarks.append("the present fusion model may have learned from the held-out queries; then it looks too good")
    return remarks
