"""`es-rerank tune`: which window, fields, fusion and training are best for a shop, by its own judgments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from middleware.catalog.commands import ApiKey, Password, User

if TYPE_CHECKING:
    from middleware.learning.tuning.tune import Show

DEFAULT_WHAT = "fusion,window,fields"


def tune(
    config: Annotated[Path, typer.Option(help="rerank.yml: the cluster, the index, the default variant, its model.")],
    qrels: Annotated[
        Path,
        typer.Option(help="Judgments: TREC qrels, CSV query,doc_id,rating, ESCI, WANDS, BEIR or a Quepid export."),
    ],
    study: Annotated[Path, typer.Option(help="FILE.db that keeps the search; the same command goes on with it.")],
    index: Annotated[
        str | None, typer.Option(help="An index that a section of indices covers; default: the first's name.")
    ] = None,
    what: Annotated[
        str, typer.Option(help="What to search, with commas: fusion, window, fields (of the text), reranker.")
    ] = DEFAULT_WHAT,
    trials: Annotated[int, typer.Option(min=1, help="Trials that the study shall have, all runs together.")] = 100,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="End this run after so long.")] = None,
    measure: Annotated[str, typer.Option(help="Such as nDCG@10, RR, P@5 or another of ir-measures.")] = "nDCG@10",
    judged_only: Annotated[
        bool, typer.Option("--judged-only", help="Take hits without a judgment out before measuring.")
    ] = False,
    folds: Annotated[int, typer.Option(min=2, help="Of the queries that trials see.")] = 4,
    held_out: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of the queries that no trial sees; they judge the best.")
    ] = 0.25,
    hits: Annotated[
        int | None, typer.Option(min=10, help="Largest window; default: 200, or the variant's own.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Texts of the queries, where the judgments lack them.")] = None,
    search: Annotated[
        Path | None, typer.Option(help="Body of your search, {{query}} for the words; default: all text fields.")
    ] = None,
    id_field: Annotated[str, typer.Option(help="Field of the documents that the judgments name.")] = "_id",
    invented: Annotated[
        int, typer.Option(min=0, help="Of reranker: the most queries invented from the catalogue, in steps of 100.")
    ] = 1000,
    base: Annotated[
        str | None, typer.Option(help="Of reranker: hub name or folder to start from; default: the variant's model.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.yml", help="Lines for rerank.yml; models are written beside it.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.html|.svg", help="How the search went, and what made a difference.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For the cut of the queries, and all else that is drawn.")] = 0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Search the best configuration of the second stage, and say honestly what it is worth.

    A part of the judged queries is held out: no trial sees it, and at the end the best configuration is measured there
    beside rerank.yml's. Trials learn from folds of the other queries and are measured on those they did not learn from.
    What a trial needs is remembered, so that a new window or fusion takes a fraction of a second; other fields of the
    text are read by the model once. Windows are read whole, whatever `cascade` says. Ended or killed, the same command
    goes on; started twice, both work on it.

    [bold]Fusion, window and fields, a hundred trials:[/]

    es-rerank tune --config rerank.yml --index products --qrels judged.csv --study tune.db --output best.yml

    [bold]The training of the cross-encoder, overnight; each trial trains one:[/]

    es-rerank tune --config rerank.yml --qrels judged.csv --study reranker.db --what reranker --minutes 480
    --output best.yml --plot tune.html
    """
    from middleware.catalog.client import Access
    from middleware.config import load_settings
    from middleware.learning.evaluation.commands import split_names
    from middleware.learning.evaluation.judgments import read_judgments
    from middleware.learning.shop import open_shop
    from middleware.learning.tuning.output import write_output
    from middleware.learning.tuning.plots import check_plot, write_plot
    from middleware.learning.tuning.terminal import show_result
    from middleware.learning.tuning.tune import Options
    from middleware.learning.tuning.tune import tune as run

    settings = load_settings(config)
    if plot:
        check_plot(plot)
    options = Options(
        study=study,
        what=tuple(dict.fromkeys(split_names([what]))),
        trials=trials,
        minutes=minutes,
        measure=measure,
        judged_only=judged_only,
        folds=folds,
        held_out=held_out,
        hits=hits,
        id_field=id_field,
        invented=invented,
        base=base,
        seed=seed,
    )
    judgments = read_judgments(qrels, queries)
    shop = open_shop(settings, Access(user, password, api_key), index, search, hits or 1)
    console = Console(stderr=True)
    console.print(str(judgments), soft_wrap=True, highlight=False)
    with _live(console) as show:
        result = run(shop, judgments, options, show)
    show_result(result, Console())
    if plot:
        write_plot(result, plot)
        console.print(f"drawn in {plot}", soft_wrap=True, highlight=False)
    if output and result.held_out:
        written = ", ".join(map(str, write_output(result, shop, output)))
        console.print(f"kept in {written}; paste the lines into rerank.yml", soft_wrap=True, highlight=False)


class _Live:
    """The line that shows how a search goes on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("loading the model", total=None, found="")

    def step(self, what: str, done: int, steps: int) -> None:
        self._progress.update(self._task, description=f"{what} {done}/{steps}")

    def trials(self, done: int, goal: int, best: float | None, seconds_left: float | None) -> None:
        found = f"{done}/{goal} trials"
        found += f"  best {best:.4f}" if best is not None else ""
        found += f"  {_spell(seconds_left)} left" if seconds_left is not None else ""
        self._progress.update(self._task, description="trying", found=found)


@contextmanager
def _live(console: Console) -> Iterator[Show]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("[bold]{task.fields[found]}[/]"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Live(progress)


def _spell(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
