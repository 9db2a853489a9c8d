"""The command that writes the demo catalogue as files, for whoever wants to look into it or index it elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from middleware.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="The demo catalogue: products, queries with judgments, users' events.")


@app.command("demo-catalog")
def write_catalog(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; made where it is missing.")],
    now: Annotated[
        datetime | None,
        typer.Option(
            help="The events end here (UTC), e.g. 2025-01-15T12:00:00. Default: this moment, since old events fade."
        ),
    ] = None,
) -> None:
    """Write products.jsonl, queries.tsv, qrels.txt (TREC) and events.ndjson (UBI); for the README's tutorial, too,
    the English half of it as products.csv, clicks.ndjson (UBI), judged.csv and held_out.csv.

    The catalogue is generated, always the same; only the events' dates follow --now. Index it with
    `es-rerank bootstrap products --input DIR/products.jsonl` and `es-rerank bootstrap ubi`.
    """
    from middleware.catalog.demo.generator import generate, write
    from middleware.catalog.demo.lesson import make_lesson, write_lesson

    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    catalog = generate(now=moment)
    lesson = make_lesson(catalog, moment)
    try:
        paths = (*write(catalog, out), *write_lesson(lesson, out))
    except OSError as error:
        raise CommandError(
            f"--out {out}: cannot be written ({error.strerror}); name a folder you may write to"
        ) from error
    typer.echo(
        f"{len(catalog.products)} products, {len(catalog.queries)} queries, {len(catalog.qrels)} judgments, "
        f"{len(catalog.events)} events; a log of {len(lesson.clicks)} searches and clicks:"
    )
    for path in paths:
        typer.echo(f"  {path}")
