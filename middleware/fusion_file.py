"""Fusion models on disk: one readable JSON file each, checked when it is read, written all or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from middleware.errors import ConfigError
from middleware.fusion_models.document import read_model
from middleware.fusion_models.trained import Trained

NAME = "fusion.json"
"""What a model is called in a folder of its own."""

_REMEDY = "make it with `es-rerank train fusion`"


def read_fusion_model(path: Path) -> Trained:
    """Raises ConfigError, naming the file and the remedy, where it is not there or no model that can be served."""
    path = path.expanduser()
    file = path / NAME if path.is_dir() else path
    try:
        return read_model(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError("fusion", str(path), f"{error.strerror or error}; {_REMEDY}") from error
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError("fusion", str(path), f"not a fusion model ({why}); {_REMEDY}") from error


def write_fusion_model(path: Path, document: Mapping[str, Any]) -> Trained:
    """Written beside, then renamed; returns the model as it will be served. Raises ValueError where it is none."""
    model = read_model(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(readable(document) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return model


def readable(document: Mapping[str, Any]) -> str:
    """JSON with a line for each member of each object, and lists of numbers on one line."""
    return _write(document, "")


def _write(value: Any, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        members = [f"{deeper}{json.dumps(name)}: {_write(each, deeper)}" for name, each in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + ",\n".join(deeper + _write(each, deeper) for each in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
