"""What runs a sentence-transformers model: our own graph on ONNX Runtime, or torch with any transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from middleware.errors import ModelUnavailable
from middleware.rerank.backends import Tokens
from middleware.rerank.backends.encoder import read_headless_encoder
from middleware.rerank.backends.graph import VECTORS, Pooling, build_vector_graph
from middleware.rerank.backends.onnx import start_session
from middleware.rerank.backends.passes import Arrays, in_passes
from middleware.rerank.backends.processor import cpu_workers, this_processor
from middleware.rerank.backends.recipe import Recipe
from middleware.rerank.backends.sentence_model import Matrix, SentenceModel
from middleware.rerank.backends.source import import_transformers, unloadable
from middleware.rerank.backends.torch import pick_device


class SentenceEncoder(Protocol):
    """One loaded transformer. `workers`: how many threads should call `pool` at once; `name`: what runs it."""

    name: str
    workers: int

    def pool(self, batch: Sequence[Tokens]) -> Matrix:
        """The pooled states of some texts, (len(batch), width). Any number of threads at once."""
        ...


class OnnxSentenceEncoder:
    """A BERT- or RoBERTa-type model as our own graph, fp32 or 8-bit integers. Raises ModelUnavailable."""

    def __init__(self, model: SentenceModel, *, int8: bool = False, threads: int = 0) -> None:
        # Without VNNI two products of 8 by 8 bits are added in 16 bits, which must not overflow.
        limit = 127 if this_processor().int8 else 63
        recipe = Recipe(arithmetic="int8", weight_limit=limit) if int8 else Recipe()
        self.name = f"onnx {recipe.arithmetic}"
        self.workers = cpu_workers(threads)

        def build() -> bytes:
            return build_vector_graph(read_headless_encoder(model.config, model.weight_files), recipe, model.pooling)

        self._session = start_session(str(model.folder), build)

    def pool(self, batch: Sequence[Tokens]) -> Matrix:
        return np.asarray(in_passes(batch, self._vectors), dtype=np.float32)

    def _vectors(self, arrays: Arrays) -> Any:
        return self._session.run([VECTORS], arrays)[0]


class TorchSentenceEncoder:
    """Any transformer that has a safetensors file, in fp32 on CUDA, MPS or CPU. Raises ModelUnavailable."""

    def __init__(self, model: SentenceModel, *, device: str = "auto", threads: int = 0) -> None:
        try:
            import torch
        except ImportError as error:
            raise ModelUnavailable("torch is not installed; pip install 'es-rerank[torch]'") from error
        self._device = pick_device(torch, device)
        self.workers = cpu_workers(threads) if self._device == "cpu" else 1
        self.name = f"torch fp32 on {self._device}"
        self._tokenizer, self._pooling = model.tokenizer, model.pooling
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        try:
            loaded = import_transformers("torch").AutoModel.from_pretrained(model.folder, use_safetensors=True)
        except Exception as error:  # four libraries meet here, each with its own errors
            raise unloadable(str(model.folder), error) from error
        self._model = loaded.to(device=self._device, dtype=torch.float32).eval()

    def pool(self, batch: Sequence[Tokens]) -> Matrix:
        import torch

        if self._device == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        padded = self._tokenizer.pad(
            [dict(tokens) for tokens in batch], padding="longest", padding_side="right", return_tensors="pt"
        ).to(self._device)
        with torch.inference_mode():
            states = self._model(**padded).last_hidden_state
            pooled = _pool(torch, states, padded["attention_mask"].unsqueeze(-1), self._pooling)
        return np.asarray(pooled.float().cpu().numpy())


def _pool(torch: Any, states: Any, there: Any, pooling: Pooling) -> Any:
    if pooling == "cls":
        return states[:, 0]
    if pooling == "max":
        return states.masked_fill(there == 0, -torch.inf).max(dim=1).values
    return (states * there).sum(dim=1) / there.sum(dim=1)
