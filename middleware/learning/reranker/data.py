"""The groups that `es-rerank train` learns from: made once by the first process, kept in the folder, read by all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from middleware.catalog.client import Access
from middleware.config import ModelSettings, load_settings
from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgments import read_judgments
from middleware.learning.groups.given_queries import read_queries
from middleware.learning.groups.group import Group, read_groups, split, write_groups
from middleware.learning.groups.make import GroupOptions, Sources, make_groups
from middleware.learning.reranker.teaching import ask_teachers
from middleware.learning.reranker.train import TRAINING_FILE
from middleware.learning.shop import open_shop
from middleware.learning.step_bar import Step

INVENTED = 2000
"""So many queries are invented where nothing else is given to learn from."""
GROUPS_FILE, HELD_OUT_FILE, SOURCES_FILE = "groups.jsonl", "held_out.jsonl", "sources.json"
"""In a trained model's folder: what it learned from, what it was measured on, and where both came from."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where groups come from: `groups`, or an index (`config`) with judgments, behaviour, queries, invented queries.

    `invent`: how many queries to invent; None: INVENTED of them where the index is all that is given, else none.
    `events`: the file of a UBI log or the name of an index. `held_out`: share of the queries that is kept apart.
    `teachers`: cross-encoders whose mean score becomes the target of what is learned; labels of held-out queries stay.
    """

    config: Path | None = None
    index: str | None = None
    search: Path | None = None
    groups: Path | None = None
    qrels: Path | None = None
    qrels_queries: Path | None = None
    events: str | None = None
    queries: Path | None = None
    invent: int | None = None
    synonyms: Path | None = None
    hits: int = 100
    held_out: float = 0.1
    teachers: Sequence[str] = ()
    teacher_tokens: int = 256
    seed: int = 12

    def __post_init__(self) -> None:
        if self.groups is None and not (self.config and (self._has_queries or self.invented)):
            remedy = "give --groups FILE, or --config rerank.yml with --qrels, --events, --queries or --invent"
            raise ConfigError("train", "no data", remedy)
        if self.groups is not None and (self._has_queries or self.invent):
            raise ConfigError("--groups", self.groups, "give either groups or what to make them of, not both")
        if not 0 <= self.held_out < 1:
            raise ConfigError("--held-out", self.held_out, "give a share from 0 to less than 1")

    @property
    def invented(self) -> int:
        """How many queries are invented."""
        if self.invent is None:
            return INVENTED if self.has_index_alone else 0
        return self.invent

    @property
    def has_index_alone(self) -> bool:
        """Whether nobody said what to learn from."""
        return bool(self.config) and self.groups is None and self.invent is None and not self._has_queries

    @property
    def _has_queries(self) -> bool:
        return any([self.qrels, self.events, self.queries])


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Groups to learn from and groups to measure with, and a word on where they came from."""

    training: Sequence[Group]
    held_out: Sequence[Group]
    origin: str


def teachers_of(options: DataOptions) -> list[ModelSettings]:
    """The teachers as the engine loads them, in fp32."""
    return [
        ModelSettings(source=source, precision="exact", max_tokens=options.teacher_tokens)
        for source in options.teachers
    ]


def read_data(options: DataOptions, folder: Path, access: Access, step: Step) -> TrainingData:
    """What lies in `folder` from an earlier call with the same options, else made now, by the first process alone.

    So a training that was killed goes on with the same groups, whatever has become of the index. Raises CommandError
    and ConfigError where the data are not usable, or the folder holds those of other options.
    """
    state = open_processes()
    if (folder / TRAINING_FILE).is_file():
        raise CommandError(f"{folder}: holds a trained model already; give another folder")
    if state.is_main_process and not (folder / SOURCES_FILE).is_file():
        _make(options, folder, access, step)
    state.wait_for_everyone()
    made_of = json.loads((folder / SOURCES_FILE).read_text(encoding="utf-8"))
    if made_of["options"] != _spelled(options):
        raise CommandError(f"{folder}: holds the groups of other options; give another folder, or delete it")
    return TrainingData(read_groups(folder / GROUPS_FILE), read_groups(folder / HELD_OUT_FILE), made_of["origin"])


def open_processes() -> Any:
    """accelerate's view of the processes of this training: one, or those that torchrun or accelerate launched."""
    try:
        import torch
        from accelerate import PartialState
    except ImportError as error:
        raise CommandError(f"{error.name} is not installed; pip install 'es-rerank[train]'") from error
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    # The others wait while the first asks index and teachers.
    return PartialState(cpu=on_cpu, timeout=timedelta(days=1))


def _make(options: DataOptions, folder: Path, access: Access, step: Step) -> None:
    groups, origin = _from_file(options) if options.groups else _from_index(options, access, step)
    training, held_out = split(groups, options.held_out, options.seed)
    if options.teachers:
        training = ask_teachers(training, teachers_of(options), step)
        held_out = [*filter(_is_labelled, held_out), *_taught(held_out, options, step)]
    folder.mkdir(parents=True, exist_ok=True)
    write_groups(folder / GROUPS_FILE, training)
    write_groups(folder / HELD_OUT_FILE, held_out)
    unfinished = folder / f"{SOURCES_FILE}.unfinished"
    unfinished.write_text(json.dumps({"options": _spelled(options), "origin": origin}, indent=2), encoding="utf-8")
    unfinished.rename(folder / SOURCES_FILE)


def _taught(held_out: Sequence[Group], options: DataOptions, step: Step) -> list[Group]:
    unlabelled = [group for group in held_out if not _is_labelled(group)]
    return ask_teachers(unlabelled, teachers_of(options), step) if unlabelled else []


def _is_labelled(group: Group) -> bool:
    """By people: then they, and not the teachers, say how good a student is."""
    return any(group.given) or (not group.given and group.origin in ("judged", "behaviour"))


def _from_file(options: DataOptions) -> tuple[Sequence[Group], str]:
    assert options.groups
    try:
        groups = read_groups(options.groups)
    except OSError as error:
        raise ConfigError("--groups", options.groups, "give a file of groups, one JSON object a line") from error
    return groups, f"{len(groups)} groups of {options.groups}"


def _from_index(options: DataOptions, access: Access, step: Step) -> tuple[Sequence[Group], str]:
    settings = load_settings(options.config)
    shop = open_shop(settings, access, options.index, options.search, options.hits)
    notes, judgments, max_grade = [], None, None
    if options.qrels:
        read = read_judgments(options.qrels, options.qrels_queries)
        notes += [str(read), *read.remarks()]
        judgments, max_grade = read.by_text(), read.max_grade
    behaviour = Path(options.events) if options.events and Path(options.events).is_file() else options.events
    sources = Sources(
        judgments=judgments,
        max_grade=max_grade,
        behaviour=behaviour,
        queries=read_queries(options.queries) if options.queries else (),
        invented=options.invented,
        synonyms=options.synonyms,
    )
    made = make_groups(shop, sources, GroupOptions(seed=options.seed), step)
    return made.groups, "\n".join([*notes, str(made)])


def _spelled(options: DataOptions) -> Mapping[str, Any]:
    """The options as JSON gives them back."""
    spelled = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
    return dict(json.loads(json.dumps(spelled)))
