"""One bar on the terminal for a command that goes through several kinds of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

Step = Callable[[str, int, int], None]
"""Told what is being done, and how many steps of how many are."""


@contextmanager
def step_bar(console: Console, first: str) -> Iterator[Step]:
    """Shows what the yielded function is told, beginning with `first`, and is gone at the end."""
    with Progress(*Progress.get_default_columns(), console=console, transient=True) as progress:
        task = progress.add_task(first, total=None)

        def step(what: str, done: int, steps: int) -> None:
            progress.update(task, description=what, completed=done, total=steps)

        yield step
