"""The cross-encoder on torch and transformers: any sequence-classification head, on CUDA, MPS or CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import BATCH_TOKENS, FloatArray, Tokens
from middleware.rerank.backends.processor import cpu_workers
from middleware.rerank.backends.source import Source, import_transformers, open_source, origin, unloadable

# A GPU is busy only with much at once; an estimate, not measured here.
_GPU_BATCH_TOKENS = 16_384


class TorchBackend:
    """A model in memory, ready to score, in fp32 or bf16. Raises ModelUnavailable when it cannot be loaded."""

    threads = 1

    def __init__(self, settings: ModelSettings, *, bf16: bool = False) -> None:
        try:
            import torch
        except ImportError as error:
            raise ModelUnavailable("torch is not installed; pip install 'es-rerank[torch]'") from error
        source = open_source(settings, "torch")
        self.encode = source.tokenizer.encode
        self._head = source.head
        self._tokenizer = source.tokenizer.tokenizer
        self._device = pick_device(torch, settings.device)
        on_cpu = self._device == "cpu"
        self.workers = cpu_workers(settings.threads) if on_cpu else 1
        self.batch_tokens = BATCH_TOKENS if on_cpu else _GPU_BATCH_TOKENS
        self.name = f"torch {'bf16' if bf16 else 'fp32'} on {self._device}"
        self._model = _load_model(source)
        self._model.to(device=self._device, dtype=torch.bfloat16 if bf16 else torch.float32).eval()
        if self._model.config.pad_token_id is None:
            self._model.config.pad_token_id = self._tokenizer.pad_token_id

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        import torch

        if self._device == "cpu" and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        padded = self._tokenizer.pad([dict(tokens) for tokens in batch], padding="longest", return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**padded.to(self._device)).logits
        return self._head.scores(logits.to(device="cpu", dtype=torch.float64).numpy())


def _load_model(source: Source) -> Any:
    transformers = import_transformers("torch")
    try:
        model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            source.name, use_safetensors=True, output_loading_info=True, **origin(source.settings)
        )
    except Exception as error:  # four libraries meet here, each with its own errors
        raise unloadable(source.settings.source, error) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelUnavailable(
            f"{source.settings.source}: has no trained classification head ({', '.join(missing[:2])} missing); "
            "give a cross-encoder, not an embedding or language model"
        )
    return model


def pick_device(torch: Any, wanted: str) -> str:
    """cuda, mps or cpu. Raises ModelUnavailable where the machine lacks what is wanted."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in available.items() if there)
    if not available[wanted]:
        raise ModelUnavailable(f"device {wanted}: not available on this machine; use device: auto")
    return wanted


def best_device() -> str:
    """cuda, mps or cpu: what torch would take by itself. Raises ImportError where torch is not installed."""
    import torch

    return pick_device(torch, "auto")
