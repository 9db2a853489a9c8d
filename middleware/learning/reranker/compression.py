"""What a smaller or faster model gained and lost against its teachers, on groups that it did not learn from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import thread_time

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import BackendError, CommandError
from middleware.learning.export import export, kendall_tau
from middleware.learning.export_texts import CatalogTexts
from middleware.learning.groups.group import Group
from middleware.learning.reranker.checks import group_ndcg
from middleware.learning.step_bar import Step
from middleware.rerank.backends import Backend, FloatArray, load_backend
from middleware.rerank.backends.calibration import CALIBRATION_FILE
from middleware.rerank.backends.source import import_transformers, open_source, origin

COMPRESSION_FILE = "compression.json"
_MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """A model on the groups: `pairs_per_second` on one thread, `tau` Kendall's to the teachers' mean, nDCG@10.

    `megabytes`: of its weights on disk; of several teachers the sum, as of `layers` and `parameters`.
    """

    what: str
    precision: str
    layers: int
    parameters: int
    megabytes: float
    pairs_per_second: float
    tau: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Compression:
    """Teachers and student side by side; `groups` of `pairs` documents in all, which the student did not learn from."""

    groups: int
    pairs: int
    teachers: Measured
    student: Sequence[Measured]

    def __str__(self) -> str:
        lines = [f"on {self.groups} held-out queries, {self.pairs} pairs, one thread:"]
        for each in (self.teachers, *self.student):
            lines.append(
                f"{each.what} {each.precision}: {each.layers} layers, {each.parameters / 1e6:.1f} M parameters, "
                f"{each.megabytes:.0f} MB, {each.pairs_per_second:.0f} pairs/s "
                f"({each.pairs_per_second / self.teachers.pairs_per_second:.1f} x), tau {each.tau:.3f}, "
                f"nDCG@10 {each.ndcg:.4f} ({each.ndcg / self.teachers.ndcg - 1:+.2%})"
            )
        return "\n".join(lines)


def compress(
    folder: Path, teachers: Sequence[ModelSettings], held_out: Sequence[Group], max_tokens: int, step: Step
) -> Compression:
    """Make the model in `folder` ready for 8-bit integers, its calibration beside it, and compare it with its teachers.

    The report is kept in the folder, too. Raises CommandError where there are no held-out groups or a model fails.
    """
    groups = [group for group in held_out if len(group.targets) > 1 and max(group.targets) > 0][:_MOST_GROUPS]
    if not groups:
        raise CommandError("there are no held-out groups to compare teacher and student on; give --held-out above 0")
    try:
        student = ModelSettings(source=str(folder), max_tokens=max_tokens, device="cpu")
        exported, _ = export(student.model_copy(update={"precision": "fast"}), _texts(groups), {}, step)
        if not (folder / CALIBRATION_FILE).exists() and (exported / CALIBRATION_FILE).is_file():
            shutil.copy(exported / CALIBRATION_FILE, folder / CALIBRATION_FILE)
        found = _compare(groups, teachers, student, step)
    except BackendError as error:
        raise CommandError(error.reason) from error
    (folder / COMPRESSION_FILE).write_text(json.dumps(asdict(found), indent=2), encoding="utf-8")
    return found


def _compare(
    groups: Sequence[Group], teachers: Sequence[ModelSettings], student: ModelSettings, step: Step
) -> Compression:
    steps, said, seconds = len(teachers) + 2, [], 0.0
    for number, teacher in enumerate(teachers):
        step("measuring teachers", number, steps)
        scores, took = _score(_open(teacher, "exact"), groups)
        said.append(scores)
        seconds += took
    mean = [np.mean(each, axis=0) for each in zip(*said, strict=True)]
    students = []
    for number, precision in enumerate(("exact", "fast")):
        step("measuring the student", len(teachers) + number, steps)
        backend = _open(student, precision)
        scores, took = _score(backend, groups)
        students.append(_measure("student", backend.name, [student], groups, scores, mean, took))
    exact = _measure("teacher" if len(teachers) == 1 else "teachers", "exact", teachers, groups, mean, mean, seconds)
    return Compression(len(groups), sum(len(group.targets) for group in groups), exact, students)


def _open(settings: ModelSettings, precision: str) -> Backend:
    one_thread = {"threads": 1, "device": "cpu", "measure": False, "precision": precision, "document_bytes": 0}
    return load_backend(settings.model_copy(update=one_thread))


def _score(backend: Backend, groups: Sequence[Group]) -> tuple[list[FloatArray], float]:
    """Scores of each group, and the seconds of this thread, on which the backend runs."""
    backend.score(backend.encode(groups[0].query_text, groups[0].document_texts[:1]))  # the first call takes longer
    start = thread_time()
    scores = [backend.score(backend.encode(group.query_text, group.document_texts)) for group in groups]
    return scores, thread_time() - start


def _measure(
    what: str,
    precision: str,
    models: Sequence[ModelSettings],
    groups: Sequence[Group],
    scores: Sequence[FloatArray],
    teacher: Sequence[FloatArray],
    seconds: float,
) -> Measured:
    shapes = [_shape(model) for model in models]
    return Measured(
        what=what,
        precision=precision,
        layers=sum(layers for layers, _, _ in shapes),
        parameters=sum(parameters for _, parameters, _ in shapes),
        megabytes=round(sum(size for _, _, size in shapes) / 1e6, 1),
        pairs_per_second=sum(map(len, scores)) / max(seconds, 1e-9),
        tau=float(np.mean([kendall_tau(*each) for each in zip(scores, teacher, strict=True)])),
        ndcg=group_ndcg(groups, scores),
    )


def _shape(model: ModelSettings) -> tuple[int, int, int]:
    """Layers, parameters, and bytes on disk."""
    source = open_source(model, "train")
    transformers = import_transformers("train")
    with_head = transformers.AutoModelForSequenceClassification.from_pretrained(source.name, **origin(model))
    size = sum(path.stat().st_size for path in source.weight_files)
    return int(source.config["num_hidden_layers"]), int(with_head.num_parameters()), size


def _texts(groups: Sequence[Group]) -> CatalogTexts:
    texts = {text: text for group in groups for text in group.document_texts if text.strip()}
    digest = hashlib.sha256("\n".join(sorted(texts)).encode("utf-8", "replace"))
    return CatalogTexts(texts, digest.hexdigest()[:16])
