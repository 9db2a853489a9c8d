"""`es-rerank train`: models that rank, learned from judgments, behaviour, or the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from middleware.catalog.commands import ApiKey, Password, User
from middleware.learning.reranker.recipe import Loss, Precision, Recipe

if TYPE_CHECKING:
    from middleware.learning.reranker.train import Moment, Show, Trained
    from middleware.learning.step_bar import Step

app = typer.Typer(no_args_is_help=True, help="Train models that rank from judgments, behaviour or the catalogue alone.")

_DEFAULT = Recipe()


@app.callback()
def _group() -> None:
    """Train models that rank from judgments, behaviour or the catalogue alone."""


@app.command("reranker")
def train_cross_encoder(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model comes; killed, it resumes there.")],
    config: Annotated[Path | None, typer.Option(help="rerank.yml: the cluster, the index, its document text.")] = None,
    index: Annotated[str | None, typer.Option(help="An index that a section of indices covers.")] = None,
    search: Annotated[Path | None, typer.Option(help="Body of your search, {{query}} for the words.")] = None,
    qrels: Annotated[Path | None, typer.Option(help="Judgments; any format that `evaluate` reads.")] = None,
    qrels_queries: Annotated[Path | None, typer.Option(help="Texts of their queries, where the file has none.")] = None,
    events: Annotated[str | None, typer.Option(help="Behaviour: a UBI log, or the name of its index.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Real queries that nobody judged, one a line.")] = None,
    invent: Annotated[
        int | None, typer.Option(min=0, help="Queries to invent from the catalogue; 2000 where nothing else is given.")
    ] = None,
    synonyms: Annotated[Path | None, typer.Option(help="Synonyms as Elasticsearch reads them.")] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Groups that are made already, JSONL, instead of all this.")
    ] = None,
    held_out: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the queries to measure with.")] = 0.1,
    base: Annotated[str | None, typer.Option(help="Folder or hub name to start from; default: the starter.")] = None,
    teacher: Annotated[list[str] | None, typer.Option(help="Learn what this model says; repeat to average.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Keep so many layers; default base: the teacher.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="bce, ranknet, listnet, listmle, lambdaloss, margin-mse, kl, kl-bce; default: bce, with --teacher "
            "margin-mse."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the groups.")] = _DEFAULT.epochs,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs of a step, over all processes.")] = _DEFAULT.batch_size,
    accumulation: Annotated[int, typer.Option(min=1, help="Steps of one update.")] = _DEFAULT.accumulation,
    learning_rate: Annotated[float, typer.Option(help="Its highest.")] = _DEFAULT.learning_rate,
    warm_up: Annotated[float, typer.Option(help="Share of the updates in which it rises.")] = _DEFAULT.warm_up_share,
    weight_decay: Annotated[float, typer.Option(help="AdamW's, of matrices.")] = _DEFAULT.weight_decay,
    dropout: Annotated[float, typer.Option(help="Of every layer.")] = _DEFAULT.dropout,
    max_tokens: Annotated[int, typer.Option(min=8, help="As in rerank.yml.")] = _DEFAULT.max_tokens,
    frozen_layers: Annotated[int, typer.Option(min=0, help="Layers that stay as they are.")] = _DEFAULT.frozen_layers,
    train_words: Annotated[bool, typer.Option("--train-words", help="Train the words' vectors, too.")] = False,
    patience: Annotated[int, typer.Option(min=1, help="Checks without gain before it ends.")] = _DEFAULT.patience,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = _DEFAULT.precision,
    seed: Annotated[int, typer.Option(help="Equal seeds and data give equal models.")] = _DEFAULT.seed,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Train a cross-encoder for your shop, and say how much better it ranks queries that it did not learn from.

    Starts from any encoder; groups of documents come from judgments, behaviour, queries, or are invented from the
    catalogue. Checkpoints are kept: the same command after a kill goes on to the same result.

    [bold]From judgments, and the catalogue itself:[/]

    es-rerank train reranker --config rerank.yml --qrels judged.csv --invent 3000 --loss lambdaloss --output model

    [bold]From the catalogue alone:[/]

    es-rerank train reranker --config rerank.yml --index products --output model

    [bold]A smaller one that learns from a larger one, then 8-bit integers:[/]

    es-rerank train reranker --groups model/groups.jsonl --teacher model --layers 3 --output small

    [bold]On two processes, or on every GPU:[/]

    torchrun --nproc_per_node=2 -m middleware train reranker --groups groups.jsonl --output model
    """
    from middleware.catalog.client import Access
    from middleware.learning.reranker.compression import compress
    from middleware.learning.reranker.data import DataOptions, open_processes, read_data, teachers_of
    from middleware.learning.reranker.train import train_reranker

    teachers = tuple(teacher or ())
    recipe = Recipe(
        base=base or (teachers[0] if teachers and layers else None),
        layers=layers,
        loss=cast(Loss, loss or ("margin-mse" if teachers else _DEFAULT.loss)),
        epochs=epochs,
        batch_size=batch_size,
        accumulation=accumulation,
        learning_rate=learning_rate,
        warm_up_share=warm_up,
        weight_decay=weight_decay,
        dropout=dropout,
        max_tokens=max_tokens,
        frozen_layers=frozen_layers,
        frozen_words=not train_words,
        patience=patience,
        precision=cast(Precision, precision),
        seed=seed,
    )
    options = DataOptions(
        config=config,
        index=index,
        search=search,
        groups=groups,
        qrels=qrels,
        qrels_queries=qrels_queries,
        events=events,
        queries=queries,
        invent=invent,
        synonyms=synonyms,
        held_out=held_out,
        teachers=teachers,
        seed=seed,
    )
    is_first = open_processes().is_main_process
    console = Console(stderr=True, quiet=not is_first)
    if options.has_index_alone:
        console.print(f"nothing but the index is given: {options.invented:,} queries are invented from it (--invent)")
    with _progress(console) as (step, show):
        data = read_data(options, output, Access(user, password, api_key), step)
        console.print(data.origin, highlight=False, markup=False)
        trained = train_reranker(data.training, data.held_out, recipe, output, show)
        found = (
            compress(output, teachers_of(options), data.held_out, max_tokens, step) if teachers and is_first else None
        )
    if is_first:
        _report(trained, console)
        typer.echo(str(found) if found else f"kept in {output}")


class _Shown:
    """One bar for all that a training does."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None, state="")
        self._what = ""

    def step(self, what: str, done: int, steps: int) -> None:
        self._update(what, done, steps, "")

    def moment(self, moment: Moment) -> None:
        loss = "" if moment.loss is None else f"loss {moment.loss:.4f}"
        ndcg = "" if moment.ndcg is None else f"nDCG@10 {moment.ndcg:.4f}"
        self._update("training", moment.step, moment.steps, f"{loss} {ndcg}".strip())

    def _update(self, what: str, done: int, steps: int, state: str) -> None:
        if what != self._what:
            self._progress.reset(self._task, description=what, total=steps, state=state)
            self._what = what
        self._progress.update(self._task, completed=done, total=steps, state=state)


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Step, Show]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, transient=True) as progress:
        shown = _Shown(progress)
        yield shown.step, shown.moment


def _report(trained: Trained, console: Console) -> None:
    from middleware.learning.reranker.groups import describe

    for what, reasons in trained.left_out.items():
        if reasons:
            console.print(f"left out of {what}: groups {describe(reasons)}", style="yellow", highlight=False)
    typer.echo(
        f"{trained.groups} groups, {trained.pairs} pairs, {trained.steps} updates in {trained.seconds:.0f} s; "
        f"{trained.trained_parameters / 1e6:.1f} of {trained.parameters / 1e6:.1f} M parameters trained"
    )
    if trained.ndcg is None or trained.ndcg_before is None or trained.ndcg_first_stage is None:
        console.print("no held-out groups: how good it is, `es-rerank evaluate` can tell", style="yellow")
        return
    typer.echo(
        f"nDCG@10 of {trained.held_out_groups} held-out queries: Elasticsearch {trained.ndcg_first_stage:.4f}, "
        f"base {trained.ndcg_before:.4f}, trained {trained.ndcg:.4f} (after update {trained.best_step})"
    )
    if trained.ndcg <= max(trained.ndcg_before, trained.ndcg_first_stage):
        console.print("it ranks no better than what was there: give it more groups, or other ones", style="yellow")
