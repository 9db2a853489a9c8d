"""`es-rerank bootstrap`: fill the indices that the proxy serves and learns from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from middleware.errors import ConfigError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from middleware.catalog.bootstrap import BootstrapOptions

app = typer.Typer(
    no_args_is_help=True,
    help="Fill the indices: products from a catalogue file, and those for behaviour, profiles and exposures.",
)


class InputFormat(StrEnum):
    """What --format takes."""

    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


Source = Annotated[
    str | None,
    typer.Option("--input", metavar="FILE", help="JSON lines (products: csv or tsv, too), also .gz; - is stdin."),
]
Url = Annotated[str, typer.Option(help="The cluster; user:password@ in it is understood.")]
User = Annotated[str | None, typer.Option(help="User for basic authentication.")]
Password = Annotated[
    str | None, typer.Option(envvar="ES_RERANK_PASSWORD", help="Its password; better in the environment.")
]
ApiKey = Annotated[str | None, typer.Option(envvar="ES_RERANK_API_KEY", help="Encoded API key, in place of a user.")]
CaFile = Annotated[Path | None, typer.Option(help="CA bundle (PEM) that signs the cluster's certificate.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Accept any certificate. Only for tests.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read, check and report; write nothing to the cluster.")]
RejectsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where left-out records go. Default: ALIAS-rejects.jsonl here.")
]
ReportFile = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON, too.")]
Patience = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest wait for a busy or restarting node.")]
Prefix = Annotated[str, typer.Option(help="Goes before every alias, e.g. shop1_.")]
DEFAULT_URL = "http://localhost:9200"
STEP = "Preprocessing step; see `es-rerank bootstrap rules`."


@app.command()
def products(
    source: Source = None,
    alias: Annotated[str, typer.Option(help="The name that searches use.")] = "products",
    url: Url = DEFAULT_URL,
    language: Annotated[
        str, typer.Option(help="en, zh, mixed, de, es, fr, it, ja, ko; auto tells en, zh and mixed apart by script.")
    ] = "auto",
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An index body of your own in place of mappings/products.json.")
    ] = None,
    dry_run: DryRun = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the version before; reads no input.")
    ] = False,
    input_format: Annotated[
        InputFormat | None, typer.Option("--format", help="Default: by the name of the file; jsonl for -.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--map", metavar="SOURCE=TARGET", help="Rename a field; repeat for more.")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option(help="Field with the id. Default: id, _id, product_id, sku, asin.")
    ] = None,
    price_divisor: Annotated[float, typer.Option(help="100 where prices are in cents.")] = 1.0,
    strip_markup: Annotated[bool, typer.Option(help=STEP)] = True,
    strip_controls: Annotated[bool, typer.Option(help=STEP)] = True,
    fold_unicode: Annotated[bool, typer.Option(help=STEP)] = True,
    normalise_units: Annotated[bool, typer.Option(help=STEP)] = True,
    squeeze_whitespace: Annotated[bool, typer.Option(help=STEP)] = True,
    fill_missing: Annotated[bool, typer.Option(help=STEP)] = True,
    type_fields: Annotated[bool, typer.Option(help=STEP)] = True,
    drop_duplicates: Annotated[bool, typer.Option(help=STEP)] = True,
    drop_near_duplicates: Annotated[bool, typer.Option(help=STEP)] = True,
    near_duplicate_by: Annotated[
        str | None,
        typer.Option(metavar="FIELDS", help="What near duplicates share beside the title's words, e.g. brand,price."),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Fills in missing categories (`es-rerank classify train`); unsure ones go to ALIAS-review.csv.",
        ),
    ] = None,
    rejects: RejectsFile = None,
    report: ReportFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Build a new version of the product index and swap it in; searches go on without noticing.

    The version is an index ALIAS-YYYYMMDDHHMMSS behind the alias. It becomes visible only when every document is in;
    the version before is kept for --rollback, older ones are deleted. A run that was interrupted goes on where it was
    when the same command is run again (not for standard input, which starts anew).

    Examples:

    es-rerank bootstrap products --input catalogue.jsonl.gz

    es-rerank bootstrap products --input export.csv --map manufacturer=brand --price-divisor 100 --dry-run

    zcat dump.gz | es-rerank bootstrap products --input - --alias shop --url https://es:9200 --ca-file ca.pem

    es-rerank bootstrap products --alias shop --rollback
    """
    from middleware.catalog.bootstrap import BootstrapOptions
    from middleware.catalog.prepare import PrepareOptions
    from middleware.catalog.prepare_duplicates import NEAR_DUPLICATE_FIELDS
    from middleware.learning.classification.classify import open_filler
    from middleware.learning.classification.output import write_review

    client = _connect(url, user, password, api_key, ca_file, insecure)
    if rollback:
        _roll_back(client, alias, patience)
        return
    if source is None:
        raise ConfigError("--input", "", "give the catalogue: a file, or - for standard input")
    if price_divisor <= 0:
        raise ConfigError("--price-divisor", price_divisor, "want a number above 0")
    prepare = PrepareOptions(
        strip_markup=strip_markup,
        strip_controls=strip_controls,
        fold_unicode=fold_unicode,
        normalise_units=normalise_units,
        squeeze_whitespace=squeeze_whitespace,
        fill_missing=fill_missing,
        type_fields=type_fields,
        drop_duplicates=drop_duplicates,
        drop_near_duplicates=drop_near_duplicates,
        near_duplicate_fields=_split(near_duplicate_by) if near_duplicate_by is not None else NEAR_DUPLICATE_FIELDS,
        rename=parse_renames(rename or ()),
        id_field=id_field,
        price_divisor=price_divisor,
    )
    filler = open_filler(classifier) if classifier else None
    options = BootstrapOptions(
        language=language,
        mapping=mapping,
        prepare=prepare,
        rejects=(rejects or Path(f"{alias}-rejects.jsonl")).absolute(),
        input_format=input_format.value if input_format else None,
        dry_run=dry_run,
        patience_s=patience,
        classifier=filler,
    )
    _run_products(client, source, alias, options, report)
    if filler is not None:
        write_review(filler.unsure, Path(f"{alias}-review.csv"))


@app.command()
def ubi(
    source: Source = None,
    url: Url = DEFAULT_URL,
    prefix: Prefix = "",
    dry_run: DryRun = False,
    rejects: RejectsFile = None,
    report: ReportFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Make ubi_queries and ubi_events (User Behavior Insights), and load a log into them.

    What is there stays. The log is in Elasticsearch's bulk form, or lines of `index<TAB>json`, or plain JSON lines
    (those with an action_name are events); documents without an id get one from their content, so that loading a log
    twice changes nothing. Examples:

    es-rerank bootstrap ubi

    es-rerank bootstrap ubi --input ubi_log.tsv.gz
    """
    client = _connect(url, user, password, api_key, ca_file, insecure)
    _run_records(client, "ubi", source, _Extras(prefix, rejects, dry_run, patience, report))


@app.command()
def profiles(
    source: Source = None,
    url: Url = DEFAULT_URL,
    prefix: Prefix = "",
    dry_run: DryRun = False,
    rejects: RejectsFile = None,
    report: ReportFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Make the index of user profiles, which `es-rerank profiles build` fills from events.

    A dump of such an index in Elasticsearch's bulk form may be loaded: each profile keeps its _id. Example:

    es-rerank bootstrap profiles
    """
    client = _connect(url, user, password, api_key, ca_file, insecure)
    _run_records(client, "profiles", source, _Extras(prefix, rejects, dry_run, patience, report))


@app.command()
def exposures(
    source: Source = None,
    url: Url = DEFAULT_URL,
    prefix: Prefix = "",
    dry_run: DryRun = False,
    rejects: RejectsFile = None,
    report: ReportFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Make the index that records who was shown which variant, and load JSON lines into it.

    es-rerank bootstrap exposures
    """
    client = _connect(url, user, password, api_key, ca_file, insecure)
    _run_records(client, "exposures", source, _Extras(prefix, rejects, dry_run, patience, report))


@app.command()
def ads(
    source: Source = None,
    url: Url = DEFAULT_URL,
    prefix: Prefix = "",
    dry_run: DryRun = False,
    rejects: RejectsFile = None,
    report: ReportFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
    ca_file: CaFile = None,
    insecure: Insecure = False,
) -> None:
    """Make the indices of sponsored hits, ads and ad_impressions, and load JSON lines (one ad each, by ad_id).

    An ad: {"ad_id": "a1", "object_id": "p7", "bid": 0.2, "budget": 50, "queries": ["running shoes"],
    "starts_at": "2026-05-01", "ends_at": "2026-06-01"}; loaded again, it is replaced. Example:

    es-rerank bootstrap ads --input ads.jsonl
    """
    client = _connect(url, user, password, api_key, ca_file, insecure)
    _run_records(client, "ads", source, _Extras(prefix, rejects, dry_run, patience, report))


@app.command()
def rules() -> None:
    """Print what preprocessing does to a record: the steps, the units, the rules for missing fields."""
    from rich.console import Console

    from middleware.catalog.bootstrap_display import print_rules

    print_rules(Console())


def parse_renames(pairs: Sequence[str]) -> dict[str, str]:
    """SOURCE=TARGET pairs as a mapping. Raises ConfigError for what is no such pair."""
    renames = {}
    for pair in pairs:
        old, _, new = pair.partition("=")
        if not old.strip() or not new.strip():
            raise ConfigError("--map", pair, "want SOURCE=TARGET, e.g. supplier=brand")
        renames[old.strip()] = new.strip()
    return renames


@dataclass(frozen=True, slots=True)
class _Extras:
    prefix: str
    rejects: Path | None
    dry_run: bool
    patience_s: float
    report: Path | None


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _connect(
    url: str, user: str | None, password: str | None, api_key: str | None, ca_file: Path | None, insecure: bool
) -> Elasticsearch:
    import logging

    from middleware.catalog.client import Access, connect

    # The client logs every request; here the progress bar and the report say what matters.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    return connect(url, Access(user, password, api_key, ca_file, insecure))


def _run_products(
    client: Elasticsearch, source: str, alias: str, options: BootstrapOptions, report_file: Path | None
) -> None:
    from rich.console import Console

    from middleware.catalog.bootstrap import bootstrap_products
    from middleware.catalog.bootstrap_display import print_report, show_progress

    with show_progress(Console(stderr=True)) as advance:
        report = bootstrap_products(client, source, alias, options, advance)
    print_report(Console(), report)
    _write_report(report_file, report.to_json())


def _run_records(client: Elasticsearch, kind: str, source: str | None, extras: _Extras) -> None:
    from rich.console import Console

    from middleware.catalog.bootstrap_display import print_records_report, show_progress
    from middleware.catalog.bootstrap_records import RecordsOptions, bootstrap_records

    rejects = (extras.rejects or Path(f"{extras.prefix}{kind}-rejects.jsonl")).absolute()
    options = RecordsOptions(extras.prefix, rejects, extras.dry_run, extras.patience_s)
    with show_progress(Console(stderr=True)) as advance:
        report = bootstrap_records(client, kind, source, options, advance)
    print_records_report(Console(), report)
    _write_report(extras.report, report.to_json())


def _roll_back(client: Elasticsearch, alias: str, patience_s: float) -> None:
    from middleware.catalog.bootstrap import rollback_products

    done = rollback_products(client, alias, patience_s)
    typer.echo(f"{done.alias} points at {', '.join(done.now)} again, no longer at {', '.join(done.left)}")


def _write_report(path: Path | None, report: dict[str, Any]) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError("--report", str(path), f"cannot be written: {error.strerror}") from error
