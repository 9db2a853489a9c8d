"""The published suites: one locked jar for each engine, fetched and verified as the jars of our nodes are.

Both jars are the newest that hold tests: Elasticsearch's later ones hold the API specification alone.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.config import cache_dir
from middleware.nodes.lock import Jar
from middleware.nodes.supply import supply_jars

_LOCK = Path(__file__).parent / "lock.json"
_TESTS, _APIS = "rest-api-spec/test/", "rest-api-spec/api/"


@dataclass(frozen=True, slots=True)
class Suite:
    """`files`: YAML text by path (`search/10_source_filtering.yml`); `apis`: the JSON specification of each API."""

    engine: str
    files: Mapping[str, str]
    apis: Mapping[str, Mapping[str, Any]]
    common_parameters: frozenset[str]


def read_suite(engine: str) -> Suite:
    """The suite of `elasticsearch` or `opensearch`; CommandError where its jar cannot be had."""
    jar = Jar(**json.loads(_LOCK.read_text(encoding="utf-8"))[engine])
    path = supply_jars([jar], cache_dir() / "test-suites", quiet=True)[jar]
    files: dict[str, str] = {}
    apis: dict[str, Mapping[str, Any]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith(_TESTS) and name.endswith((".yml", ".yaml")):
                files[name.removeprefix(_TESTS)] = archive.read(name).decode("utf-8")
            elif name.startswith(_APIS) and name.endswith(".json"):
                apis |= json.loads(archive.read(name))
        common = json.loads(archive.read(f"{_APIS}_common.json"))["params"]
    return Suite(engine, files, apis, frozenset(common))
