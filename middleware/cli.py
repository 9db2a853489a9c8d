"""The one command `es-rerank`: thin, every subcommand lives beside what it commands."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from middleware import __version__
from middleware.catalog.commands import app as bootstrap_app
from middleware.catalog.demo.commands import write_catalog
from middleware.catalog.events_commands import app as events_app
from middleware.catalog.privacy_commands import app as privacy_app
from middleware.catalog.vector_commands import app as vectors_app
from middleware.demo.commands import demo
from middleware.errors import ConfigError, MiddlewareError
from middleware.learning.classification.commands import app as classify_app
from middleware.learning.commands import app as models_app
from middleware.learning.evaluation.commands import evaluate
from middleware.learning.fusion.commands import train_fusion
from middleware.learning.profiles.commands import app as profiles_app
from middleware.learning.recommend.commands import app as recommend_app
from middleware.learning.train_commands import app as train_app
from middleware.learning.tuning.commands import tune
from middleware.nodes.commands import app as node_app

app = typer.Typer(
    name="es-rerank",
    help="Reranked search answers for any Elasticsearch client: a proxy in front of the cluster, and its tools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(bootstrap_app, name="bootstrap")
app.add_typer(node_app, name="node")
app.add_typer(models_app, name="models")
app.add_typer(privacy_app, name="privacy")
app.add_typer(vectors_app, name="vectors")
app.add_typer(classify_app, name="classify")
app.add_typer(profiles_app, name="profiles")
app.add_typer(recommend_app, name="recommend")
app.add_typer(events_app, name="events")
train_app.command("fusion")(train_fusion)
app.add_typer(train_app, name="train")
app.command()(demo)
app.command()(evaluate)
app.command()(tune)
app.command("demo-catalog")(write_catalog)


# Others say what they do on the terminal, where a log would stand between.
_SERVERS = ("serve", "scorer")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"es-rerank {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    level = logging.INFO if context.invoked_subcommand in _SERVERS else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


@app.command()
def serve(
    upstream: Annotated[list[str] | None, typer.Option(help="URL of an Elasticsearch node; repeat for more.")] = None,
    config: Annotated[Path | None, typer.Option(help="rerank.yml; every key is described in the README.")] = None,
    bind: Annotated[str | None, typer.Option(help="host:port or unix:PATH to listen at.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; each loads its own model.")] = None,
    threads: Annotated[int | None, typer.Option(help="Requests served at once by each worker.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Cross-encoder for the default variant: folder or hub name.")
    ] = None,
) -> None:
    """Run the proxy: point an Elasticsearch client at it instead of the cluster.

    SIGTERM stops it gracefully, SIGHUP reads rerank.yml again. Example:

    es-rerank serve --upstream http://localhost:9200 --config rerank.yml --bind 0.0.0.0:9280
    """
    from middleware.config import Settings, load_settings
    from middleware.front import WsgiApp
    from middleware.server import serve as run

    def make_app(settings: Settings) -> WsgiApp:
        from middleware.app import create_app  # only now: prometheus_client looks once where to keep its counts

        return create_app(settings)

    overrides: dict[str, Any] = {
        "upstream": {"urls": upstream} if upstream else {},
        "server": {key: value for key, value in (("bind", bind), ("workers", workers), ("threads", threads)) if value},
        "models": {"default": {"source": model}} if model else {},
    }
    run(lambda: load_settings(config, **{key: value for key, value in overrides.items() if value}), make_app)


@app.command()
def scorer(
    config: Annotated[Path, typer.Option(help="rerank.yml; its `models` and `budget_ms` count.")],
    bind: Annotated[str, typer.Option(help="host:port or unix:PATH to listen at.")],
    model: Annotated[
        str | None, typer.Option(help="Name under `models`; default: the default variant's, or the only one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Requests served at once.")] = None,
) -> None:
    """Run one model as a server, so that all workers of a proxy, or many proxies, share it and its batches.

    It speaks text-embeddings-inference's /rerank and the /v1/rerank of Jina, vLLM and infinity. The proxy may have the
    same rerank.yml: `models.NAME.remote.servers` is what it asks, and what this command leaves alone. Example:

    es-rerank scorer --config rerank.yml --bind unix:/run/es-rerank/scorer.sock
    """
    from middleware.config import Settings, load_settings
    from middleware.front import WsgiApp
    from middleware.server import serve as run

    def make_app(settings: Settings) -> WsgiApp:
        from middleware.scorer import create_scorer  # only now, as in `serve`

        return create_scorer(settings, model)

    server: dict[str, Any] = {"bind": bind, "workers": 1} | ({"threads": threads} if threads else {})

    def load() -> Settings:
        settings = load_settings(config, server=server)
        settings.without_servers().find_model(model)  # a proxy may have the same file, and nothing in its registry
        return settings

    load()
    run(load, make_app)


@app.command("check-config")
def check_config(config: Annotated[Path, typer.Argument(help="The rerank.yml to check.")]) -> None:
    """Check a rerank.yml and print the settings that it amounts to."""
    from middleware.config import load_settings

    Console().print_json(load_settings(config).model_dump_json())


def main() -> None:
    """Run the command; our own errors become one line and an exit status (2: configuration, 1: anything else)."""
    try:
        app()
    except MiddlewareError as error:
        Console(stderr=True, soft_wrap=True).print(f"es-rerank: {error}", markup=False, highlight=False, style="red")
        sys.exit(2 if isinstance(error, ConfigError) else 1)
