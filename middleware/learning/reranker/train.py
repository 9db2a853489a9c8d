"""The training of a cross-encoder, from groups of documents to a folder that the proxy serves; killed, it resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from middleware.errors import CommandError
from middleware.learning.groups.group import Group
from middleware.learning.reranker.batches import Encoded, encode_groups
from middleware.learning.reranker.checks import group_ndcg, score_groups
from middleware.learning.reranker.groups import check_training, usable_groups
from middleware.learning.reranker.recipe import NEED_AN_ORDER, Recipe
from middleware.learning.reranker.starting_weights import TrainedParts, open_base
from middleware.learning.reranker.trainer import make_arguments, make_trainer
from middleware.learning.reranker.watch import COMPLETE_FILE, Metrics, Moment, Point, Show, make_watch
from middleware.rerank.backends.pair_tokenizer import PairTokenizer

__all__ = ["TRAINING_FILE", "Moment", "Recipe", "Show", "Trained", "train_reranker"]

TRAINING_FILE = "training.json"
"""In a trained model's folder, written last: what it was made of and how it went."""
CHECKPOINTS, RUN_FILE = "checkpoints", "run.json"

_DOCUMENT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trained:
    """What came out of a training. The nDCG@10 are of the held-out groups, None where there were none.

    `ndcg_first_stage`: of Elasticsearch's scores; `ndcg_before`: of the base; `ndcg`: of what is in the folder, as it
    was after `best_step` updates of the `steps` that were made. `left_out`: groups of training and held-out by reason.
    `seconds`: wall time, without that between a kill and a resume.
    """

    folder: str
    recipe: Recipe
    groups: int
    pairs: int
    held_out_groups: int
    left_out: Mapping[str, Mapping[str, int]]
    parameters: int
    trained_parameters: int
    processes: int
    steps: int
    best_step: int
    ndcg_first_stage: float | None
    ndcg_before: float | None
    ndcg: float | None
    seconds: float
    curve: Sequence[Point]


@dataclass(frozen=True, slots=True)
class _Data:
    """Groups and their tokens."""

    groups: Sequence[Group]
    left_out: Mapping[str, int]
    encoded: Encoded


def train_reranker(
    training: Sequence[Group], held_out: Sequence[Group], recipe: Recipe, folder: Path, show: Show
) -> Trained:
    """Train a cross-encoder on groups into `folder`, a Hugging Face model with one label, its tokenizer beside it.

    Checkpoints are kept in it until all is done: called again with the same groups and recipe after a kill, it resumes
    and comes to the same weights. Under torchrun or accelerate every process calls it with the same arguments; the
    first alone writes and shows. Raises CommandError where there is nothing to learn from, the base cannot be loaded,
    or the folder holds something else; ConfigError for what does not fit this machine.
    """
    usable = usable_groups(training, need_an_order=recipe.loss in NEED_AN_ORDER)
    check_training(*usable)
    measured = usable_groups(held_out, need_an_order=True)
    args = make_arguments(recipe, folder / CHECKPOINTS, has_check=bool(measured[0]))
    checkpoint = _open_run(folder, _fingerprint(usable[0], measured[0], recipe), args)
    model = open_base(recipe)
    tokenizer = PairTokenizer(model.tokenizer, _max_tokens(model, recipe), _DOCUMENT_BYTES)
    learned, checked = (_Data(*each, encode_groups(tokenizer, each[0])) for each in (usable, measured))
    parts = TrainedParts(model, recipe)
    model.to(args.device)

    def check() -> float:
        return group_ndcg(checked.groups, score_groups(model, checked.encoded, args.device))

    is_first, has_check = args.process_index == 0, bool(checked.groups)
    before = check() if has_check and is_first else None
    trainer = make_trainer(model, parts, learned.encoded, check if has_check else None, args, recipe)
    metrics = Metrics(folder, _step_of(checkpoint)) if is_first else None
    _run(trainer, make_watch(recipe, trainer.updates_per_epoch, metrics, show), checkpoint)
    trained = _sum_up(folder, recipe, learned, checked, trainer, parts.counts, before, metrics)
    if metrics:
        metrics.close()
        parts.put_back()
        _save(model, trained, folder)
    trainer.accelerator.wait_for_everyone()
    return trained


def _run(trainer: Any, watch: Any, checkpoint: Path | None) -> None:
    import transformers

    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _sum_up(
    folder: Path,
    recipe: Recipe,
    learned: _Data,
    checked: _Data,
    trainer: Any,
    counts: tuple[int, int],
    before: float | None,
    metrics: Metrics | None,
) -> Trained:
    state, curve = trainer.state, metrics.points if metrics else []
    first_stage = [group.first_stage for group in checked.groups]
    return Trained(
        folder=str(folder),
        recipe=recipe,
        groups=len(learned.groups),
        pairs=len(learned.encoded.tokens),
        held_out_groups=len(checked.groups),
        left_out={"training": learned.left_out, "held_out": checked.left_out},
        parameters=counts[0],
        trained_parameters=counts[1],
        processes=trainer.args.world_size,
        steps=state.global_step,
        best_step=state.best_global_step or state.global_step,
        ndcg_first_stage=group_ndcg(checked.groups, first_stage) if checked.groups else None,
        ndcg_before=before,
        ndcg=state.best_metric,
        seconds=round(metrics.seconds, 1) if metrics else 0.0,
        curve=tuple(curve),
    )


def _max_tokens(model: Any, recipe: Recipe) -> int:
    return min(recipe.max_tokens, int(model.max_seq_length or recipe.max_tokens))


def _fingerprint(training: Sequence[Group], held_out: Sequence[Group], recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    for groups in (training, held_out):
        digest.update(b"\n")
        for group in groups:
            digest.update(json.dumps(asdict(group)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _open_run(folder: Path, fingerprint: str, args: Any) -> Path | None:
    """The checkpoint to resume from; None to begin. Raises CommandError where the folder holds another training."""
    run_file = folder / CHECKPOINTS / RUN_FILE
    if (folder / TRAINING_FILE).is_file():
        raise CommandError(f"{folder}: holds a trained model already; give another folder")
    if run_file.is_file() and json.loads(run_file.read_text(encoding="utf-8"))["fingerprint"] != fingerprint:
        raise CommandError(
            f"{folder}: holds an unfinished training of another recipe or other groups; delete it, or give another"
        )
    if args.process_index == 0:
        run_file.parent.mkdir(parents=True, exist_ok=True)
        run_file.write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
        for unfinished in _checkpoints(run_file.parent, whole=False):
            shutil.rmtree(unfinished)
    _wait_for_everyone()
    return max(_checkpoints(run_file.parent, whole=True), key=_step_of, default=None)


def _checkpoints(folder: Path, *, whole: bool) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if (path / COMPLETE_FILE).is_file() == whole]


def _step_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0


def _wait_for_everyone() -> None:
    from accelerate import PartialState

    PartialState().wait_for_everyone()


def _save(model: Any, trained: Trained, folder: Path) -> None:
    """The model's files, then training.json, so that a folder with it is whole; the checkpoints go."""
    model.to("cpu")
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    unfinished = folder / f"{TRAINING_FILE}.unfinished"
    unfinished.write_text(json.dumps(asdict(trained), indent=2), encoding="utf-8")
    unfinished.rename(folder / TRAINING_FILE)
    shutil.rmtree(folder / CHECKPOINTS)
