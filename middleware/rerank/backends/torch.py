"""The cross-encoder on torch and transformers: any sequence-classification head, on CUDA, MPS or CPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import FloatArray, Tokens
from middleware.rerank.heads import Head, read_head

# transformers replaces its module while it is imported: a second thread that waits for the import gets the empty one.
_IMPORTING = Lock()
SENTENCE_TRANSFORMERS_FILE = "config_sentence_transformers.json"


class TorchBackend:
    """A model in memory, ready to score. Raises ModelUnavailable when it cannot be loaded."""

    def __init__(self, settings: ModelSettings) -> None:
        try:
            with _IMPORTING:
                import torch
                import transformers
        except ImportError as error:
            raise ModelUnavailable("torch is not installed; pip install 'es-rerank[torch]'") from error
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self._settings = settings
        self._source = _checked_source(settings.source)
        try:
            self._model, missing = self._load_model(transformers)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._source, **self._origin)
            self._head = self._read_head(transformers)
        except Exception as error:  # four libraries meet here, each with its own errors
            raise ModelUnavailable(f"{settings.source}: cannot be loaded: {_first_line(error)}") from error
        if missing:
            raise ModelUnavailable(
                f"{settings.source}: has no trained classification head ({', '.join(missing[:2])} missing); "
                "give a cross-encoder, not an embedding or language model"
            )
        self._device = _pick_device(torch, settings.device)
        self._prepare(torch)

    @property
    def _origin(self) -> dict[str, Any]:
        return {"revision": self._settings.revision, "trust_remote_code": self._settings.trust_remote_code}

    def _load_model(self, transformers: Any) -> tuple[Any, list[str]]:
        model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            self._source, use_safetensors=True, output_loading_info=True, **self._origin
        )
        return model, sorted(info["missing_keys"])

    def _read_head(self, transformers: Any) -> Head:
        found = transformers.utils.cached_file(
            self._source,
            SENTENCE_TRANSFORMERS_FILE,
            revision=self._settings.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        own = json.loads(Path(found).read_text(encoding="utf-8")) if found else {}
        return read_head(self._model.config.to_dict(), own)

    def _prepare(self, torch: Any) -> None:
        precision = self._settings.precision
        if precision == "auto":
            precision = "bf16" if self._device == "cuda" else "fp32"
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        self._model.to(device=self._device, dtype=dtype).eval()
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
            self._model.config.pad_token_id = self._tokenizer.pad_token_id

    @property
    def _max_tokens(self) -> int:
        config = self._model.config
        limit = getattr(config, "max_position_embeddings", None) or self._settings.max_tokens
        # RoBERTa and its kin count positions from the padding's id on.
        if getattr(config, "model_type", "") in {"roberta", "xlm-roberta", "camembert"}:
            limit -= config.pad_token_id + 1
        return min(self._settings.max_tokens, int(limit))

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """A query longer than half of max_tokens is cut to half; then the document is cut to what is left."""
        if not document_texts:
            return []
        query = self._cut_query(query_text)
        encoded = self._tokenizer(
            [query] * len(document_texts),
            list(document_texts),
            truncation="only_second",
            max_length=self._max_tokens,
        )
        names = [name for name in self._tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(document_texts))]

    def _cut_query(self, query_text: str) -> str:
        room = (self._max_tokens - self._tokenizer.num_special_tokens_to_add(pair=True)) // 2
        ids = self._tokenizer(query_text, add_special_tokens=False, verbose=False)["input_ids"]
        return query_text if len(ids) <= room else str(self._tokenizer.decode(ids[:room], skip_special_tokens=True))

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        import torch

        padded = self._tokenizer.pad([dict(tokens) for tokens in batch], padding="longest", return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**padded.to(self._device)).logits
        return self._head.scores(logits.to(device="cpu", dtype=torch.float64).numpy())


def _checked_source(source: str) -> str:
    """The folder, expanded, or the hub name as it is. Raises ModelUnavailable for a folder that cannot be a model."""
    folder = Path(source).expanduser()
    if not folder.exists() and not source.startswith((".", "/", "~")):
        return source
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(f"{source}: no config.json there; give the folder of a saved model, or a hub name")
    if not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(f"{source}: no *.safetensors there; other weight formats can run code and are refused")
    return str(folder)


def _pick_device(torch: Any, wanted: str) -> str:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(device for device, there in available.items() if there)
    if not available[wanted]:
        raise ModelUnavailable(f"device {wanted}: not available on this machine; use device: auto")
    return wanted


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
