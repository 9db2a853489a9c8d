"""A catalogue file becomes a new version of an index behind an alias, without a search noticing."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_body import build_index_body
from middleware.catalog.bootstrap_fields import FieldMapper
from middleware.catalog.bootstrap_load import IN_FLIGHT, Loaded, load
from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.bootstrap_report import Progress, Report, Rollback
from middleware.catalog.bootstrap_versions import Build, Versions, check_alias
from middleware.catalog.client import describe_cluster
from middleware.catalog.language import AUTO, Analysis, choose_analysis
from middleware.catalog.prepare import Prepared, PrepareOptions, Preparer
from middleware.catalog.prepare_duplicates import FingerprintSet, fingerprint_of
from middleware.catalog.read import STDIN, Input, Reject
from middleware.catalog.rejects import REFUSED, Rejects
from middleware.errors import CommandError

SAMPLED_RECORDS = 2000
CHECKPOINT_EVERY_S = 5.0
# While an index is filled nobody reads it: no refreshes, no copies to keep up.
WHILE_BUILDING = {"refresh_interval": "-1", "number_of_replicas": 0, "auto_expand_replicas": False}
OnProgress = Callable[[Progress], None]


class Filler(Protocol):
    """Fills in what documents lack, in their order; `key` changes with what it would fill in."""

    key: str
    counts: Counter[str]

    def fill(self, documents: Iterable[Prepared]) -> Iterator[Prepared]: ...


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """How to build: `language` auto or one of mappings/analysis; `mapping` an index body of the shop's own;
    `rejects` the file for what does not get in (None: only counts and a few samples in the report)."""

    language: str = AUTO
    mapping: Path | None = None
    prepare: PrepareOptions = field(default_factory=PrepareOptions)
    rejects: Path | None = None
    input_format: str | None = None
    dry_run: bool = False
    patience_s: float = 120.0
    classifier: Filler | None = None


def bootstrap_products(
    client: Elasticsearch,
    source: str | Path,
    alias: str = "products",
    options: BootstrapOptions | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Build a new version of `alias` from `source` ("-": standard input), check it, and swap it in.

    A run that was killed is continued by the next one with the same input and options. Raises ConfigError for
    arguments that cannot be used, CommandError where the cluster fails or the result is not what was read; the alias
    then still points where it did.
    """
    return _Bootstrap(client, source, alias, options or BootstrapOptions(), on_progress).run()


def rollback_products(client: Elasticsearch, alias: str = "products", patience_s: float = 120.0) -> Rollback:
    """Point `alias` back at the version before the current one. Raises CommandError where there is none."""
    describe_cluster(client)
    left, now = Versions(client, alias, Patience(patience_s)).rollback()
    return Rollback(alias, left, now)


class _Bootstrap:
    """One run; the fields are what its steps hand on."""

    def __init__(
        self,
        client: Elasticsearch,
        source: str | Path,
        alias: str,
        options: BootstrapOptions,
        on_progress: OnProgress | None,
    ) -> None:
        self._client = client
        self._alias = check_alias(alias)
        self._options = options
        self._say = on_progress or (lambda progress: None)
        self._patience = Patience(options.patience_s, on_wait=lambda why: self._say(Progress("waiting", note=why)))
        self._versions = Versions(client, alias, self._patience)
        self._input = Input(source, options.input_format)
        self._preparer = Preparer(options.prepare)
        self._rejects = Rejects(options.rejects)
        self._ids = FingerprintSet()
        self._records = self._documents = self._resumed = 0
        self._started = time.monotonic()

    def run(self) -> Report:
        try:
            describe_cluster(self._client)
            self._versions.live()
            records = self._input.records()
            sample = list(islice(records, SAMPLED_RECORDS))
            analysis = choose_analysis(self._client, self._options.language, self._titles(sample))
            body = build_index_body(analysis, self._options.mapping)
            everything = chain(sample, records)
            del sample
            if self._options.dry_run:
                return self._rehearse(everything, analysis)
            return self._build(everything, analysis, body)
        finally:
            self._rejects.close()
            self._input.close()

    def _rehearse(self, records: Iterator[Any], analysis: Analysis) -> Report:
        self._rejects.start()
        for _ in self._filled(records, 0):
            self._documents += 1
            self._tell("reading")
        return self._report(analysis, None, (), ())

    def _build(self, records: Iterator[Any], analysis: Analysis, body: dict[str, Any]) -> Report:
        fingerprint = self._fingerprint(body)
        build = self._versions.resume_or_discard(fingerprint)
        if build is None:
            label = f"{analysis.text.label}, {analysis.chinese.label}"
            building = {**body, "settings": {**body["settings"], **WHILE_BUILDING}}
            build = self._versions.create(building, fingerprint, label)
        build = self._settle_checkpoint(build)
        build = self._fill(build, self._filled(records, build.checkpoint), body["mappings"])
        self._open_for_search(build, body["settings"])
        self._verify(build)
        build = self._versions.promote(build)
        deleted = self._versions.prune(keep=(build.index, *build.previous))
        return self._report(analysis, build.index, build.previous, tuple(deleted))

    def _settle_checkpoint(self, build: Build) -> Build:
        """Skip what an earlier run finished, if the rejects file still has all that the cluster refused of it."""
        checkpoint = build.checkpoint if self._options.prepare.drop_duplicates else 0
        self._rejects.start(keep_refused_to_line=checkpoint)
        if self._rejects.counts[REFUSED] != build.refused or not checkpoint:
            self._rejects.start()
            checkpoint = 0
        return self._versions.save(replace(build, checkpoint=checkpoint, refused=self._rejects.counts[REFUSED]))

    def _prepared(self, records: Iterator[Any], done_to_line: int) -> Iterator[Prepared]:
        """The documents still to be sent. All records are prepared again, so that duplicates are found again."""
        for record in records:
            self._records += 1
            outcome = record if isinstance(record, Reject) else self._preparer.prepare(record)
            if isinstance(outcome, Reject):
                self._rejects.add(outcome)
            elif outcome.line > done_to_line:
                yield outcome
            elif outcome.line not in self._rejects.refused_lines:
                self._documents += 1
                self._resumed += 1

    def _filled(self, records: Iterator[Any], done_to_line: int) -> Iterator[Prepared]:
        prepared = self._prepared(records, done_to_line)
        return self._options.classifier.fill(prepared) if self._options.classifier else prepared

    def _fill(self, build: Build, documents: Iterator[Prepared], mappings: dict[str, Any]) -> Build:
        # Where later records overwrite earlier ones of the same id, two batches must never overtake each other.
        in_flight = IN_FLIGHT if self._options.prepare.drop_duplicates else 1
        announce = FieldMapper(self._client, build.index, mappings, self._patience).announce
        batches = load(self._client, build.index, documents, self._patience, announce=announce, in_flight=in_flight)
        saved_at = time.monotonic()
        with closing(batches):
            for batch in batches:
                self._take(batch)
                self._tell("indexing")
                if time.monotonic() - saved_at >= CHECKPOINT_EVERY_S:
                    build = self._save_checkpoint(build, batch.line)
                    saved_at = time.monotonic()
        self._rejects.flush()
        return build

    def _save_checkpoint(self, build: Build, line: int) -> Build:
        # First the rejects, then the word that they are safe.
        self._rejects.flush()
        return self._versions.save(replace(build, checkpoint=line, refused=self._rejects.counts[REFUSED]))

    def _take(self, batch: Loaded) -> None:
        for refusal in batch.refused:
            item = refusal.prepared
            self._rejects.add(Reject(item.line, REFUSED, f"{item.id}: {refusal.detail}", item.raw))
        self._documents += len(batch.indexed)
        if not self._options.prepare.drop_duplicates:
            for item in batch.indexed:
                self._ids.add(fingerprint_of([item.id]))

    def _open_for_search(self, build: Build, settings: dict[str, Any]) -> None:
        own = {name: settings.get(name) for name in WHILE_BUILDING}
        put, refresh = self._client.indices.put_settings, self._client.indices.refresh
        fetch(self._client, lambda: put(index=build.index, settings=own), self._patience)
        fetch(self._client, lambda: refresh(index=build.index), self._patience)

    def _verify(self, build: Build) -> None:
        expected = self._documents if self._options.prepare.drop_duplicates else len(self._ids)
        count = fetch(self._client, lambda: self._client.count(index=build.index), self._patience)["count"]
        if not expected:
            self._versions.delete(build.index)
            raise CommandError(
                f"not one of {self._records} records got in{self._why()}; {self._alias!r} stays as it was"
            )
        if count != expected:
            self._versions.save(replace(build, checkpoint=0, refused=0))
            raise CommandError(
                f"{build.index} holds {count} documents, not the {expected} that were sent; {self._alias!r} stays as "
                "it was; run the same command again to send them all once more"
            )

    def _why(self) -> str:
        if not self._rejects.samples:
            return ""
        first = self._rejects.samples[0]
        return f" (line {first.line}: {first.reason}: {first.detail})"

    def _titles(self, sample: list[Any]) -> Iterator[str]:
        rehearsal = Preparer(replace(self._options.prepare, drop_duplicates=False, drop_near_duplicates=False))
        for record in sample:
            outcome = record if isinstance(record, Reject) else rehearsal.prepare(record)
            if isinstance(outcome, Prepared):
                yield str(outcome.document["title"])

    def _fingerprint(self, body: dict[str, Any]) -> str:
        """Equal for runs that would build the same index; a pipe cannot be read twice, so it never is."""
        if self._input.name == STDIN:
            return uuid.uuid4().hex
        with open(self._input.name, "rb") as content:
            digest = hashlib.file_digest(content, "sha256")
        terms = [body, asdict(self._options.prepare), self._input.format]
        if self._options.classifier is not None:
            terms.append(self._options.classifier.key)
        digest.update(json.dumps(terms, sort_keys=True).encode())
        return digest.hexdigest()

    def _classified(self) -> dict[str, int]:
        classifier = self._options.classifier
        return {f"classify.{name}": count for name, count in classifier.counts.items()} if classifier else {}

    def _tell(self, phase: str) -> None:
        rejects = sum(self._rejects.counts.values())
        self._say(Progress(phase, self._input.position, self._input.size, self._documents, rejects))

    def _report(
        self, analysis: Analysis, index: str | None, previous: tuple[str, ...], deleted: tuple[str, ...]
    ) -> Report:
        steps = self._options.prepare.switches()
        return Report(
            alias=self._alias,
            index=index,
            previous=previous,
            deleted=deleted,
            language=analysis.language,
            language_reason=analysis.language_reason,
            analysis={profile.label: profile.reason for profile in (analysis.text, analysis.chinese)},
            records=self._records,
            documents=self._documents,
            resumed=self._resumed,
            rejects=dict(self._rejects.counts),
            rejects_file=str(self._rejects.path) if self._rejects.path and self._rejects.counts else None,
            steps=dict(self._preparer.counts) | self._classified(),
            switched_off=tuple(name for name, on in steps.items() if not on),
            seconds=time.monotonic() - self._started,
            dry_run=self._options.dry_run,
            reject_samples=tuple(self._rejects.samples),
        )
