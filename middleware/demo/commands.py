"""`es-rerank demo`."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

_PIPE_WIDTH = 140


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything after printing.")] = False,
    model: Annotated[
        str | None, typer.Option(help="A cross-encoder from a hub (org/name) or a folder, instead of the demo's own.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="A running cluster instead of an embedded Elasticsearch; the alias is replaced.")
    ] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Measure again on the held-out queries.")] = False,
) -> None:
    """Show what reranking changes: a real Elasticsearch with a catalogue, the proxy before it, six queries."""
    from middleware.demo.run import DemoOptions, run_demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run_demo(DemoOptions(once, model, upstream, evaluate), _make_console())
    except KeyboardInterrupt:
        Console().print("Stopped.")


def _make_console() -> Console:
    """The terminal; wide enough for two columns of titles where the output goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)
