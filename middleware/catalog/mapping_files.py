"""Index bodies and analysis profiles from mappings/, found in a checkout and in an installed wheel alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from middleware.errors import ConfigError
from middleware.mapping_folder import find_mappings as find_mappings

META_KEY = "es_rerank"


def load_body(name: str, path: Path | None = None) -> dict[str, Any]:
    """The index body `name` of mappings/, or the one in the file `path`: {"settings": {...}, "mappings": {...}}.

    Settings come without the "index" that may stand before them. Raises ConfigError where the file is no such body.
    """
    source = path or find_mappings() / f"{name}.json"
    body = _load_json(source)
    unknown = set(body) - {"settings", "mappings"}
    if unknown or not isinstance(body.get("mappings"), dict) or not isinstance(body.get("settings", {}), dict):
        remedy = 'want an index body: {"settings": {...}, "mappings": {...}} and nothing else'
        raise ConfigError("--mapping", str(source), remedy)
    return {**body, "settings": _plain_settings(body.get("settings", {}))}


def load_analysis(language: str) -> dict[str, Any]:
    """The analysis profiles of `language`, best first. Raises ConfigError that lists the languages there are."""
    source = find_mappings() / "analysis" / f"{language}.json"
    if language not in list_languages():
        raise ConfigError("--language", language, f"choose auto or one of {', '.join(list_languages())}")
    return _load_json(source)


def list_languages() -> list[str]:
    """The languages that --language takes beside auto."""
    return sorted(path.stem for path in (find_mappings() / "analysis").glob("*.json"))


def _plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """{"index": {"x": 1}}, {"index.x": 1} and {"x": 1} are one and the same to Elasticsearch, but not side by side."""
    inner = settings.get("index")
    outer = {name.removeprefix("index."): value for name, value in settings.items() if name != "index"}
    return {**outer, **(inner if isinstance(inner, dict) else {})}


def _load_json(source: Path) -> dict[str, Any]:
    try:
        body = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("--mapping", str(source), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError("--mapping", str(source), f"is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ConfigError("--mapping", str(source), "want one JSON object")
    return body
