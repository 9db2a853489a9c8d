"""Queries that a shop has: one a line in a text file, as a log of searches is easily cut down to."""

from __future__ import annotations

from pathlib import Path

from middleware.errors import ConfigError


def read_queries(path: Path) -> list[str]:
    """One query a line, each once. Raises ConfigError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError("--queries", path, "give a text file with one query a line") from error
    queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not queries:
        raise ConfigError("--queries", path, "give a text file with one query a line")
    return queries
