"""From a model and an index to an estimator: windows, the model's scores, what was learned, how deep to read."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import CommandError, RerankError
from middleware.fusion import fuse, rank, scale_first_stage
from middleware.learning.cascade.training import Recipe, TaughtWindow, Words, teach
from middleware.learning.groups.shop_documents import draw_documents
from middleware.learning.invention.inventor import Inventor
from middleware.learning.shop import Shop, section_of
from middleware.learning.step_bar import Step
from middleware.rerank.backends.source import checked_source, import_transformers, origin
from middleware.rerank.engine import Engine
from middleware.rerank.estimator import Estimator
from middleware.rerank.estimator_file import EstimatorFile
from middleware.rerank.score_memory import ScoreMemory

ENOUGH = 0.985
"""Share of the model's own gain in the page that a depth must keep. More of the judged gain is kept then: hits that
the estimator takes for each other are often of equal worth (scripts/bench_cascade.py)."""

_HELD_OUT_SHARE = 0.2
_TEXTS = 2000
_LEAST_HITS = 15
_PATIENCE_MS = 600_000
_LOAD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Depth:
    """Reading the first `hits` of a window by their estimates: shares of what reading all of it gives.

    `kept`: of the hits of the page; `gain`: of the page's discounted cumulative gain (Järvelin and Kekäläinen, 2002),
    where the gain of a hit is the cross-encoder's own score.
    """

    hits: int
    kept: float
    gain: float


def make_estimator(
    model: ModelSettings, words: str, shop: Shop, queries: Sequence[str], count: int, step: Step
) -> tuple[EstimatorFile, list[Depth]]:
    """An estimator taught by `count` windows of `queries` and, where these are too few, of invented ones.

    `words`: the model whose word embeddings and tokenizer it uses. Raises CommandError where the model cannot be
    loaded or the index has too few hits.
    """
    engine = start_engine(model)
    try:
        windows = list(_taught_windows(engine, shop, queries, count, step))
    finally:
        engine.stop()
    random.Random(0).shuffle(windows)  # else those given would teach, and those invented measure
    cut = round(len(windows) * (1 - _HELD_OUT_SHARE))
    if not 0 < cut < len(windows):
        raise CommandError(f"{shop.index}: too few searches find {_LEAST_HITS} hits; give --queries or --search")
    read, recipe = _read_words(words, model), Recipe()
    part = teach(read, windows[:cut], windows[cut:], recipe, lambda done, steps, _: step("teaching", done, steps))
    candidates = [*range(10, min(50, shop.hits), 5), *range(50, shop.hits, 25), shop.hits]
    depths = [measure_depth(part, windows[cut:], hits, shop.weights) for hits in candidates]
    enough = next((depth.hits for depth in depths if depth.gain >= ENOUGH), shop.hits)
    # What was measured of the estimator that saw a part of the windows holds for the better one that saw all.
    whole = teach(read, windows, windows[cut:], recipe, lambda done, steps, _: step("teaching all", done, steps))
    made_of = {"model": model.source, "index": shop.index, "windows": len(windows), "hits": shop.hits}
    made_of |= {"made": time.strftime("%Y-%m-%d")}
    return replace(whole, edges=part.edges, residuals=part.residuals, depth=enough, made_of=made_of), depths


def measure_depth(
    file: EstimatorFile, windows: Sequence[TaughtWindow], hits: int, weights: Mapping[str, float], page: int = 10
) -> Depth:
    """What reading `hits` of each window keeps of the first `page` of its full order."""
    estimator, kept, gains = Estimator(file), [], []
    for window in windows:
        estimates = estimator.estimate(window.query_text, window.document_texts, window.first_stage, certainty=0.5)
        best, true = (
            fuse({"cross_encoder": scores, "first_stage": window.first_stage}, weights)
            for scores in (estimates.scores, window.cross_encoder_scores)
        )
        read = np.sort(rank(best)[:hits])
        found, ideal = read[rank(true[read])][:page], rank(true)[:page]
        kept.append(len(set(found) & set(ideal)) / len(ideal))
        discounts = 1 / np.log2(np.arange(2, len(ideal) + 2))
        gained, possible = ((window.cross_encoder_scores[top] * discounts[: len(top)]).sum() for top in (found, ideal))
        gains.append(gained / possible if possible else 1.0)
    return Depth(hits, float(np.mean(kept)), float(np.mean(gains)))


def start_engine(model: ModelSettings, memory: ScoreMemory | None = None) -> Engine:
    """The model, loaded; an engine keeps all cores busy. Raises CommandError."""
    engine = Engine(model, memory=memory)
    engine.start()
    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while not engine.ready:
        if engine.error or time.monotonic() > deadline:
            engine.stop()
            raise CommandError(engine.error or f"{model.source} did not load within {_LOAD_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
    return engine


def _taught_windows(
    engine: Engine, shop: Shop, queries: Sequence[str], count: int, step: Step
) -> Iterator[TaughtWindow]:
    rng, seen, made = random.Random(0), set[str](), 0
    given = rng.sample(list(queries), len(queries))
    for query in chain(given, islice(_invented(shop, rng), 20 * count)):
        window = None if query in seen else shop.window(query)
        seen.add(query)
        if window is None or len(window.document_texts) < _LEAST_HITS:
            continue
        step("reading windows", made, count)
        try:
            scores = engine.score(query, window.document_texts, budget_ms=_PATIENCE_MS)
        except RerankError as error:
            raise CommandError(error.reason) from error
        yield TaughtWindow(query, window.document_texts, scale_first_stage(window.first_stage_scores), scores)
        made += 1
        if made == count:
            return


def _invented(shop: Shop, rng: random.Random) -> Iterator[str]:
    section = section_of(shop.index, shop.settings)
    for invented in Inventor(draw_documents(shop, _TEXTS, seed=0), section, rng).queries():
        yield invented.text


def _read_words(source: str, model: ModelSettings) -> Words:
    """The word embeddings of a model and its tokenizer. Raises CommandError."""
    try:
        transformers = import_transformers("train")
        name = checked_source(source)
        # A revision names a state of one model, not of another.
        known = origin(model) if source == model.source else {}
        loaded = transformers.AutoModel.from_pretrained(name, **known)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **known)
    except RerankError as error:
        raise CommandError(error.reason) from error
    except (OSError, ValueError, ImportError) as error:
        raise CommandError(f"{source}: {' '.join(str(error).split())[:200]}") from error
    embeddings = loaded.get_input_embeddings().weight.detach().float().numpy().copy()
    return Words(embeddings, tokenizer.backend_tokenizer.to_str())
