"""The cross-encoder on OpenVINO as a graph of our own: fp32, bf16, or 8-bit weights and groups of activations."""

from __future__ import annotations

from collections.abc import Sequence
from threading import local
from typing import Any, Literal

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import BATCH_TOKENS, FloatArray, Tokens
from middleware.rerank.backends.encoder import read_encoder
from middleware.rerank.backends.graph import EDITION, build_graph
from middleware.rerank.backends.passes import Arrays, Layout, in_passes
from middleware.rerank.backends.processor import cpu_workers
from middleware.rerank.backends.recipe import Recipe
from middleware.rerank.backends.source import open_source, unloadable

OpenvinoPrecision = Literal["fp32", "bf16", "int8"]

_GROUP = 32
"""Activations that share a scale."""

# OpenVINO makes code for every shape that it meets, and keeps it: without rounding it would never be done with that.
_LAYOUT = Layout(packed=False, step=8)


class OpenvinoBackend:
    """A BERT- or RoBERTa-type model in memory, ready to score. Raises ModelUnavailable when it cannot be loaded."""

    threads = 1
    batch_tokens = BATCH_TOKENS

    def __init__(self, settings: ModelSettings, *, precision: OpenvinoPrecision = "fp32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise ModelUnavailable("openvino is not installed; pip install 'es-rerank[openvino]'") from error
        if settings.device not in ("auto", "cpu"):
            raise ModelUnavailable(f"backend openvino runs on the CPU only, not on {settings.device}; use torch")
        source = open_source(settings, "openvino")
        self.encode = source.tokenizer.encode
        self._head = source.head
        self.workers = cpu_workers(settings.threads)
        self.name = f"openvino {precision}" if precision == "fp32" else f"openvino {precision}, edition {EDITION}"
        recipe = Recipe(arithmetic="weights" if precision == "int8" else "fp32", packed=False)
        try:
            graph = build_graph(read_encoder(source.config, source.weight_files), recipe)
            core = openvino.Core()
            self._model = core.compile_model(core.read_model(graph), "CPU", self._properties(precision))
        except ModelUnavailable as error:
            raise ModelUnavailable(f"{settings.source}: {error.reason}") from error
        except Exception as error:  # openvino raises plain RuntimeErrors
            raise unloadable(settings.source, error) from error
        self._requests = local()

    def _properties(self, precision: OpenvinoPrecision) -> dict[str, Any]:
        return {
            "NUM_STREAMS": self.workers,
            "INFERENCE_NUM_THREADS": self.workers * self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" else 0,
        }

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        return self._head.scores(in_passes(batch, self._logits, _LAYOUT))

    def _logits(self, arrays: Arrays) -> FloatArray:
        request = getattr(self._requests, "mine", None)
        if request is None:
            request = self._requests.mine = self._model.create_infer_request()
        logits: FloatArray = request.infer(dict(arrays))[0].astype("float64")
        return logits
