"""A model made ready for a faster precision: calibrated on a catalogue, compared with fp32, kept by its hash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import thread_time

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import CommandError
from middleware.learning.evaluation.rankings import MAIN_MEASURE, evaluate
from middleware.learning.export_texts import CatalogTexts, Judged
from middleware.learning.step_bar import Step
from middleware.registry.manifest import MANIFEST_FILE, find_manifest
from middleware.rerank.backends import Backend, FloatArray, load_backend
from middleware.rerank.backends.calibration import CALIBRATION_FILE, export_folder, save_ranges
from middleware.rerank.backends.graph import LOGITS, OBSERVED
from middleware.rerank.backends.onnx import open_session
from middleware.rerank.backends.passes import one_pass
from middleware.rerank.backends.recipe import Recipe
from middleware.rerank.backends.source import open_source

REPORT_FILE = "report.json"
CALIBRATION_SEARCHES, CALIBRATION_DOCUMENTS = 150, 4
COMPARED_SEARCHES, COMPARED_DOCUMENTS, ROUNDS = 8, 50, 3


@dataclass(frozen=True, slots=True)
class Report:
    """An export against fp32 on one thread: `speed` is a ratio of pairs per second, `tau` Kendall's between the orders.

    `nothing lost` is 0 in `ndcg_lost`, a share of fp32's nDCG@10 on judged queries; None where there were none.
    """

    model: str
    catalog: str
    precision: str
    runs_on: str
    pairs_per_second: float
    speed: float
    tau: float
    judged_queries: int
    ndcg_exact: float | None
    ndcg: float | None

    @property
    def ndcg_lost(self) -> float | None:
        if self.ndcg is None or not self.ndcg_exact:
            return None
        return 1 - self.ndcg / self.ndcg_exact

    def __str__(self) -> str:
        lost = "" if self.ndcg_lost is None else f", {MAIN_MEASURE} {self.ndcg_exact:.4f} -> {self.ndcg:.4f}"
        judged = "" if self.ndcg_lost is None else f" ({-self.ndcg_lost:+.2%} on {self.judged_queries} judged queries)"
        return (
            f"{self.runs_on}: {self.pairs_per_second:.0f} pairs/s on one thread, {self.speed:.1f} x our fp32; "
            f"tau {self.tau:.3f}{lost}{judged}"
        )


def export(settings: ModelSettings, catalog: CatalogTexts, judged: Judged, step: Step) -> tuple[Path, Report]:
    """Calibrate where the precision needs it, compare, and keep both. Returns their folder and the report.

    What was kept for the same weights, catalogue and precision is read again. Raises ModelUnavailable.
    """
    source = open_source(settings, "onnx")
    folder = export_folder(source.weight_files)
    report_file = folder / f"{settings.precision}-{catalog.digest}-{len(judged)}-{REPORT_FILE}"
    if report_file.is_file() and (settings.precision != "fast" or (folder / CALIBRATION_FILE).is_file()):
        return folder, Report(**json.loads(report_file.read_text(encoding="utf-8")))
    if settings.precision == "fast":
        save_ranges(observe_ranges(settings, catalog, step), folder / CALIBRATION_FILE)
    report = _compare(settings, catalog, judged, step)
    folder.mkdir(parents=True, exist_ok=True)
    report_file.write_text(json.dumps(asdict(report), indent=2), encoding="utf-8")
    return folder, report


def copy_model(source: str, exported: Path, target: Path) -> None:
    """The model's folder with its calibration inside, to be served elsewhere. Raises CommandError."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise CommandError(f"{source}: not a folder; --output copies a local model only")
    if target.exists():
        raise CommandError(f"{target}: is there already; give a new folder")
    # With the calibration in it, it is not what a registry's manifest says any more.
    about = (MANIFEST_FILE,) if find_manifest(folder) else ()
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*about))
    if (exported / CALIBRATION_FILE).is_file():
        shutil.copy(exported / CALIBRATION_FILE, target / CALIBRATION_FILE)


def observe_ranges(settings: ModelSettings, catalog: CatalogTexts, step: Step) -> dict[str, np.ndarray]:
    """The largest magnitude in each column of each linear operation's input, over searches made from the catalogue."""
    source = open_source(settings, "onnx")
    session = open_session(source, Recipe(observe=True))
    names = [output.name for output in session.get_outputs() if output.name != LOGITS]
    largest: dict[str, np.ndarray] = {}
    for done, (query, texts) in enumerate(catalog.searches(CALIBRATION_SEARCHES, CALIBRATION_DOCUMENTS)):
        step("calibrating", done, CALIBRATION_SEARCHES)
        for pair in source.tokenizer.encode(query, texts):
            # One pair at a time: padding has values too, which nothing ever reads.
            for name, seen in zip(names, session.run(names, one_pass([pair])), strict=True):
                key = name.removeprefix(OBSERVED)
                largest[key] = np.maximum(largest.get(key, np.zeros_like(seen)), seen)
    return largest


def _compare(settings: ModelSettings, catalog: CatalogTexts, judged: Judged, step: Step) -> Report:
    one_thread = {"threads": 1, "device": "cpu", "measure": False}
    exact = load_backend(settings.model_copy(update={**one_thread, "precision": "exact", "backend": "auto"}))
    faster = load_backend(settings.model_copy(update=one_thread))
    taus = []
    searches = catalog.searches(COMPARED_SEARCHES, COMPARED_DOCUMENTS, seed=1)
    seconds = {exact: 0.0, faster: 0.0}
    for done, (query, texts) in enumerate(searches):
        step("comparing", done, len(searches))
        best: dict[Backend, float] = {}
        for backend in (exact, faster) * ROUNDS:
            best[backend] = min(best.get(backend, float("inf")), _seconds(backend, query, texts))
        seconds = {backend: seconds[backend] + best[backend] for backend in seconds}
        taus.append(kendall_tau(*(each.score(each.encode(query, texts)) for each in (exact, faster))))
    report = Report(
        model=settings.source,
        catalog=catalog.digest,
        precision=settings.precision,
        runs_on=faster.name,
        pairs_per_second=sum(len(texts) for _, texts in searches) / seconds[faster],
        speed=seconds[exact] / seconds[faster],
        tau=float(np.mean(taus)),
        judged_queries=len(judged),
        ndcg_exact=None,
        ndcg=None,
    )
    if not judged:
        return report
    step("judging", 0, 2)
    ndcg_exact = _ndcg(exact, catalog, judged)
    step("judging", 1, 2)
    return replace(report, ndcg_exact=ndcg_exact, ndcg=_ndcg(faster, catalog, judged))


def _seconds(backend: Backend, query: str, texts: Sequence[str]) -> float:
    # Of this thread alone, on which the backend runs: what other processes do then matters less.
    start = thread_time()
    backend.score(backend.encode(query, texts))
    return thread_time() - start


def _ndcg(backend: Backend, catalog: CatalogTexts, judged: Judged) -> float:
    """Over the judged documents of each query alone."""
    run: dict[str, list[str]] = {}
    for query, grades in judged.items():
        documents = list(grades)
        scores = backend.score(backend.encode(query, [catalog.texts[document] for document in documents]))
        run[query] = [documents[place] for place in np.argsort(-scores, kind="stable")]
    return evaluate(run, judged).mean[MAIN_MEASURE]


def kendall_tau(left: FloatArray, right: FloatArray) -> float:
    """Kendall's tau-a of two lists of scores of the same n documents, n > 1."""
    signs = [np.sign(scores[:, None] - scores[None, :]) for scores in (left, right)]
    return float((signs[0] * signs[1]).sum() / (len(left) * (len(left) - 1)))
