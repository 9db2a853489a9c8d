"""What each backend and precision loses against fp32: the second table of bench_engine.py."""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from middleware.config import ModelSettings, cache_dir

Contestants = Mapping[str, tuple[str, str, str]]
"""Label -> backend, precision, number format."""
Calibrate = Callable[[Path, Mapping[str, str]], None]
Judged = Sequence[tuple[str, Mapping[str, int]]]
"""Queries, each with the grade of each document text."""


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
    judged = {"demo, held-out queries": demo_judged()}
    if options.judgments.is_file() and options.products.is_file():
        judged["Chorus"] = chorus_judged(options.judgments, texts)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        for file in trained.iterdir():
            (folder / file.name).symlink_to(file.resolve())
        calibrate(folder, {text: text for sets in judged.values() for _, documents in sets for text in documents})
        print_quality(folder, judged, ours)


def print_quality(folder: Path, judged: Mapping[str, Judged], ours: Contestants) -> None:
    from middleware.errors import ModelUnavailable
    from middleware.learning.evaluation import compare
    from middleware.learning.export import kendall_tau
    from middleware.rerank.backends import load_backend

    scores = {}
    for name, (backend, precision, _) in ours.items():
        try:
            loaded = load_backend(ModelSettings(source=str(folder), backend=backend, precision=precision, device="cpu"))
        except ModelUnavailable:  # named above already
            continue
        scores[name] = {
            label: [loaded.score(loaded.encode(query, list(grades))) for query, grades in sets]
            for label, sets in judged.items()
        }
    exact = scores["torch exact (fp32)"]
    print("| | " + " | ".join(f"{label}: tau | nDCG@10 lost (95 %)" for label in judged) + " |")
    print("|---|" + "---|---|" * len(judged))
    for name, found in scores.items():
        cells = []
        for label, sets in judged.items():
            taus = [kendall_tau(a, b) for a, b in zip(exact[label], found[label], strict=True)]
            qrels = {str(n): {str(d): g for d, g in enumerate(grades.values())} for n, (_, grades) in enumerate(sets)}
            before, after = (
                {str(n): [str(d) for d in np.argsort(-s, kind="stable")] for n, s in enumerate(each[label])}
                for each in (exact, found)
            )
            difference = compare(before, after, qrels)
            base = difference.before.mean["nDCG@10"]
            low, high = (-100 * bound / base for bound in difference.interval[::-1])
            cells += [
                f"{np.mean(taus):.3f}",
                f"{-100 * difference.difference / base:+.2f} % ({low:+.2f} to {high:+.2f})",
            ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def trained_demo_model() -> Path | None:
    found = [path for path in (cache_dir() / "models").glob("demo-*") if (path / "config.json").is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def demo_judged() -> Judged:
    from middleware.catalog.demo import generate
    from middleware.learning.demo_pairs import render

    catalog = generate()
    products = {product["id"]: render(product) for product in catalog.products}
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for judgment in catalog.qrels:
        grades[judgment.query_id][products[judgment.product_id]] = judgment.grade
    held_out = [query for query in catalog.queries if query.split == "held_out"]
    return [(query.text, grades[query.query_id]) for query in held_out if len(grades[query.query_id]) > 1]


def chorus_judged(path: Path, texts: Mapping[str, str]) -> Judged:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["doc_id"] in texts:
                grades[row["query"]][texts[row["doc_id"]]] = int(row["rating"])
    return [(query, found) for query, found in grades.items() if len(found) > 1]
