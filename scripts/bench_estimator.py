"""An estimator for a benchmark: taught on its catalogue as `es-rerank models cascade` does, then kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from middleware.config import ModelSettings, cache_dir
from middleware.learning import shop as shop_module
from middleware.learning.cascade import make as cascade
from middleware.learning.cascade import training as cascade_training
from middleware.learning.cascade.make import make_estimator
from middleware.learning.cascade.training import Recipe
from middleware.learning.invention import fields as invention_fields
from middleware.learning.invention import inventor as invention
from middleware.learning.invention import pieces as invention_pieces
from middleware.learning.invention import words as invention_words
from middleware.learning.shop import Shop
from middleware.rerank.backends.calibration import export_folder
from middleware.rerank.estimator_file import NAME

WINDOWS = 300
INVENTION = (invention, invention_fields, invention_pieces, invention_words)


def place_estimator(folder: Path, shop: Shop, model: ModelSettings, queries: Sequence[str]) -> None:
    """Lay the estimator beside the weights in `folder`, teaching it first where none is kept for all that it is of."""
    weights = export_folder(sorted(folder.glob("*.safetensors"))).name
    template = shop.settings.indices[shop.index].template
    documents = shop.client.count(index=shop.index)["count"]
    made_of = (weights, template, documents, shop.form, shop.hits, model.max_tokens, queries, WINDOWS, Recipe())
    of = hashlib.sha256(repr(made_of).encode())
    for module in (cascade, cascade_training, *INVENTION, shop_module):
        of.update(Path(str(module.__file__)).read_bytes())
    kept = cache_dir() / "bench" / f"estimator-{of.hexdigest()[:16]}.npz"
    if not kept.is_file():
        with Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("teaching the estimator", total=None)

            def step(what: str, done: int, steps: int) -> None:
                progress.update(task, description=what, completed=done, total=steps)

            file, _ = make_estimator(model, str(folder), shop, queries, WINDOWS, step)
        file.save(kept)
    shutil.copy(kept, folder / NAME)
