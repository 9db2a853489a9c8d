"""The indices beside the products: behaviour (UBI), profiles and exposures, made once and filled when asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from middleware.catalog.bootstrap_load import load
from middleware.catalog.bootstrap_patience import Patience, persist
from middleware.catalog.bootstrap_report import Progress
from middleware.catalog.bootstrap_versions import check_alias
from middleware.catalog.client import describe_cluster
from middleware.catalog.mapping_files import load_body
from middleware.catalog.prepare import Prepared
from middleware.catalog.read import FORMATS, STDIN, Input, Reject
from middleware.catalog.read_events import read_entries
from middleware.catalog.rejects import REFUSED, Rejects
from middleware.errors import ConfigError

FIRST_VERSION = "000001"
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of indices of mappings/; `id_field` names what identifies a document (None: its content)."""

    indices: tuple[str, ...]
    id_field: str | None = None


KINDS = {
    "ubi": Kind(("ubi_queries", "ubi_events")),
    "profiles": Kind(("profiles",)),
    "exposures": Kind(("exposures",)),
    "ads": Kind(("ads", "ad_impressions"), "ad_id"),
}


@dataclass(frozen=True, slots=True)
class RecordsOptions:
    """`prefix` goes before every alias; `rejects` is the file for what does not get in (None: counts and samples)."""

    prefix: str = ""
    rejects: Path | None = None
    dry_run: bool = False
    patience_s: float = 120.0


@dataclass(frozen=True, slots=True)
class RecordsReport:
    """`indices`: alias to what was done ("created NAME" or "was there"); `documents`: alias to how many were sent."""

    indices: dict[str, str]
    documents: dict[str, int]
    rejects: dict[str, int]
    rejects_file: str | None
    seconds: float
    reject_samples: tuple[Reject, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bootstrap_records(
    client: Elasticsearch,
    kind: str,
    source: str | Path | None = None,
    options: RecordsOptions | None = None,
    on_progress: OnProgress | None = None,
) -> RecordsReport:
    """Make the indices of `kind` (a key of KINDS) where they are missing, and load `source` into them.

    What is there is left as it is, and documents keep their ids, so running it again changes nothing. Raises
    ConfigError for arguments that cannot be used, CommandError where the cluster fails.
    """
    options = options or RecordsOptions()
    say = on_progress or (lambda progress: None)
    patience = Patience(options.patience_s, on_wait=lambda why: say(Progress("waiting", note=why)))
    started = time.monotonic()
    aliases = {name: check_alias(options.prefix + name) for name in KINDS[kind].indices}
    opened = None if source is None else _open(source)
    describe_cluster(client)
    made = {alias: ensure_index(client, alias, name, patience, options.dry_run) for name, alias in aliases.items()}
    loading = _Loading(Rejects(options.rejects), Counter())
    if opened is not None:
        with closing(opened), closing(loading.rejects):
            loading.rejects.start()
            documents = loading.accept(read_entries(opened, aliases, KINDS[kind].id_field))
            if options.dry_run:
                loading.documents.update(str(item.index) for item in documents)
            else:
                loading.send(client, documents, patience, lambda done, out: say(_progress(opened, done, out)))
    rejects = loading.rejects
    path = str(options.rejects) if options.rejects and rejects.counts else None
    seconds = time.monotonic() - started
    return RecordsReport(made, dict(loading.documents), dict(rejects.counts), path, seconds, tuple(rejects.samples))


def ensure_index(client: Elasticsearch, alias: str, name: str, patience: Patience, dry_run: bool = False) -> str:
    """Make `ALIAS-000001` with the body mappings/`name`.json behind `alias`, if neither is there; says what it did."""

    def ensure() -> str:
        try:
            return f"was there: {', '.join(sorted(client.indices.get_alias(name=alias).body))}"
        except NotFoundError:
            if client.indices.exists(index=alias):
                return "was there: an index of that name, left as it is"
        index = f"{alias}-{FIRST_VERSION}"
        if dry_run:
            return f"would create {index}"
        body = load_body(name)
        aliases = {alias: {"is_write_index": True}}
        client.indices.create(index=index, settings=body["settings"], mappings=body["mappings"], aliases=aliases)
        return f"created {index}"

    return persist(client, ensure, patience)


def _open(source: str | Path) -> Input:
    name = str(source)
    suffix = next((suffix for suffix in Path(name).suffixes if suffix in FORMATS), "")
    if FORMATS.get(suffix) == "csv":
        raise ConfigError("--input", name, "want JSON lines, the bulk form, or index<TAB>json")
    return Input(source, "jsonl" if name == STDIN or suffix else None)


def _progress(opened: Input, documents: int, rejects: int) -> Progress:
    return Progress("indexing", opened.position, opened.size, documents, rejects)


@dataclass(frozen=True, slots=True)
class _Loading:
    """What became of the documents so far; `documents` counts them by alias."""

    rejects: Rejects
    documents: Counter[str]

    def accept(self, entries: Iterator[Prepared | Reject]) -> Iterator[Prepared]:
        for entry in entries:
            if isinstance(entry, Reject):
                self.rejects.add(entry)
            else:
                yield entry

    def send(
        self,
        client: Elasticsearch,
        documents: Iterator[Prepared],
        patience: Patience,
        tell: Callable[[int, int], None],
    ) -> None:
        with closing(load(client, "", documents, patience)) as batches:
            for batch in batches:
                self.documents.update(str(item.index) for item in batch.indexed)
                for refusal in batch.refused:
                    item = refusal.prepared
                    self.rejects.add(Reject(item.line, REFUSED, f"{item.id}: {refusal.detail}", item.raw))
                tell(self.documents.total(), self.rejects.counts.total())
        if self.documents:
            persist(client, lambda: client.indices.refresh(index=",".join(self.documents)), patience)
