"""From judgments and rerank.yml to the best configuration that a study finds, and what it is worth: the whole story."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from middleware.errors import CommandError, ConfigError
from middleware.experiments.assign import ResolvedVariant, resolve
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion_models.trained import Trained
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.measures import parse_measures
from middleware.learning.evaluation.searches import ID
from middleware.learning.fusion.evaluation import ablations
from middleware.learning.fusion.fields import choose_fields
from middleware.learning.fusion.windows import in_index, open_source, possible_features
from middleware.learning.groups.teachers import Teacher
from middleware.learning.reranker.recipe import Recipe as RerankerRecipe
from middleware.learning.shop import Shop, section_of
from middleware.learning.tuning.judge import Judge
from middleware.learning.tuning.parts import Parts, check_parts, cut, only_queries
from middleware.learning.tuning.reranker import Trainer, base_recipe, count_layers
from middleware.learning.tuning.result import Result, look_at_held_out
from middleware.learning.tuning.session import Session
from middleware.learning.tuning.space import Space, present_values
from middleware.learning.tuning.study import (
    begin_trial,
    completed,
    failures,
    finished,
    open_study,
    others_at_work,
    run_trial,
)
from middleware.learning.tuning.trials import Attempt
from middleware.learning.tuning.windows import Windows
from middleware.rerank.score_memory import ScoreMemory

MOST_HITS = 200
_FAILURES_BORNE = 3
_SCORES_BYTES = 512 * 1024 * 1024


class Show(Protocol):
    """Told how a search goes on."""

    def step(self, what: str, done: int, steps: int) -> None:
        """What is being done, and how many steps of how many are."""
        ...

    def trials(self, done: int, goal: int, best: float | None, seconds_left: float | None) -> None:
        """How many trials are done, by all processes; `seconds_left`: None where that cannot be told yet."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What to search, and how long; every name as the command's option of that name.

    `held_out`: the share of the queries that no trial sees. `hits`: None: 200 where windows are searched, else the
    variant's own window. `base`: what a reranker's training starts from, None: the variant's own model. `teacher`:
    of the documents that nobody judged, None: the usual one.
    """

    study: Path
    what: Sequence[str] = ("fusion", "window", "fields")
    trials: int = 100
    minutes: float | None = None
    measure: str = "nDCG@10"
    judged_only: bool = False
    folds: int = 4
    held_out: float = 0.25
    hits: int | None = None
    id_field: str = ID
    invented: int = 1000
    base: str | None = None
    teacher: Teacher | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    """What a study is about: the shop, its judgments cut into parts, the space, rerank.yml's own variant."""

    shop: Shop
    judgments: Judgments
    parts: Parts
    space: Space
    own: ResolvedVariant
    options: Options

    @property
    def training(self) -> Judgments:
        """All that a trial may know of the judgments."""
        return only_queries(self.judgments, self.parts.training)

    def judge(self, windows: Windows, judgments: Judgments) -> Judge:
        """Who measures with these judgments; targets are shares of the highest grade of training."""
        options = self.options
        return Judge(windows, judgments, self.own, options.measure, options.judged_only, self.training.max_grade)


def tune(shop: Shop, judgments: Judgments, options: Options, show: Show) -> Result:
    """Search until the study has `trials` trials or the time is over, then measure the best where no trial looked.

    Raises ConfigError for options that do not fit, CommandError, with counts, for judgments that can tell nothing, a
    study of something else, or where every trial fails.
    """
    parse_measures([options.measure])
    data = prepare(shop, judgments, options)
    with _opened(data) as windows, Session(options.study) as session:
        windows.search(data.training, show.step)
        if "fields" in options.what:
            windows.check_fields()
        study = open_study(options.study, session, _made_of(data, windows), present_values(data.space), options.seed)
        trainer = _trainer(data, show) if "reranker" in options.what else None
        attempt = Attempt(data.judge(windows, data.training), data.parts, data.space, trainer)
        _search(study, session, attempt, options, show)
        if not completed(study):
            why = "; ".join(failures(study)) or "others are at work, or all were given up"
            raise CommandError(f"--study: {options.study}: no trial came to its end: {why}")
        others = others_at_work(study, session)
        if not others:
            attempt.forget_all_but_best(study, session)
            windows.search(only_queries(data.judgments, data.parts.held_out), show.step)
        judge = data.judge(windows, data.judgments)
        return look_at_held_out(study, session, judge, data.parts, data.space, trainer, others)


def prepare(shop: Shop, judgments: Judgments, options: Options) -> Data:
    """The judgments on documents that there are, cut into parts, and the space. Raises as `tune` does."""
    own = resolve(shop.variant, section_of(shop.index, shop.settings), shop.settings, shop.fusions)
    largest = options.hits or (max(MOST_HITS, own.window) if "window" in options.what else own.window)
    if largest < own.window:
        raise ConfigError("--hits", largest, f"give {own.window} or more, the present window")
    shop = replace(shop, hits=largest)
    judgments = in_index(shop, judgments, options.id_field)
    parts = cut(judgments.queries, options.folds, options.held_out, options.seed)
    check_parts(judgments, parts, judged_only=options.judged_only)
    trained = _trained(own)
    searched = [text for query, text in judgments.queries.items() if query not in parts.held_out]
    fields = (trained.fields if trained else ()) or choose_fields(shop, searched)
    return Data(shop, judgments, parts, _space(shop, own, fields, options), own, options)


def _space(shop: Shop, own: ResolvedVariant, fields: Sequence[str], options: Options) -> Space:
    trained = _trained(own)
    features = possible_features(shop.settings, shop.index)
    left_by = ablations(features)
    trains = "reranker" in options.what
    base = base_recipe(shop.settings.find_model(own.model), options.base, options.seed) if trains else None
    return Space(
        what=tuple(options.what),
        window=own.window,
        most_hits=shop.hits,
        template=section_of(shop.index, shop.settings).template,
        features=features,
        fields=fields,
        sources={
            source: [name for name in features if name not in left]
            for source, left in left_by.items()
            if "cross_encoder" in left
        },
        weights=own.weights,
        trained=trained,
        base=base or RerankerRecipe(),
        layers=count_layers(base) if base else 0,
        invented=options.invented,
        seed=options.seed,
    )


def _trained(own: ResolvedVariant) -> Trained | None:
    model = own.trained.model if own.trained else None
    return model if isinstance(model, Trained) else None


@contextmanager
def _opened(data: Data) -> Iterator[Windows]:
    """The second stage with all that any configuration may read."""
    own = [name for name in (data.space.trained.columns if data.space.trained else ()) if name not in PROFILE_FEATURES]
    names = list(dict.fromkeys((*data.space.features, *own)))
    memory = ScoreMemory(_SCORES_BYTES)
    with open_source(data.shop, names, data.space.fields, data.options.id_field, memory) as source:
        yield Windows(source, data.own, data.space.template, memory)


def _trainer(data: Data, show: Show) -> Trainer:
    options, name = data.options, data.own.model
    if name is None:
        raise ConfigError("models", None, "no model is configured; define one under models")
    folder = options.study.with_name(f"{options.study.name}.models")
    return Trainer(
        data.shop,
        data.training,
        options.id_field,
        name,
        folder,
        options.invented,
        options.seed,
        options.teacher,
        show.step,
    )


def _made_of(data: Data, windows: Windows) -> dict[str, Any]:
    """What must be the same where a study goes on, by name."""
    options, shop = data.options, data.shop
    model = shop.settings.find_model(data.own.model)
    judged = json.dumps([data.judgments.queries, data.judgments.qrels], sort_keys=True)
    return {
        "measure": f"{options.measure}{', judged hits only' if options.judged_only else ''}",
        "index": shop.index,
        "model": f"{model.source}, {model.precision}, {model.max_tokens} tokens",
        "seed": options.seed,
        "judgments (their fingerprint)": hashlib.blake2b(judged.encode(), digest_size=16).hexdigest(),
        "search (the body that is sent)": shop.form,
        "catalogue (what the searches find)": windows.digest(),
        "cut of the queries": data.parts.describe(),
        "space": data.space.describe(),
    }


def _search(study: Any, session: Session, attempt: Attempt, options: Options, show: Show) -> None:
    """Trial after trial. Raises CommandError where some in a row could not be tried."""
    started, ours, failed = time.monotonic(), 0, 0
    deadline = started + options.minutes * 60 if options.minutes else None
    while True:
        done = finished(study)
        best = max((trial.value for trial in completed(study)), default=None)
        seconds_left = _seconds_left(started, ours, options.trials - len(done), deadline)
        show.trials(len(done), options.trials, best, seconds_left)
        if deadline and ours and time.monotonic() >= deadline:
            return
        trial = begin_trial(study, session, options.trials)
        if trial is None:
            return
        error = run_trial(study, trial, attempt.run)
        ours, failed = ours + 1, failed + 1 if error else 0
        if error and failed == _FAILURES_BORNE:
            raise error


def _seconds_left(started: float, ours: int, trials: int, deadline: float | None) -> float | None:
    """By the pace of this process so far."""
    now = time.monotonic()
    by_pace = (now - started) / ours * max(trials, 0) if ours else None
    by_clock = max(deadline - now, 0.0) if deadline else None
    known = [each for each in (by_pace, by_clock) if each is not None]
    return min(known) if known else None
