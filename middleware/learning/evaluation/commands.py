"""`es-rerank evaluate`: what a configuration is worth on judged queries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from middleware.catalog.commands import ApiKey, Password, User
from middleware.errors import ConfigError
from middleware.learning.step_bar import step_bar

NONE = "none"


def evaluate(
    config: Annotated[Path, typer.Option(help="rerank.yml: the cluster, the index, the variants and their models.")],
    qrels: Annotated[
        Path,
        typer.Option(help="Judgments: TREC qrels, CSV query,doc_id,rating, ESCI, WANDS, BEIR or a Quepid export."),
    ],
    index: Annotated[
        str | None, typer.Option(help="An index that a section of indices covers; default: the first's name.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Option(help="Texts by query id (TSV, CSV, TREC topics); some also say how often: count.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="A variant of rerank.yml; repeat for more. Default: all.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="What all are compared with: elasticsearch, random, bi-encoder or a variant.")
    ] = "elasticsearch",
    measures: Annotated[
        list[str] | None,
        typer.Option(help="Such as nDCG@10, RR, AP, P@5, R@100, F1@10, 'Accuracy(rel=2)@1'; the first is compared."),
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="Search through this running proxy instead of in process.")
    ] = None,
    search: Annotated[
        Path | None, typer.Option(help="Body of your search, {{query}} for the words; default: all text fields.")
    ] = None,
    id_field: Annotated[str, typer.Option(help="Field of the documents that the judgments name.")] = "_id",
    hits: Annotated[int, typer.Option(min=10, help="Hits of each search that are looked at.")] = 100,
    windows: Annotated[
        str, typer.Option(help="Windows to try for the plots, or none; costs their sum. Only with --output.")
    ] = "10,20,50",
    slices: Annotated[
        list[str] | None,
        typer.Option(help="frequency, language, length, model-number, training, or none. Default: all known."),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="UBI log, or query,count: tells head, torso and tail apart.")] = None,
    trained_on: Annotated[
        Path | None, typer.Option(help="groups.jsonl, or a model's manifest or folder: which queries were seen.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Search as this user, whose profile joins the ranking.")] = None,
    budget_ms: Annotated[int, typer.Option(min=1, help="Time for the second stage of each search.")] = 60_000,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write report.html, results.json and TREC runs there.")
    ] = None,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Say how good the ranking is on judged queries, and whether the second stage makes it better by more than luck.

    Every judged query goes through the real path. Elasticsearch's order, chance and a bi-encoder stand beside the
    variants always; unjudged documents count as not relevant, and in the column 'judged' they are left out instead.

    [bold]Judgments as a CSV, every variant of rerank.yml:[/]

    es-rerank evaluate --config rerank.yml --qrels judgments.csv

    [bold]Two variants against each other, with a report to read:[/]

    es-rerank evaluate --config rerank.yml --qrels judgments.csv --variant new --variant old --baseline old --output out

    [bold]TREC qrels through a running proxy, other measures:[/]

    es-rerank evaluate --config rerank.yml --qrels qrels.txt --queries topics.tsv --proxy http://localhost:9280
    --measures nDCG@20 --measures P@5

    [bold]Does it hold for rare queries, and for those that the model never saw?[/]

    es-rerank evaluate --config rerank.yml --qrels judgments.csv --log ubi.ndjson --trained-on model/groups.jsonl
    """
    from middleware.catalog.client import Access
    from middleware.config import load_settings
    from middleware.learning.evaluation.evaluate import Options, evaluate_index
    from middleware.learning.evaluation.files import write_results
    from middleware.learning.evaluation.slices import KINDS
    from middleware.learning.evaluation.terminal import show_results

    settings = load_settings(config)
    options = Options(
        index=index or next(iter(settings.indices)),
        qrels=qrels,
        queries=queries,
        search=search,
        variants=variant or (),
        baseline=baseline,
        measures=split_names(measures),
        hits=hits,
        windows=read_windows(windows) if output and not proxy else (),
        id_field=id_field,
        proxy=proxy,
        profile_user=profile,
        budget_ms=budget_ms,
        slices=KINDS if slices is None else [name for name in split_names(slices) if name != NONE],
        log=log,
        trained_on=trained_on,
    )
    with step_bar(Console(stderr=True), "loading") as step:
        results = evaluate_index(options, settings, Access(user, password, api_key), step)
        if output:
            step("drawing", 0, 1)
            write_results(results, output)
    show_results(results, Console())
    if output:
        Console(stderr=True).print(f"written to {output / 'report.html'}", soft_wrap=True, highlight=False)


def split_names(given: list[str] | None) -> list[str]:
    """Names given one by one or with commas between them; none within brackets splits."""
    names: list[str] = []
    for text in given or []:
        depth, name = 0, ""
        for char in text:
            depth += (char == "(") - (char == ")")
            if char == "," and not depth:
                names.append(name.strip())
                name = ""
            else:
                name += char
        names.append(name.strip())
    return [name for name in names if name]


def read_windows(given: str) -> tuple[int, ...]:
    """Raises ConfigError for anything but numbers of hits, with commas between them, or none."""
    if given.strip() == NONE:
        return ()
    try:
        windows = tuple(sorted({int(part) for part in given.split(",")}))
    except ValueError as error:
        raise ConfigError("--windows", given, "give numbers such as 10,20,50, or none") from error
    if not windows or windows[0] < 1 or windows[-1] > 10_000:
        raise ConfigError("--windows", given, "give numbers such as 10,20,50, or none")
    return windows
