"""`es-rerank node`: start, stop and list the embedded nodes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from middleware.errors import CommandError

if TYPE_CHECKING:
    from middleware.nodes.launch import Node

app = typer.Typer(
    no_args_is_help=True,
    help="Run a real Elasticsearch or OpenSearch on this machine, from packages alone: no Docker, no Java to install.",
)


class EngineName(StrEnum):
    """The engines that --engine takes."""

    elasticsearch = "elasticsearch"
    opensearch = "opensearch"


EngineOption = Annotated[
    EngineName,
    typer.Option(
        help="elasticsearch is 7.17, without language analyzers; opensearch is 3.8 and has them (english, ...)."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for the documents, kept when the node stops. Default: one in the cache, by engine and port.",
    ),
]
JavaOption = Annotated[
    Path | None,
    typer.Option(metavar="HOME", help="Home folder of another Java than the one that comes with the package."),
]


@app.command()
def start(
    engine: EngineOption = EngineName.elasticsearch,
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port on 127.0.0.1; 0 takes a free one.")] = 9200,
    data: DataOption = None,
    heap: Annotated[str, typer.Option(help="Memory for Java's heap: 512m to try things out, 1g for a shop.")] = "1g",
    java: JavaOption = None,
) -> None:
    """Start a node and return when it serves; it keeps running until `es-rerank node stop`.

    The first start fetches Elasticsearch (36 MB) or OpenSearch (72 MB) from the Maven repository and keeps it in the
    cache. Started as root, the node itself runs as user nobody.
    """
    from middleware.nodes.launch import default_data_dir, find_free_port, list_nodes, start_node

    port = port or find_free_port()
    data = data.absolute() if data else default_data_dir(engine.value, port)
    wanted = (engine.value, port, data)
    running = next((node for node in list_nodes() if (node.engine, node.port, node.data_dir) == wanted), None)
    node = running or start_node(engine.value, port, data, heap, java_home=java)
    verb = "already serves" if running else "serves"
    typer.echo(f"{node.engine} {node.version} {verb} at {node.url} (pid {node.pid}), documents in {node.data_dir}")
    typer.echo(f"Stop it with: es-rerank node stop --port {port}")


@app.command()
def stop(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Its port; needed only when several run (test nodes aside)."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Stop all nodes of ours.")] = False,
) -> None:
    """Stop a node cleanly; its documents stay for the next start."""
    from middleware.nodes.launch import list_nodes, stop_node

    for chosen in choose_ports(list_nodes(), port, every=every):
        node = stop_node(chosen)
        typer.echo(f"Stopped {node.engine} {node.version} on port {chosen}" if node else f"Port {chosen}: had ended")


@app.command()
def status() -> None:
    """List the nodes that run: address, engine, health, pid and where their documents are."""
    from middleware.nodes.health import ask_health
    from middleware.nodes.launch import list_nodes

    nodes = list_nodes()
    if not nodes:
        typer.echo("No node of ours runs; start one with: es-rerank node start")
    for node in nodes:
        health = ask_health(node.port) or "does not answer"
        typer.echo(f"{node.url}  {node.engine} {node.version}  {health}  pid {node.pid}  {node.data_dir}")


def choose_ports(nodes: Sequence[Node], port: int | None, *, every: bool) -> list[int]:
    """The ports to stop; CommandError where there is nothing to stop, or the choice is the user's.

    Nodes with temporary documents belong to a test session or the like: only `port` or `every` reach them.
    """
    running = [node.port for node in nodes]
    if port is not None:
        if port not in running:
            raise CommandError(f"no node of ours runs on port {port}; `es-rerank node status` lists those that do")
        return [port]
    ports = running if every else [node.port for node in nodes if not node.temporary]
    if not ports:
        raise CommandError("no node of ours runs; `es-rerank node start` starts one")
    if len(ports) > 1 and not every:
        raise CommandError(f"several nodes run, on ports {', '.join(map(str, ports))}: give --port or --all")
    return ports
