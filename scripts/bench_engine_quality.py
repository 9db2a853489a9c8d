"""What each backend and precision loses against fp32: the second table of bench_engine.py."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from bench_engine_judged import PRODUCTS, Judged, chorus_judged, demo_judged, invented_judged
from bench_engine_models import start_engine

from middleware.config import ModelSettings, cache_dir
from middleware.learning.evaluation.rankings import Comparison, compare
from middleware.learning.export import kendall_tau
from middleware.rerank.backends import FloatArray

Contestants = Mapping[str, tuple[str, str, str]]
"""Label -> backend, precision, number format."""
Calibrate = Callable[[Path, Mapping[str, str]], None]
Scores = Mapping[str, Sequence[FloatArray]]
"""Label of the judged set -> the scores of each of its searches."""
SEARCHES_AT_ONCE = 4


def quality_table(
    options: argparse.Namespace,
    texts: Mapping[str, str],
    ours: Contestants,
    calibrate: Calibrate,
) -> None:
    """tau against fp32 and nDCG@10 on judged queries, of each backend and precision, with a trained model."""
    trained = options.model or trained_demo_model()
    if trained is None:
        print("(no tau and nDCG: no trained model; run `es-rerank models demo` once, or give --model)")
        return
    judged = {"demo, held-out": demo_judged()}
    if options.judgments.is_file() and options.products.is_file():
        judged["Chorus"] = chorus_judged(options.judgments, texts)
    if options.invented:
        judged["invented"] = invented_judged(options.invented)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        for file in trained.iterdir():
            (folder / file.name).symlink_to(file.resolve())
        calibrate(folder, {text: text for sets in judged.values() for _, documents in sets for text in documents})
        print_quality(folder, judged, ours)


def score_all(folder: Path, judged: Mapping[str, Judged], backend: str, precision: str) -> Scores | None:
    """None where the backend is not installed, which the table of speeds has said."""
    try:
        engine = start_engine(ModelSettings(source=str(folder), backend=backend, precision=precision, device="cpu"))
    except RuntimeError:
        return None

    def score(search: tuple[str, Mapping[str, int]]) -> FloatArray:
        return engine.score(search[0], list(search[1]), budget_ms=600_000)

    with ThreadPoolExecutor(SEARCHES_AT_ONCE) as pool:
        found = {label: list(pool.map(score, searches)) for label, searches in judged.items()}
    engine.stop()
    return found


def print_quality(folder: Path, judged: Mapping[str, Judged], ours: Contestants) -> None:
    """Row by row, each when it is known; the first of `ours` is what the others are compared with."""
    print("| | " + " | ".join(f"{label}: tau | nDCG@10 lost (95 %)" for label in judged) + " |")
    print("|---|" + "---|---|" * len(judged))
    exact: Scores = {}
    for name, (backend, precision, _) in ours.items():
        found = score_all(folder, judged, backend, precision)
        exact = exact or found or {}
        if found:
            cells = [loss(exact[label], found[label], searches) for label, searches in judged.items()]
            print(f"| {name} | " + " | ".join(cells) + " |")
    print_searches(exact, judged)


def print_searches(exact: Scores, judged: Mapping[str, Judged]) -> None:
    described = []
    for label, searches in judged.items():
        documents = np.mean([len(grades) for _, grades in searches])
        mean = difference(exact[label], exact[label], searches).before.mean["nDCG@10"]
        described.append(f"{label}: {len(searches)} searches, {documents:.0f} documents each, {mean:.3f}")
    print(f"\nSearches, and nDCG@10 of the first row: {'; '.join(described)}.")
    if "invented" in judged:
        print(
            "Invented: from the demo catalogue, of the kind that the demo's model was trained on, but under another "
            "seed, with no text of its training among them; of each, "
            f"{PRODUCTS} products that share its words, graded by rule."
        )


def loss(exact: Sequence[FloatArray], found: Sequence[FloatArray], judged: Judged) -> str:
    """Two cells of the table."""
    tau = np.mean([kendall_tau(a, b) for a, b in zip(exact, found, strict=True)])
    compared = difference(exact, found, judged)
    base = compared.before.mean["nDCG@10"]
    low, high = (0.0 - 100 * bound / base for bound in compared.interval[::-1])
    return f"{tau:.3f} | {0.0 - 100 * compared.difference / base:+.2f} % ({low:+.2f} to {high:+.2f})"


def difference(exact: Sequence[FloatArray], found: Sequence[FloatArray], judged: Judged) -> Comparison:
    qrels = {str(n): {str(d): g for d, g in enumerate(grades.values())} for n, (_, grades) in enumerate(judged)}
    before, after = (
        {str(n): [str(d) for d in np.argsort(-scores, kind="stable")] for n, scores in enumerate(each)}
        for each in (exact, found)
    )
    return compare(before, after, qrels)


def trained_demo_model() -> Path | None:
    found = [path for path in (cache_dir() / "models").glob("demo-*") if (path / "config.json").is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)
