"""Where a model comes from: its configuration, head, tokenizer and weight files, the same for every runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable, RerankError
from middleware.registry.manifest import find_damage, find_manifest
from middleware.registry.reference import is_reference
from middleware.rerank.backends.pair_tokenizer import PairTokenizer
from middleware.rerank.heads import Head, read_head

SENTENCE_TRANSFORMERS_FILE = "config_sentence_transformers.json"
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"

# transformers replaces its module while it is imported: a second thread that waits for the import gets the empty one.
_IMPORTING = Lock()


@dataclass(frozen=True, slots=True)
class Source:
    """A model's parts but its weights. `name` is its folder, expanded, or its hub name."""

    name: str
    settings: ModelSettings
    config: Mapping[str, Any]
    head: Head
    tokenizer: PairTokenizer

    @property
    def weight_files(self) -> list[Path]:
        """Its *.safetensors, fetched where it is a hub name. Raises ModelUnavailable."""
        whole = _find(self.name, self.settings, WEIGHTS)
        if whole is not None:
            return [whole]
        index = _find(self.name, self.settings, WEIGHTS_INDEX)
        if index is None:
            raise ModelUnavailable(f"{self.name}: no {WEIGHTS} there; use backend: torch")
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        return [path for shard in shards if (path := _find(self.name, self.settings, shard)) is not None]


def import_transformers(extra: str) -> Any:
    """The module, quiet. Raises ModelUnavailable, naming the extra that brings it."""
    try:
        with _IMPORTING:
            import transformers
    except ImportError as error:
        raise ModelUnavailable(f"transformers is not installed; pip install 'es-rerank[{extra}]'") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def open_source(settings: ModelSettings, extra: str) -> Source:
    """The model that `settings.source` names. Raises ModelUnavailable in one line."""
    name = checked_source(settings.source)
    transformers = import_transformers(extra)
    try:
        config = transformers.AutoConfig.from_pretrained(name, **origin(settings)).to_dict()
        own = _find(name, settings, SENTENCE_TRANSFORMERS_FILE)
        head = read_head(config, json.loads(own.read_text(encoding="utf-8")) if own else {})
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **origin(settings))
    except RerankError as error:
        raise ModelUnavailable(f"{settings.source}: cannot be loaded: {error.reason}") from error
    except Exception as error:  # three libraries meet here, each with its own errors
        raise unloadable(settings.source, error) from error
    return Source(
        name,
        settings,
        config,
        head,
        PairTokenizer(tokenizer, max_tokens(settings, config), settings.document_bytes // 2),
    )


def origin(settings: ModelSettings) -> dict[str, Any]:
    """What transformers' from_pretrained wants to know beside the name."""
    return {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}


def unloadable(source: str, error: Exception) -> ModelUnavailable:
    """What to raise for an error of a library, in one line."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ModelUnavailable(f"{source}: cannot be loaded: {line}")


def max_tokens(settings: ModelSettings, config: Mapping[str, Any]) -> int:
    """The longest pair: what the settings say, cut to the positions that the model has."""
    limit = config.get("max_position_embeddings") or settings.max_tokens
    # RoBERTa and its kin count positions from the padding's id on.
    if config.get("model_type", "") in {"roberta", "xlm-roberta", "camembert"}:
        limit -= config["pad_token_id"] + 1
    return min(settings.max_tokens, int(limit))


def checked_source(source: str) -> str:
    """The folder, expanded, or the hub name as it is. Raises ModelUnavailable for a folder that cannot be a model.

    Nor is a registered model that is not what was added: nothing is known of it, its measures least of all.
    """
    if is_reference(source):
        raise ModelUnavailable(
            f"{source}: led nowhere when it was looked up; es-rerank models list shows what there is"
        )
    folder = Path(source).expanduser()
    if not folder.exists() and not source.startswith((".", "/", "~")):
        return source
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(f"{source}: no config.json there; give the folder of a saved model, or a hub name")
    if not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(f"{source}: no *.safetensors there; other weight formats can run code and are refused")
    manifest = find_manifest(folder)
    damage = find_damage(folder, manifest, additions=False) if manifest else []
    if manifest and damage:
        raise ModelUnavailable(
            f"{manifest.label}: not what was added: {damage[0]}; add the model anew and promote that"
        )
    return str(folder)


def _find(name: str, settings: ModelSettings, file: str) -> Path | None:
    if Path(name).is_dir():
        return Path(name) / file if (Path(name) / file).is_file() else None
    found = import_transformers("torch").utils.cached_file(
        name,
        file,
        revision=settings.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None
