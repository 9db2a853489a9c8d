"""`es-rerank models add|list|show|compare|promote|rollback`: what the registry holds, and which of it is served."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from middleware.errors import CommandError, ConfigError
from middleware.registry.aliases import PRODUCTION
from middleware.registry.folder import Registry
from middleware.registry.manifest import DataFingerprint


class ModelKind(StrEnum):
    """As in a manifest."""

    cross_encoder = "cross_encoder"
    bi_encoder = "bi_encoder"
    fusion = "fusion"


RegistryFolder = Annotated[Path | None, typer.Option("--registry", help="Folder of the registry.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="rerank.yml whose `registry` is meant.")]
Name = Annotated[str, typer.Argument(help="A model's name.")]
ReferenceTo = Annotated[str, typer.Argument(help="NAME, NAME@ALIAS or NAME@VERSION; NAME alone: @production.")]
AliasName = Annotated[str, typer.Option("--alias", help="The alias.")]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a group."""
    app.command("add")(add_model)
    app.command("list")(list_models)
    app.command("show")(show_model)
    app.command("compare")(compare_models)
    app.command("promote")(promote_model)
    app.command("rollback")(roll_back_model)


def open_registry(folder: Path | None, config: Path | None) -> Registry:
    """The registry in `folder`, else that of a rerank.yml, else of the environment, else in the cache."""
    from middleware.config import load_registry

    return Registry(folder) if folder else load_registry(config)


def add_model(
    folder: Annotated[Path, typer.Argument(help="Folder of a trained model, or with a fusion.json.")],
    name: Annotated[str, typer.Option(help="The model's name; it gets the next version.")],
    kind: Annotated[
        ModelKind | None, typer.Option(help="Default: fusion with a fusion.json, else cross_encoder.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="What it was trained from.")] = None,
    template: Annotated[str | None, typer.Option(help="Document text it was trained on, as in rerank.yml.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=8, help="Length that its pairs were cut to.")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="SOURCE=FILE it learned from; held_out=FILE: it was measured on. Repeat.")
    ] = None,
    measures: Annotated[Path | None, typer.Option(help="JSON object: measure to value on held-out data.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="JSON object: how it was trained.")] = None,
    registry: RegistryFolder = None,
    config: ConfigFile = None,
) -> None:
    """Add a trained model as the next version of its name.

    What `es-rerank train` left in the folder (recipe, base, length, measures) is read from there; options win. Example:

    es-rerank models add ./my-model --name products-reranker --template "{title}" --data held_out=judged.csv
    """
    from middleware.learning.registry.trained_folder import describe

    found = describe(folder)
    manifest = open_registry(registry, config).add(
        folder,
        name=name,
        kind=kind.value if kind else found.kind,
        base=base or found.base,
        data={**found.data, **{source: _fingerprint(each) for source, each in map(_pair, data or [])}},
        template=template,
        max_tokens=max_tokens or found.max_tokens,
        measures=_read_object("--measures", measures) or found.measures,
        recipe=_read_object("--recipe", recipe) or found.recipe,
    )
    typer.echo(manifest.label)
    typer.echo(f"serve it: es-rerank models promote {name} {manifest.version}", err=True)


def list_models(registry: RegistryFolder = None, config: ConfigFile = None) -> None:
    """List every version of every model: where aliases point, what it is, how good it was."""
    from middleware.learning.registry.tables import list_table

    opened = open_registry(registry, config)
    entries = opened.list()
    if not entries:
        typer.echo(f"{opened.folder}: no models yet; es-rerank models add", err=True)
        return
    Console().print(list_table(entries))


def show_model(
    reference: ReferenceTo,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest as it is.")] = False,
    registry: RegistryFolder = None,
    config: ConfigFile = None,
) -> None:
    """Show what a version is, and check that its files are still those that were added (else exit status 1)."""
    from middleware.learning.registry.tables import show_table

    opened = open_registry(registry, config)
    found = opened.find(reference)
    manifest = opened.manifest(str(found))
    damage = opened.check(str(found))
    if as_json:
        typer.echo(manifest.to_json(), nl=False)
    else:
        Console().print(show_table(manifest, opened.aliases(manifest.name)))
    if damage:
        raise CommandError(f"{found}: not what was added: {'; '.join(damage)}")


def compare_models(
    before: ReferenceTo, after: ReferenceTo, registry: RegistryFolder = None, config: ConfigFile = None
) -> None:
    """Compare two versions: their measures, and what of data, text and recipe differs. Example:

    es-rerank models compare products-reranker products-reranker@4
    """
    from middleware.learning.registry.tables import difference_table, measure_table

    comparison = open_registry(registry, config).compare(before, after)
    console = Console()
    console.print(measure_table(comparison))
    if not comparison.same_data:
        console.print("measured on different data: the measures say little about each other", style="yellow")
    if comparison.differences:
        console.print(difference_table(comparison))


def promote_model(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="The version.")],
    alias: AliasName = PRODUCTION,
    force: Annotated[bool, typer.Option("--force", help="Also where it measured worse than the present one.")] = False,
    registry: RegistryFolder = None,
    config: ConfigFile = None,
) -> None:
    """Let an alias point at a version: proxies and scorers that serve it switch within seconds, without a restart."""
    opened = open_registry(registry, config)
    present = opened.aliases(name).get(alias)
    if present is not None and present.version != version and not force:
        _refuse_worse(opened, f"{name}@{present.version}", f"{name}@{version}")
    opened.promote(name, version, alias)
    was = f", was {present.version}" if present else ""
    typer.echo(f"{name}@{alias} is version {version}{was}")


def roll_back_model(
    name: Name, alias: AliasName = PRODUCTION, registry: RegistryFolder = None, config: ConfigFile = None
) -> None:
    """Let an alias point at its previous version again; once more: at the one before that."""
    opened = open_registry(registry, config)
    was = opened.find(f"{name}@{alias}").version
    typer.echo(f"{name}@{alias} is version {opened.rollback(name, alias).version}, was {was}")


def _refuse_worse(registry: Registry, present: str, wanted: str) -> None:
    worse = registry.compare(present, wanted).worse
    if worse:
        told = ", ".join(f"{each.name} {each.before:.4f} -> {each.after:.4f}" for each in worse)
        raise CommandError(
            f"{wanted} measured worse than {present} on the same data: {told}; --force promotes it all the same"
        )


def _pair(text: str) -> tuple[str, Path]:
    source, sign, file = text.partition("=")
    if not (source and sign and file):
        raise ConfigError("--data", text, "write SOURCE=FILE, such as held_out=judged.csv")
    return source, Path(file)


def _fingerprint(file: Path) -> DataFingerprint:
    try:
        return DataFingerprint.of_file(file)
    except OSError as error:
        raise ConfigError("--data", str(file), f"cannot be read: {error.strerror}") from error


def _read_object(option: str, file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(option, str(file), f"cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise ConfigError(option, str(file), "must hold one JSON object")
    return told
