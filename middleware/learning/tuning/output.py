"""The best configuration as lines for rerank.yml, ready to paste, with the files that they name beside them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from middleware.config.variants import WeightSettings
from middleware.errors import CommandError
from middleware.experiments.assign import resolve
from middleware.fusion_file import write_fusion_model
from middleware.learning.shop import Shop, section_of
from middleware.learning.tuning.judge import learns
from middleware.learning.tuning.result import Result

RERANKER_FOLDER = "reranker"


def write_output(result: Result, shop: Shop, path: Path) -> list[Path]:
    """Write the lines to `path`, a fusion model beside it as NAME.fusion.json, a cross-encoder as NAME.reranker.

    Returns what was written. Raises CommandError where it cannot be, or a cross-encoder is there already.
    """
    fusion = path.with_name(f"{path.stem}.fusion.json") if result.document else None
    model = path.with_name(f"{path.stem}.{RERANKER_FOLDER}") if result.folder else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if fusion and result.document:
            write_fusion_model(fusion, result.document)
        if model and result.folder:
            _copy(result.folder, model)
        path.write_text(describe(result, shop, fusion, model), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--output: {error.filename or path}: {error.strerror or error}") from error
    return [each for each in (path, fusion, model) if each]


def describe(result: Result, shop: Shop, fusion: Path | None, model: Path | None) -> str:
    """The text: what it is in comments, then the lines that differ from rerank.yml's sections."""
    import yaml

    text = yaml.safe_dump(changes(result, shop, fusion, model), sort_keys=False, allow_unicode=True, width=200)
    return "".join(f"# {line}\n" for line in _head(result)) + text


def changes(result: Result, shop: Shop, fusion: Path | None, model: Path | None) -> dict[str, Any]:
    """What the best configuration sets, by the keys of rerank.yml."""
    best, space, settings = result.configuration, result.space, shop.settings
    variant: dict[str, Any] = {}
    if "window" in space.what:
        variant["window"] = best.window
    if best.fusion and learns(best.fusion):
        variant["fusion"] = str(fusion.resolve()) if fusion else None
    elif best.fusion:
        known = WeightSettings.model_fields
        variant |= {"weights": {name: value for name, value in best.fusion.weights.items() if name in known}}
        variant |= {"fusion": None}
    found: dict[str, Any] = {"variants": {shop.variant: variant}} if variant else {}
    if best.template != space.template:
        found["indices"] = {_section_name(shop): _section(shop, best.template)}
    if model:
        name = resolve(shop.variant, section_of(shop.index, settings), settings).model
        assert name is not None  # it was served
        found["models"] = {name: {"source": str(model.resolve())}}
    return found


def _section(shop: Shop, template: str) -> dict[str, Any]:
    """Vectors stay those of the old document text, which they were made of."""
    section = section_of(shop.index, shop.settings)
    changed: dict[str, Any] = {"template": template}
    if section.vectors is not None and section.vectors.template is None:
        changed["vectors"] = {"template": section.template}
    return changed


def _section_name(shop: Shop) -> str:
    section = section_of(shop.index, shop.settings)
    return next(name for name, each in shop.settings.indices.items() if each is section)


def _head(result: Result) -> list[str]:
    best = result.best
    lines = [
        f"es-rerank tune: trial {best.number} of {len(result.trials)}, searched: {', '.join(result.space.what)}",
        f"{result.measure} {best.value:.3f} on {result.training_queries} queries, "
        + (f"by {result.folds} folds" if result.folds > 1 else "which its training did not see"),
    ]
    if result.held_out:
        lines.append(f"on {result.held_out.queries} held-out queries, present and this: {result.held_out.comparison}")
    return [*lines, "these lines replace those of the same keys in rerank.yml"]


def _copy(folder: Path, target: Path) -> None:
    if target.exists():
        raise CommandError(f"--output: {target} is there already; delete it, or give another name")
    shutil.copytree(folder, target)
