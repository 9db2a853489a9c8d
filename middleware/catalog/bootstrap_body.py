"""The index body of a new version: fields from mappings/ or from the shop, analyzers as the cluster can serve them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from middleware.catalog.language import CHINESE_ANALYZER, Analysis
from middleware.catalog.mapping_files import load_body


def build_index_body(analysis: Analysis, mapping: Path | None = None) -> dict[str, Any]:
    """mappings/products.json, or the body in the file `mapping`, with the analyzers that `analysis` chose.

    Analyzers that the body defines itself win. Raises ConfigError where the file is no index body.
    """
    body = load_body("products", mapping)
    own = body["settings"].get("analysis", {})
    chosen = analysis.settings()
    merged = {kind: {**chosen.get(kind, {}), **own.get(kind, {})} for kind in {*chosen, *own}}
    if mapping is None:
        _add_chinese_subfields(body["mappings"]["properties"], analysis.chinese_subfields)
    return {**body, "settings": {**body["settings"], "analysis": merged}}


def _add_chinese_subfields(properties: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        subfield = {"type": "text", "analyzer": CHINESE_ANALYZER, "search_analyzer": f"{CHINESE_ANALYZER}_search"}
        properties[name].setdefault("fields", {})["zh"] = subfield
