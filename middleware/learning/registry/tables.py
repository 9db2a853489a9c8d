"""The registry as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from middleware.registry.aliases import Alias
from middleware.registry.comparison import Comparison
from middleware.registry.folder import Entry
from middleware.registry.manifest import MANIFEST_FILE, Manifest

_SHORT = 12


def list_table(entries: Sequence[Entry]) -> Table:
    """One row for each version."""
    table = Table("name", "version", "aliases", "kind", "base", "main measure", "made", box=None, pad_edge=False)
    for entry in entries:
        about = entry.manifest
        aliases = ", ".join(entry.aliases)
        if about is None:
            table.add_row(entry.name, str(entry.version), aliases, f"[red]no usable {MANIFEST_FILE}[/red]")
            continue
        measure = f"{about.main_measure[0]} {about.main_measure[1]:.4f}" if about.main_measure else ""
        row = (entry.name, str(entry.version), aliases, about.kind, about.base or "", measure, about.made_at[:10])
        table.add_row(*map(escape, row))
    return table


def show_table(manifest: Manifest, aliases: Mapping[str, Alias]) -> Table:
    """The manifest, a line for each thing, and where aliases point at it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    pointing = [f"{name} since {each.since}" for name, each in aliases.items() if each.version == manifest.version]
    rows: list[tuple[str, Any]] = [
        ("model", manifest.label),
        ("aliases", "\n".join(pointing) or "none"),
        ("kind", manifest.kind),
        ("base", manifest.base),
        ("text template", manifest.template),
        ("max tokens", manifest.max_tokens),
        ("measures", "\n".join(f"{name} {value:.4f}" for name, value in manifest.measures.items())),
        ("data", "\n".join(f"{name}: {each.count} ({each.sha256[:_SHORT]})" for name, each in manifest.data.items())),
        ("recipe", "\n".join(f"{name}: {_told(value)}" for name, value in manifest.recipe.items())),
        ("made", f"{manifest.made_at} with {manifest.made_with}"),
        ("files", f"{len(manifest.files)}, content {manifest.content_hash[:_SHORT]}"),
    ]
    for name, value in rows:
        if value not in (None, ""):
            table.add_row(f"[bold]{name}[/bold]", escape(str(value)))
    return table


def measure_table(comparison: Comparison) -> Table:
    """Every measure of both, and the difference."""
    table = Table("measure", box=None, pad_edge=False)
    for title in (comparison.before.label, comparison.after.label, "difference"):
        table.add_column(title, justify="right")
    for each in comparison.measures:
        difference = "" if each.difference is None else f"{each.difference:+.4f}"
        style = "red" if each in comparison.worse else None
        table.add_row(escape(each.name), _number(each.before), _number(each.after), difference, style=style)
    return table


def difference_table(comparison: Comparison) -> Table:
    """What is not the same in what they were made of."""
    table = Table("made of", comparison.before.label, comparison.after.label, box=None, pad_edge=False)
    for path, (before, after) in comparison.differences.items():
        table.add_row(*(escape(each) for each in (path, _told(before), _told(after))))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _told(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
