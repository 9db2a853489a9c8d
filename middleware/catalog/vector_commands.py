"""`es-rerank vectors`: make the products' vectors, and say which are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from middleware.catalog.commands import ApiKey, Password, Patience, User
from middleware.errors import ConfigError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from middleware.catalog.product_vectors import TextSource, VectorProgress, VectorReport
    from middleware.rerank.bi_encoder import BiEncoder

app = typer.Typer(no_args_is_help=True, help="Vectors of the products, made once by a bi-encoder and kept in an index.")

Config = Annotated[Path, typer.Option(help="rerank.yml; `indices.NAME.vectors` says which encoder.")]
Index = Annotated[
    str | None, typer.Option(help="Index or alias with the products; default: the first section with vectors.")
]


@app.command()
def build(
    config: Config,
    index: Index = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many vectors are missing or stale; make none.")
    ] = False,
    drop_others: Annotated[
        bool, typer.Option("--drop-others", help="Remove the vectors of encoders that were used before.")
    ] = False,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Make the vectors that are missing, and remove those of products that are gone.

    Each text is encoded once, ever: run it again after every change of the catalogue, or after it was killed; it goes
    on where it ended. The products' own index is only read. Searches find new vectors within half a minute. Example:

    es-rerank vectors build --config rerank.yml --index products
    """
    from middleware.catalog.product_vectors import build_vectors

    console = Console(stderr=True)
    chosen = _open(config, index, user, password, api_key)
    with _make_bar(console) as bar:
        task = bar.add_task(f"encoding with {chosen.encoder.name}", total=None, encoded=0)

        def show(progress: VectorProgress) -> None:
            if progress.note:
                console.print(f"waiting: {progress.note}", style="yellow", markup=False)
            else:
                bar.update(task, completed=progress.done, total=progress.total, encoded=progress.encoded)

        report = build_vectors(
            chosen.client,
            chosen.source,
            chosen.kept_in,
            chosen.encoder,
            show,
            dry_run=dry_run,
            drop_others=drop_others,
            patience_s=patience,
        )
    _show_report(report, chosen)


@app.command()
def status(
    config: Config, index: Index = None, user: User = None, password: Password = None, api_key: ApiKey = None
) -> None:
    """Say how many products and vectors there are, and of which encoder; `build --dry-run` tells how many are stale."""
    from middleware.catalog.bootstrap_patience import Patience as Wait
    from middleware.catalog.bootstrap_patience import fetch
    from middleware.catalog.vector_keeper import VectorKeeper

    chosen = _open(config, index, user, password, api_key)
    count = fetch(chosen.client, lambda: chosen.client.count(index=chosen.source.index), Wait(0))["count"]
    found = VectorKeeper(chosen.client, chosen.kept_in, Wait(0)).count_by_encoder(chosen.source.index)
    typer.echo(f"{chosen.source.index}: {count} products; vectors are kept in {chosen.kept_in}")
    typer.echo(f"{found.pop(chosen.encoder.revision, 0)} vectors of {chosen.encoder.name} [{chosen.encoder.revision}]")
    for revision, others in found.items():
        typer.echo(f"{others} vectors of another encoder [{revision}]; `vectors build --drop-others` removes them")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the options name."""

    client: Elasticsearch
    source: TextSource
    kept_in: str
    encoder: BiEncoder


def _open(config: Path, index: str | None, user: str | None, password: str | None, api_key: str | None) -> _Chosen:
    """Raises ConfigError, or ModelUnavailable where the encoder cannot be loaded."""
    from middleware.catalog.client import Access, connect, describe_cluster
    from middleware.catalog.product_vectors import TextSource
    from middleware.config import load_settings
    from middleware.rerank.bi_encoder import load_chosen
    from middleware.rerank.vector_index import vector_index_name
    from middleware.rerank.vector_reader import choice_of
    from middleware.search.document import parse_template
    from middleware.search.sections import find_sections

    settings = load_settings(config)
    index = index or next((name for name, section in settings.indices.items() if section.vectors), None)
    sections = find_sections((index,), settings.indices) if index else None
    if index is None or sections is None or sections.candidates[0][1].vectors is None:
        raise ConfigError("indices", index, "no vectors there; write `vectors: {encoder: starter}` under the index")
    name, section = sections.candidates[0]
    assert section.vectors is not None  # as was just checked
    client = connect(settings.upstream.urls[0], Access(user, password, api_key).trusting(settings.upstream))
    describe_cluster(client)
    template = parse_template(section.vectors.template or section.template)
    return _Chosen(
        client,
        TextSource(index, template, section.max_field_chars),
        vector_index_name(name, section.vectors.index),
        load_chosen(choice_of(section.vectors)),
    )


def _show_report(report: VectorReport, chosen: _Chosen) -> None:
    did, removed = ("to encode", "to remove") if report.dry_run else ("encoded", "removed")
    rate = f", {report.encoded / report.seconds:.0f} a second" if report.encoded and not report.dry_run else ""
    typer.echo(
        f"{chosen.source.index}: {report.documents} products, {report.encoded} texts {did}, {report.current} had their "
        f"vector, {report.removed} {removed}; {report.seconds:.1f} s{rate}"
    )
    if report.without_text:
        typer.echo(f"{report.without_text} products have none of the template's fields, so no vector")


class _Rate(ProgressColumn):
    """Products a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "")


def _make_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} products, {task.fields[encoded]} encoded"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
