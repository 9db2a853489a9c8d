"""`es-rerank train fusion`: what makes one score of all that is known of a hit, learned from judgments."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from middleware.catalog.commands import ApiKey, Password, User
from middleware.errors import ConfigError
from middleware.learning.step_bar import step_bar


class Kind(StrEnum):
    """Kinds of fusion models that can be trained."""

    linear = "linear"
    network = "network"
    trees = "trees"
    average = "average"


class Loss(StrEnum):
    """What linear models and networks learn by; trees are LambdaMART's."""

    listnet = "listnet"
    ranknet = "ranknet"
    lambda_ = "lambda"


def train_fusion(
    config: Annotated[Path, typer.Option(help="rerank.yml: the cluster, the index, its document text, the model.")],
    qrels: Annotated[Path, typer.Option(help="Judgments: TREC, CSV (query,doc_id,rating), ESCI, WANDS, Quepid.")],
    output: Annotated[Path, typer.Option(help="FILE.json, or a folder for it.")],
    index: Annotated[
        str | None, typer.Option(help="An index that a section of indices covers; default: the first's name.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Texts of the queries, where the judgments lack them.")] = None,
    search: Annotated[
        Path | None, typer.Option(help="Body of your search, {{query}} for the words; default: all text fields.")
    ] = None,
    model: Annotated[
        Kind, typer.Option(help="average: the mean of the three others, which gained nothing on Chorus.")
    ] = Kind.linear,
    loss: Annotated[Loss, typer.Option(help="Of linear models and networks.")] = Loss.listnet,
    monotone: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A feature that may never lower a score; beside cross-encoder and vectors."),
    ] = None,
    unjudged: Annotated[
        str, typer.Option(metavar="zero|skip|WEIGHT", help="What an unjudged hit counts, as one that is not relevant.")
    ] = "0.5",
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-validation, by query.")] = 5,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|all",
            help="One to be used, or all that the index offers; default: cross_encoder, first_stage, match, coverage "
            "of the template's fields, and vector_cosine_raw where there are vectors.",
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATTERN",
            help="One to look for words in, or several: 'attr_t_*'; default: the template's, and the text attributes "
            "that the index holds.",
        ),
    ] = None,
    hits: Annotated[int | None, typer.Option(min=2, help="Hits of each search; default: the variant's window.")] = None,
    id_field: Annotated[str, typer.Option(help="Field that the judgments' ids name.")] = "_id",
    seed: Annotated[int, typer.Option(help="For the folds and all else that is drawn.")] = 0,
    ablate: Annotated[bool, typer.Option(help="Train without each source of features, too.")] = True,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Train what makes one score of all that is known of a hit, and say by cross-validation what it is worth.

    Every judged query is searched as the proxy would search it, and the features come from the proxy's own code. The
    proxy serves the file that comes out under variants.NAME.fusion.

    The defaults come from five-fold cross-validation on Chorus (scripts/bench_learning.py): nDCG@10 0.786, without
    match 0.748, with all features 0.769; as the average of all kinds 0.778, as trees 0.762, as a network 0.781. Words
    found anywhere, attributes included, are worth most there; more features or models gained nothing.

    Example:

    es-rerank train fusion --config rerank.yml --index products --qrels judged.csv --output fusion.json
    """
    from middleware.catalog.client import Access
    from middleware.config import load_settings
    from middleware.experiments.assign import resolve
    from middleware.learning.evaluation.judgments import read_judgments
    from middleware.learning.fusion.make import DEFAULT_MONOTONE, Wish, make_fusion, save
    from middleware.learning.fusion.training import Recipe
    from middleware.learning.shop import open_shop, section_of

    settings = load_settings(config)
    judgments = read_judgments(qrels, queries)
    shop = open_shop(settings, Access(user, password, api_key), index, search, hits or 1)
    own = resolve(shop.variant, section_of(shop.index, settings), settings).window
    shop = replace(shop, hits=hits or own)
    recipe = Recipe(model.value, loss.value, (*DEFAULT_MONOTONE, *(monotone or ())), seed=seed)
    wish = Wish(recipe, feature or (), field or (), read_unjudged(unjudged), folds, id_field, ablates=ablate)
    console = Console(stderr=True)
    console.print(str(judgments), soft_wrap=True, highlight=False)
    with step_bar(console, "loading the model") as step:
        result = make_fusion(shop, judgments, wish, step)
    for remark in result.remarks:
        console.print(remark, soft_wrap=True, highlight=False)
    for line in result.report.lines():
        typer.echo(line)
    console.print(
        f"kept in {save(result, output)}; serve it with variants.NAME.fusion", soft_wrap=True, highlight=False
    )


def read_unjudged(text: str) -> float:
    """The weight of an unjudged hit: zero is 1, as sure as a judged one, skip is 0. Raises ConfigError."""
    if text in ("zero", "skip"):
        return 1.0 if text == "zero" else 0.0
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise ConfigError("--unjudged", text, "give zero, skip, or a weight from 0 to 1")
    return weight
