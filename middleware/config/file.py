"""rerank.yml as plain data: what YAML lets pass and a reader of the file would not mean is an error here."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from middleware.errors import ConfigError

_REMEDIES = {
    "extra_forbidden": "there is no such key; the README lists them all",
    "missing": "is required",
    "tuple_type": "write a list, such as [a, b]",
    "dict_type": "write keys below it",
    "model_type": "write keys below it, or leave it out",
}


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses what YAML reads otherwise than it was meant.

    Of a key written twice the last would win; a bare `on` or `1` as a key would be no text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _wrong(key, f"the key {key.value!r} is no text for YAML; write it in quotes")
            if key.value in seen:
                raise _wrong(key, f"the key {key.value!r} is there twice; rename or remove one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _wrong(key: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)


def read_config_file(path: Path) -> dict[str, Any]:
    """The file's top-level keys. Raises ConfigError, one line that names the file, the place and the remedy."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except FileNotFoundError as error:
        raise ConfigError("--config", str(path), "no such file; give the path of a rerank.yml") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--config", str(path), f"cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ConfigError("--config", str(path), f"not valid YAML at {place}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError("--config", str(path), f"not valid YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError("--config", str(path), "must hold keys such as upstream: and models:, see the README")
    return data


def first_error(error: ValidationError) -> ConfigError:
    """The first of the validation's errors, in one line that names the key, the value and the remedy."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "rerank.yml"
    value = first.get("input")
    shown = value if isinstance(value, str | int | float | bool) or value is None else type(value).__name__
    return ConfigError(key, shown, _REMEDIES.get(first["type"], first["msg"].removeprefix("Value error, ")))
