"""Which runtime runs a model: by the precision wanted, what is installed, and what the processor can do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import Backend
from middleware.rerank.backends.processor import Processor, this_processor

log = logging.getLogger(__name__)

MODULES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime with one of its number formats."""

    backend: str
    arithmetic: str

    def load(self, settings: ModelSettings) -> Backend:
        """Raises ModelUnavailable."""
        if self.backend == "onnx":
            from middleware.rerank.backends.onnx import OnnxBackend

            return OnnxBackend(settings, int8=self.arithmetic == "int8")
        if self.backend == "openvino":
            from middleware.rerank.backends.openvino import OpenvinoBackend

            return OpenvinoBackend(settings, precision=self.arithmetic)  # type: ignore[arg-type]
        from middleware.rerank.backends.torch import TorchBackend

        return TorchBackend(settings, bf16=self.arithmetic == "bf16")


EXACT = (Candidate("onnx", "fp32"), Candidate("openvino", "fp32"), Candidate("torch", "fp32"))
BALANCED = (Candidate("openvino", "bf16"), Candidate("torch", "bf16"))
FAST = (Candidate("onnx", "int8"), Candidate("openvino", "int8"))


def candidates(
    settings: ModelSettings, processor: Processor, installed: Callable[[str], bool], gpu: str | None
) -> list[Candidate]:
    """What may run the model, fastest first as far as was measured; each later one stands in for those before it.

    `gpu`: cuda, mps or None. A processor without bf16 operations only loses by them, so that fp32 comes instead; 8-bit
    ones gain on any.
    """
    precision = settings.precision
    if precision == "auto":
        precision = "balanced" if gpu == "cuda" else "exact"
    if gpu:
        wanted = [Candidate("torch", "fp32" if precision == "exact" else "bf16")]
    else:
        wanted = [*(FAST if precision == "fast" else ())]
        wanted += BALANCED if precision != "exact" and processor.bf16 else ()
        wanted += EXACT
    if settings.backend != "auto":
        return [each for each in wanted if each.backend == settings.backend] or [
            Candidate(settings.backend, "bf16" if precision == "balanced" else "fp32")
        ]
    return [each for each in wanted if installed(MODULES[each.backend])] or wanted[-1:]


def choose_backend(settings: ModelSettings) -> Backend:
    """The first candidate that can be loaded, or with `measure` the fastest. Raises ModelUnavailable."""
    found = candidates(settings, this_processor(), _is_installed, _gpu(settings))
    backend = _fastest(found, settings) if settings.measure else _first(found, settings)
    log.info("model %s runs on %s", settings.source, backend.name)
    _say_what_is_missing(settings, backend)
    return backend


def _first(found: Sequence[Candidate], settings: ModelSettings) -> Backend:
    for candidate in found[:-1]:
        try:
            return candidate.load(settings)
        except ModelUnavailable as error:
            log.info("%s %s: %s", candidate.backend, candidate.arithmetic, error.reason)
    return found[-1].load(settings)


def _fastest(found: Sequence[Candidate], settings: ModelSettings) -> Backend:
    timed: list[tuple[float, Backend]] = []
    for candidate in found:
        # More exact ones stand in only where nothing of the wanted precision runs.
        if timed and candidate in EXACT and settings.precision not in ("auto", "exact"):
            break
        try:
            backend = candidate.load(settings)
            timed.append((_seconds(backend), backend))
            log.info("%s %s: %.0f ms for 32 pairs", candidate.backend, candidate.arithmetic, timed[-1][0] * 1000)
        except ModelUnavailable as error:
            log.info("%s %s: %s", candidate.backend, candidate.arithmetic, error.reason)
    return min(timed, key=lambda each: each[0])[1] if timed else _first(found, settings)


def _seconds(backend: Backend) -> float:
    """The best of three times for 32 pairs of about 33 tokens, on one thread."""
    pairs = backend.encode("a b c", ["a b c d e f g h i j k l m n o p q r s t u v w x y z a b"] * 32)
    times = []
    for _ in range(4):
        start = perf_counter()
        backend.score(pairs)
        times.append(perf_counter() - start)
    return min(times[1:])


def _say_what_is_missing(settings: ModelSettings, backend: Any) -> None:
    if settings.precision == "fast" and getattr(backend, "calibrated", None) is False:
        log.warning(
            "%s is not calibrated, which costs it speed; es-rerank models export %s --precision fast --catalog FILE",
            settings.source,
            settings.source,
        )


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def _gpu(settings: ModelSettings) -> str | None:
    if settings.device in ("cuda", "mps"):
        return settings.device
    if settings.device == "cpu" or settings.backend in ("onnx", "openvino") or not _is_installed("torch"):
        return None
    from middleware.rerank.backends.torch import best_device

    device = best_device()
    return None if device == "cpu" else device
