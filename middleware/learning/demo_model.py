"""The demo's cross-encoder: trained on the spot from the starter weights and the demo catalogue, then cached."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from middleware.catalog.demo import DemoCatalog, generate
from middleware.config import cache_dir
from middleware.errors import CommandError
from middleware.learning import demo_pairs, product_pieces, pseudo_queries, starter, training_loop
from middleware.learning.demo_pairs import TEMPLATE, Share, make_pairs
from middleware.learning.starter import Starter, load_starter
from middleware.learning.training_loop import Recipe, ShowStep, Stalled, TextPair, fit

__all__ = ["MAX_TOKENS", "TEMPLATE", "ensure_demo_model"]

MAX_TOKENS = 64
"""Enough for the demo's document texts; what lies beyond is the end of a description."""

_SHARE, _RECIPE = Share(), Recipe()
_CODE = (demo_pairs, product_pieces, pseudo_queries, starter, training_loop)


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
    started = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task("Demo cross-encoder: inventing searches", total=None, loss="")

        def show(step: int, steps: int, loss: float) -> None:
            progress.update(task, completed=step, total=steps, loss=f"loss {loss:.3f}")

        try:
            pairs = make_pairs(catalog, share, recipe.seed)
            progress.update(task, description=f"Demo cross-encoder: training on {len(pairs)} pairs")
            trained = _fit(catalog, pairs, recipe, show)
        except ImportError as error:
            raise CommandError(f"{error.name} is not installed; pip install 'es-rerank[train]'") from error
    made_of = {"share": asdict(share), "recipe": asdict(recipe), "pairs": len(pairs)}
    _save(folder, trained, made_of)
    console.print(f"Trained in {time.monotonic() - started:.0f} s; kept in {folder}")


def _fit(catalog: DemoCatalog, pairs: Sequence[TextPair], recipe: Recipe, show: ShowStep) -> Starter:
    """The trained model; where a training stalls (rounding differs between machines), again more gently."""
    titles = [(each["title"], each.get("title_zh", "")) for each in catalog.products]
    for rate in (recipe.learning_rate, recipe.learning_rate / 2):
        starter_model = load_starter(titles)
        try:
            fit(starter_model, pairs, replace(recipe, learning_rate=rate), show)
        except Stalled:
            continue
        return starter_model
    raise CommandError("the demo cross-encoder did not learn; give a model of your own with --model")


def _save(folder: Path, trained: Starter, made_of: dict[str, object]) -> None:
    """All or nothing: written beside, then renamed."""
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    trained.model.save_pretrained(unfinished)
    trained.tokenizer.save_pretrained(unfinished)
    (unfinished / "training.json").write_text(json.dumps(made_of, indent=2), encoding="utf-8")
    unfinished.rename(folder)


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
