"""The cross-encoder on ONNX Runtime as a graph of our own, fp32 or 8-bit: each thread scores its own pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import BATCH_TOKENS, FloatArray, Tokens
from middleware.rerank.backends.calibration import digest_ranges, find_ranges
from middleware.rerank.backends.encoder import read_encoder
from middleware.rerank.backends.graph import EDITION, LOGITS, build_graph
from middleware.rerank.backends.passes import Arrays, in_passes
from middleware.rerank.backends.processor import cpu_workers, this_processor
from middleware.rerank.backends.recipe import Recipe
from middleware.rerank.backends.source import Source, open_source, unloadable


class OnnxBackend:
    """A BERT- or RoBERTa-type model in memory, ready to score. Raises ModelUnavailable when it cannot be loaded."""

    threads = 1
    batch_tokens = BATCH_TOKENS

    def __init__(self, settings: ModelSettings, *, int8: bool = False, recipe: Recipe | None = None) -> None:
        _onnxruntime()
        if settings.device not in ("auto", "cpu"):
            raise ModelUnavailable(f"backend onnx runs on the CPU only, not on {settings.device}; use backend: torch")
        source = open_source(settings, "onnx")
        self.encode = source.tokenizer.encode
        self._head = source.head
        self.workers = cpu_workers(settings.threads)
        recipe = recipe or (_int8_recipe(source) if int8 else Recipe())
        self.calibrated = recipe.ranges is not None
        self.name = f"onnx int8, edition {EDITION}" if recipe.arithmetic == "int8" else "onnx fp32"
        if recipe.ranges is not None:
            self.name += f", calibration {digest_ranges(recipe.ranges)}"
        self._session = open_session(source, recipe, self.threads)

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        return self._head.scores(in_passes(batch, self._logits))

    def _logits(self, arrays: Arrays) -> FloatArray:
        logits: FloatArray = self._session.run([LOGITS], arrays)[0].astype("float64")
        return logits


def open_session(source: Source, recipe: Recipe, threads: int = 1) -> Any:
    """An onnxruntime.InferenceSession of the graph that `recipe` makes of the model. Raises ModelUnavailable."""
    name = source.settings.source
    return start_session(name, lambda: build_graph(read_encoder(source.config, source.weight_files), recipe), threads)


def start_session(name: str, build: Callable[[], bytes], threads: int = 1) -> Any:
    """An onnxruntime.InferenceSession of the graph that `build` makes; `name` is the model's, for what is raised."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # no two passes have the same shape
    try:
        return onnxruntime.InferenceSession(build(), options, providers=["CPUExecutionProvider"])
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{name}: {error.reason}") from error
    except Exception as error:  # onnxruntime's exceptions share no class but this
        raise unloadable(name, error) from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelUnavailable("onnxruntime is not installed; pip install 'es-rerank[onnx]'") from error
    return onnxruntime


def _int8_recipe(source: Source) -> Recipe:
    # Without VNNI two products of 8 by 8 bits are added in 16 bits, which must not overflow.
    limit = 127 if this_processor().int8 else 63
    return Recipe(arithmetic="int8", ranges=find_ranges(source.weight_files), weight_limit=limit)
