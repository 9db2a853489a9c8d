"""`es-rerank models`: cross-encoders that we train ourselves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from middleware.catalog.commands import ApiKey, Password, User
from middleware.config import IndexSettings
from middleware.errors import ConfigError
from middleware.learning.registry.commands import add_to, open_registry
from middleware.learning.step_bar import step_bar

MOST_LOST = 0.005
DEFAULT_TEMPLATE = IndexSettings().template


class Precision(StrEnum):
    """As in rerank.yml."""

    exact = "exact"
    balanced = "balanced"
    fast = "fast"


app = typer.Typer(no_args_is_help=True, help="Train cross-encoders, make them fast, and say which of them is served.")
add_to(app)


@app.callback()
def _group() -> None:
    """Train cross-encoders, make them fast, and say which of them is served."""


@app.command()
def demo() -> None:
    """Print the folder of the demo cross-encoder, training it first where it is missing (some minutes on 2 cores).

    Use it like any other model: es-rerank serve --model "$(es-rerank models demo)"
    """
    from middleware.learning.demo.model import ensure_demo_model

    typer.echo(ensure_demo_model())


@app.command("export")
def export_model(
    source: Annotated[str, typer.Argument(help="Folder or hub name of a cross-encoder, or registry:NAME.")],
    catalog: Annotated[
        Path, typer.Option(help="Catalogue (.jsonl, .csv or .tsv, .gz too): real texts to calibrate on.")
    ],
    precision: Annotated[Precision, typer.Option(help="What to make it ready for.")] = Precision.fast,
    template: Annotated[str, typer.Option(help="Document text, as in rerank.yml.")] = DEFAULT_TEMPLATE,
    qrels: Annotated[Path | None, typer.Option(help="CSV query,doc_id,rating: reports the nDCG@10 lost.")] = None,
    id_field: Annotated[str, typer.Option(help="Field of the catalogue that doc_id names.")] = "id",
    max_tokens: Annotated[int, typer.Option(min=8, help="As in rerank.yml.")] = 256,
    output: Annotated[Path | None, typer.Option(help="Also copy the model with its calibration here.")] = None,
    registry: Annotated[Path | None, typer.Option(help="Folder of the registry.")] = None,
) -> None:
    """Make a model ready for a faster precision, and say what that gains and loses.

    8-bit integers need to know how large the model's inner values get; that is found on the catalogue, kept in the
    cache by the hash of the weights, and used from then on wherever that model is served. Example:

    es-rerank models export ./my-model --precision fast --catalog products.jsonl.gz --qrels judged.csv
    """
    from middleware.config import ModelSettings
    from middleware.learning.export import copy_model, export
    from middleware.learning.export_texts import read_catalog, read_judged

    settings = ModelSettings(source=source, precision=precision.value, max_tokens=max_tokens, device="cpu")
    settings = settings.resolved(open_registry(registry, None))
    console = Console(stderr=True)
    with step_bar(console, "reading") as step:
        texts = read_catalog(catalog, template, id_field)
        judged = read_judged(qrels, texts.texts) if qrels else {}
        folder, report = export(settings, texts, judged, step)
    if output:
        copy_model(settings.source, folder, output)
    console.print(f"kept in {output or folder}", soft_wrap=True, highlight=False)
    typer.echo(str(report))
    if (report.ndcg_lost or 0) > MOST_LOST:
        console.print(f"more than {MOST_LOST:.1%} is lost: consider --precision balanced", style="yellow")


@app.command("cascade")
def make_cascade(
    config: Annotated[Path, typer.Option(help="rerank.yml: the cluster, the index, its document text, the model.")],
    index: Annotated[
        str | None, typer.Option(help="An index that a section of indices covers; default: the first's name.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A name under models; default: the default variant's.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Real queries, one a line; default: invented ones.")] = None,
    search: Annotated[
        Path | None, typer.Option(help="Body of your search, {{query}} for the words; default: all text fields.")
    ] = None,
    windows: Annotated[
        int, typer.Option(min=20, help="Searches to learn from; a fifth measures what was learned.")
    ] = 300,
    hits: Annotated[int, typer.Option(min=20, help="Hits of each.")] = 100,
    words: Annotated[
        str | None, typer.Option(help="Model whose words' vectors are used; default: the model itself.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where to keep it; default: the cache, by the weights.")] = None,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Teach a model's estimator, so that it reads a few hits of a window and not all; say how many are enough.

    The cross-encoder scores whole windows of your index; from that the estimator learns to tell in microseconds which
    hits are worth reading. Needs no judgments and no clicks; some minutes on 2 cores. The proxy finds it at its next
    start, or at SIGHUP. Example:

    es-rerank models cascade --config rerank.yml --queries top-queries.txt --search search.json
    """
    from middleware.catalog.client import Access
    from middleware.config import load_settings
    from middleware.learning.cascade.make import make_estimator
    from middleware.learning.groups.given_queries import read_queries
    from middleware.learning.shop import open_shop
    from middleware.rerank.estimator_choice import estimator_path

    settings = load_settings(config)
    chosen = settings.find_model(model)
    path = output or estimator_path(chosen)
    if chosen.remote and (path is None or words is None):
        raise ConfigError("models", chosen.source, "this model runs elsewhere; give --output and --words")
    shop = open_shop(settings, Access(user, password, api_key), index, search, hits)
    given = read_queries(queries) if queries else []
    console = Console(stderr=True)
    with step_bar(console, "loading the model") as step:
        file, depths = make_estimator(chosen, words or chosen.source, shop, given, windows, step)
    path = path or estimator_path(chosen)  # what comes from the hub is in its cache only now
    if path is None:
        raise ConfigError("models", chosen.source, "its weights are in no folder of this machine; give --output")
    file.save(path)
    console.print(f"kept in {path}", soft_wrap=True, highlight=False)
    for depth in depths:
        is_enough = "  enough" if depth.hits == file.depth else ""
        typer.echo(
            f"depth {depth.hits:3}: {depth.kept:6.1%} of the first 10, {depth.gain:6.1%} of their gain{is_enough}"
        )
    if file.depth == hits:
        console.print("no depth below the window is enough: give more --windows, or --queries", style="yellow")
