"""A cross-encoder trained for one trial: on training folds alone, watched on another, kept until a better one comes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from middleware.config import ModelSettings, Settings
from middleware.errors import CommandError, RerankError
from middleware.learning.cascade.make import start_engine
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.searches import ID
from middleware.learning.groups.group import Group, family_of
from middleware.learning.groups.make import GroupOptions, Sources, make_groups
from middleware.learning.groups.shop_documents import find_documents
from middleware.learning.groups.teachers import Teacher
from middleware.learning.reranker.recipe import Recipe
from middleware.learning.reranker.train import TRAINING_FILE, Moment, train_reranker
from middleware.learning.reranker.watch import check_steps
from middleware.learning.shop import Shop, section_of
from middleware.learning.starter import starter_folder
from middleware.learning.step_bar import Step
from middleware.learning.tuning.parts import only_queries
from middleware.learning.tuning.space import RerankerChoice
from middleware.learning.tuning.windows import CrossEncoder
from middleware.rerank.backends.source import checked_source, import_transformers
from middleware.rerank.score_memory import ScoreMemory
from middleware.second_stage import SecondStage

Report = Callable[[float, int], None]
"""Told the held-out nDCG@10 of each check and its number; it may raise to end the training."""


@dataclass(slots=True)
class Trainer:
    """Trains cross-encoders into folders below `folder`, each named by all that it is made of.

    `model`: the name under models whose place a trained one takes; `invented`: the most queries that are invented.
    """

    shop: Shop
    judgments: Judgments
    id_field: str
    model: str
    folder: Path
    invented: int
    seed: int
    teacher: Teacher | None
    step: Step
    _groups: dict[tuple[str, tuple[str, ...], int], Sequence[Group]] = field(default_factory=dict)

    def train(
        self, choice: RerankerChoice, template: str, learned_from: Sequence[str], watched: Sequence[str], report: Report
    ) -> Path:
        """The folder of the model; one that was trained before is taken as it is, one half trained resumes.

        `watched`: the queries of the checks. Raises CommandError where there is nothing to learn from.
        """
        folder = self.folder / self._name(choice, template, learned_from, watched)
        if (folder / TRAINING_FILE).is_file():
            return folder
        groups = _some_invented(self._made(template, learned_from, self.invented), choice.invented)
        reported = 0

        def show(moment: Moment) -> None:
            nonlocal reported
            self.step("training", moment.step, moment.steps)
            checks = sum(
                mark < moment.step for mark in check_steps(choice.recipe, moment.steps // choice.recipe.epochs)
            )
            if moment.ndcg is not None and checks > reported:  # a check's result is there when the next step is made
                reported = checks
                report(moment.ndcg, checks - 1)

        try:
            train_reranker(groups, self._made(template, watched, 0), choice.recipe, folder, show)
        except Exception:
            self.forget(folder)  # given up, not killed: nobody will go on with it
            raise
        return folder

    @contextmanager
    def serve(self, folder: Path) -> Iterator[CrossEncoder]:
        """The model, loaded as the proxy loads it."""
        settings = with_model(self.shop.settings, self.model, folder)
        settings = settings.model_copy(update={"rankings": settings.rankings.model_copy(update={"ttl_s": 0})})
        memory = ScoreMemory(settings.scores.max_bytes)
        engine = start_engine(settings.models[self.model], memory)
        try:
            yield CrossEncoder(folder.name, SecondStage(settings, {self.model: engine}), memory)
        finally:
            engine.stop()

    def forget(self, folder: Path) -> None:
        """Delete a model that nothing will come of."""
        shutil.rmtree(folder, ignore_errors=True)

    def _name(self, choice: RerankerChoice, template: str, *queries: Sequence[str]) -> str:
        made_of = json.dumps([asdict(choice), template, *map(sorted, queries)], sort_keys=True)
        return hashlib.blake2b(made_of.encode(), digest_size=8).hexdigest()

    def _made(self, template: str, queries: Sequence[str], invented: int) -> Sequence[Group]:
        key = (template, tuple(sorted(queries)), invented)
        if key not in self._groups:
            shop, chosen = _with_template(self.shop, template), only_queries(self.judgments, queries)
            sources = Sources(
                judgments=self._by_text(chosen),
                max_grade=self.judgments.max_grade,
                invented=invented,
                teacher=self.teacher,
            )
            self._groups[key] = make_groups(shop, sources, GroupOptions(seed=self.seed), self.step).groups
        return self._groups[key]

    def _by_text(self, judgments: Judgments) -> dict[str, dict[str, float]]:
        """Query text -> `_id` -> grade, which is what groups are made of."""
        names: Mapping[str, str] = {}
        if self.id_field != ID:
            keys = sorted({key for judged in judgments.qrels.values() for key in judged})
            found = find_documents(self.shop, keys, self.id_field)
            names = {key: document.document_id for key, document in found.items()}
        by_text: dict[str, dict[str, float]] = {}
        for query, judged in judgments.qrels.items():
            grades = {names.get(key, key): float(grade) for key, grade in judged.items()}
            by_text.setdefault(judgments.queries[query], {}).update(grades)
        return by_text


def with_model(settings: Settings, name: str, folder: Path) -> Settings:
    """The settings with a trained model in the place of one of theirs."""
    model = settings.models[name].model_copy(
        update={"source": str(folder.resolve()), "revision": None, "remote": None, "estimator": None}
    )
    return settings.model_copy(update={"models": {**settings.models, name: model}})


def base_recipe(model: ModelSettings, base: str | None, seed: int) -> Recipe:
    """What a training starts from: `base`, else this model, or the starter weights where that runs elsewhere."""
    own = None if model.remote else model.source
    return Recipe(base=base or own, max_tokens=model.max_tokens, seed=seed)


def count_layers(recipe: Recipe) -> int:
    """How many layers the base of a recipe has. Raises CommandError where it cannot be read."""
    source = recipe.base or str(starter_folder())
    try:
        config = import_transformers("train").AutoConfig.from_pretrained(checked_source(source))
    except RerankError as error:
        raise CommandError(error.reason) from error
    except (OSError, ValueError) as error:
        raise CommandError(f"{source}: {' '.join(str(error).split())[:200]}") from error
    return recipe.layers or int(config.num_hidden_layers)


def _with_template(shop: Shop, template: str) -> Shop:
    section = section_of(shop.index, shop.settings)
    changed = section.model_copy(update={"template": template})
    indices = {name: changed if each is section else each for name, each in shop.settings.indices.items()}
    return replace(shop, settings=shop.settings.model_copy(update={"indices": indices}))


def _some_invented(groups: Sequence[Group], count: int) -> list[Group]:
    """All but those of invented queries beyond the first `count`, and the variants of these."""
    families = list(dict.fromkeys(family_of(group) for group in groups if group.origin == "invented"))
    gone = set(families[count:])
    return [group for group in groups if group.origin != "invented" or family_of(group) not in gone]
