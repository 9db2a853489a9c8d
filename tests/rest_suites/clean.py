"""Brings a node back to empty between tests, by deleting only what is there."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from rest_suites.wire import Wire

_METADATA = "/_cluster/state/metadata?filter_path=" + ",".join(
    f"metadata.{part}"
    for part in (
        "indices.*.state",
        "templates.*.order",
        "index_template.index_template.*.index_patterns",
        "component_template.component_template.*.template",
        "data_stream.data_stream.*.name",
        "repositories.*.type",
        "ingest.pipeline.id",
        "search_pipeline.pipeline.id",
        "search_pipeline.*.id",
        "stored_scripts.*.lang",
    )
)
# what tests leave behind beside metadata, by the module of the test
_AFTER_MODULE = {
    "scroll": (("DELETE", "/_search/scroll/_all", None),),
    "pit": (("DELETE", "/_search/point_in_time/_all", None),),
    "cluster.voting_config_exclusions": (
        ("DELETE", "/_cluster/voting_config_exclusions?wait_for_removal=false", None),
    ),
}


def clean(wire: Wire, module: str) -> None:
    """Delete indices, templates, data streams, pipelines, scripts, repositories, settings; `wire` is the node's own."""
    for method, target, body in _AFTER_MODULE.get(module, ()):
        wire.ask(method, target, body)
    metadata = wire.ask("GET", _METADATA).get("metadata", {})
    for path, names in _leftovers(metadata):
        wire.ask("DELETE", f"{path}/{','.join(quote(name, safe='') for name in names)}")
    _reset_settings(wire)


def _leftovers(metadata: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Paths to delete below, and the names there; data streams before their indices, templates after both."""

    def names(*path: str) -> list[str]:
        found: Any = metadata
        for part in path:
            found = found.get(part, {}) if isinstance(found, dict) else {}
        return sorted(found)

    found = [("/_data_stream", [name]) for name in names("data_stream", "data_stream")]
    streams = {f".ds-{name}" for name in names("data_stream", "data_stream")}
    indices = [name for name in names("indices") if name.rpartition("-")[0] not in streams]
    found += [("", indices)] if indices else []
    found += [("/_snapshot", [name]) for name in names("repositories")]
    found += [("/_template", [name]) for name in names("templates")]
    found += [("/_index_template", [name]) for name in names("index_template", "index_template")]
    found += [("/_component_template", [name]) for name in names("component_template", "component_template")]
    found += [("/_scripts", [name]) for name in names("stored_scripts")]
    found += [("/_ingest/pipeline", [item["id"]]) for item in metadata.get("ingest", {}).get("pipeline", [])]
    pipelines = metadata.get("search_pipeline", {}).get("pipeline", [])
    return found + [("/_search/pipeline", [item["id"]]) for item in pipelines]


def _reset_settings(wire: Wire) -> None:
    settings = wire.ask("GET", "/_cluster/settings?flat_settings=true")
    nothing = {kind: dict.fromkeys(values) for kind, values in settings.items() if values}
    if nothing:
        wire.ask("PUT", "/_cluster/settings", nothing)
