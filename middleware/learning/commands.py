"""`es-rerank models`: cross-encoders that we train ourselves."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Train cross-encoders and find where they are kept.")


@app.callback()
def _group() -> None:
    """Train cross-encoders and find where they are kept."""


@app.command()
def demo() -> None:
    """Print the folder of the demo cross-encoder, training it first where it is missing (some minutes on 2 cores).

    Use it like any other model: es-rerank serve --model "$(es-rerank models demo)"
    """
    from middleware.learning.demo_model import ensure_demo_model

    typer.echo(ensure_demo_model())
