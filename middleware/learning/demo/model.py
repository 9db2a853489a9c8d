"""The demo's cross-encoder: trained on the spot from the starter weights and the demo catalogue, then cached."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from middleware.catalog.demo import DemoCatalog, generate
from middleware.config import cache_dir
from middleware.errors import CommandError
from middleware.learning import starter
from middleware.learning.demo import pairs as demo_pairs
from middleware.learning.demo import product_pieces, pseudo_queries
from middleware.learning.demo.pairs import TEMPLATE, Share, TextPair, make_pairs
from middleware.learning.groups.group import Group
from middleware.learning.reranker import batches as reranker_batches
from middleware.learning.reranker import starting_weights as reranker_base
from middleware.learning.reranker import trainer as reranker_trainer
from middleware.learning.reranker.train import Moment, Recipe, Show, train_reranker
from middleware.learning.starter import load_starter

__all__ = ["MAX_TOKENS", "TEMPLATE", "ensure_demo_model"]

MAX_TOKENS = 64
"""Enough for the demo's document texts; what lies beyond is the end of a description."""

STALL_STEPS, STALL_SHARE = 100, 0.95
"""After so many updates, a loss above this share of a constant model's means that nothing was learned."""

_SHARE, _RECIPE = Share(), Recipe(new_head=True, max_tokens=MAX_TOKENS, checks_per_epoch=1)
_CODE = (demo_pairs, product_pieces, pseudo_queries, reranker_base, reranker_batches, reranker_trainer, starter)


class Stalled(Exception):
    """The training does not get anywhere; another seed or a lower rate will."""


def ensure_demo_model(
    cache: Path | None = None, console: Console | None = None, *, share: Share = _SHARE, recipe: Recipe = _RECIPE
) -> Path:
    """The folder of the demo cross-encoder, a Hugging Face model with one label; trained first where it is missing.

    `cache` defaults to `cache_dir()`. Training takes some minutes of 2 cores, once for one catalogue and recipe, and
    shows its progress on `console`. Raises CommandError when a package of the `train` extra is missing.
    """
    catalog = generate()
    folder = (cache or cache_dir()) / "models" / f"demo-{_fingerprint(catalog, share, recipe)}"
    if not _is_complete(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            if not _is_complete(folder):
                _train_into(folder, catalog, share, recipe, console or Console(stderr=True))
    return folder


def _is_complete(folder: Path) -> bool:
    # The folder gets its name only after everything was written.
    return (folder / "config.json").is_file()


def _fingerprint(catalog: DemoCatalog, share: Share, recipe: Recipe) -> str:
    """Equal for equal catalogues and recipes; the code that makes the pairs and trains is part of the recipe."""
    trained_on = {query.query_id: query.text for query in catalog.queries if query.split == "train"}
    judgments = [[each.query_id, each.product_id, each.grade] for each in catalog.qrels if each.query_id in trained_on]
    content = [catalog.products, trained_on, judgments, asdict(share), asdict(recipe)]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
    for module in _CODE:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Waits while another process trains the same model; the lock ends with its process, however that ends."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _train_into(folder: Path, catalog: DemoCatalog, share: Share, recipe: Recipe, console: Console) -> None:
    """All or nothing: trained beside, then renamed."""
    started = time.monotonic()
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.unfinished")
    with _progress(console) as progress:
        task = progress.add_task("Demo cross-encoder: inventing searches", total=None, loss="")

        def show(moment: Moment) -> None:
            loss = "" if moment.loss is None else f"loss {moment.loss:.3f}"
            progress.update(task, completed=moment.step, total=moment.steps, loss=loss)

        try:
            pairs = make_pairs(catalog, share, recipe.seed)
            progress.update(task, description=f"Demo cross-encoder: training on {len(pairs)} pairs")
            _fit(catalog, pairs, recipe, unfinished, show)
        except ImportError as error:
            raise CommandError(f"{error.name} is not installed; pip install 'es-rerank[train]'") from error
    unfinished.rename(folder)
    console.print(f"Trained in {time.monotonic() - started:.0f} s; kept in {folder}")


def _fit(catalog: DemoCatalog, pairs: Sequence[TextPair], recipe: Recipe, folder: Path, show: Show) -> None:
    """Train into `folder`; where a training stalls (rounding differs between machines), again more gently."""
    titles = [(each["title"], each.get("title_zh", "")) for each in catalog.products]
    groups = [_group(pair) for pair in pairs]
    with TemporaryDirectory() as base:
        starter_model = load_starter(titles)
        starter_model.model.save_pretrained(base)
        starter_model.tokenizer.save_pretrained(base)
        recipe = replace(recipe, base=base, new_tokens=starter_model.known_tokens)
        for rate in (recipe.learning_rate, recipe.learning_rate / 2):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                train_reranker(groups, (), replace(recipe, learning_rate=rate), folder, _until_stalled(pairs, show))
            except Stalled:
                continue
            return
    raise CommandError("the demo cross-encoder did not learn; give a model of your own with --model")


def _group(pair: TextPair) -> Group:
    return Group(pair.query_text, ("",), (pair.document_text,), (pair.target,), (0.0,), "invented")


def _until_stalled(pairs: Sequence[TextPair], show: Show) -> Show:
    """`show`, but for a training that after STALL_STEPS updates still gives every pair much the same score: Stalled."""
    losses: list[float] = []
    mean = min(max(sum(pair.target for pair in pairs) / max(1, len(pairs)), 1e-6), 1 - 1e-6)
    # The cross-entropy of the best constant score, which is the mean target.
    no_opinion = -mean * math.log(mean) - (1 - mean) * math.log(1 - mean)

    def watched(moment: Moment) -> None:
        show(moment)
        if moment.loss is not None and losses[-1:] != [moment.loss]:
            losses.append(moment.loss)
            if moment.step == STALL_STEPS and sum(losses[-3:]) / len(losses[-3:]) > STALL_SHARE * no_opinion:
                raise Stalled(f"after {moment.step} updates the loss is {moment.loss:.3f}")

    return watched


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
