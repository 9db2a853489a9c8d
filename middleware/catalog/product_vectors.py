"""Every product's vector, made once: what is there already is left alone, what is no longer a product's goes.

What a vector is made of is its key (rerank/vectors.py), so that a run needs no memory of those before: it goes on
where another was killed, and after a change of a thousand products it encodes these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.prepare_duplicates import FingerprintSet, fingerprint_of
from middleware.catalog.vector_keeper import VectorKeeper
from middleware.catalog.vector_scan import scan
from middleware.rerank.bi_encoder import BiEncoder
from middleware.rerank.vector_index import ENCODER, INDEX, PRODUCT, VECTOR
from middleware.rerank.vectors import pack, vector_key
from middleware.search.document import Template


@dataclass(frozen=True, slots=True)
class TextSource:
    """Which index is read, and how a document's text is made: as the proxy makes it."""

    index: str
    template: Template
    max_field_chars: int


@dataclass(frozen=True, slots=True)
class VectorReport:
    """What a run did: `documents` of the index were looked at, `without_text` of them have no text.

    `encoded` texts were new, `current` had their vector; `removed` vectors were of no product any more. Texts count
    once, however many products share one. In a dry run nothing was written: what would be encoded or removed.
    """

    documents: int = 0
    without_text: int = 0
    encoded: int = 0
    current: int = 0
    removed: int = 0
    seconds: float = 0.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class VectorProgress:
    """How far a run is: documents looked at, of how many; texts encoded; or a word on a wait."""

    done: int = 0
    total: int = 0
    encoded: int = 0
    note: str = ""


OnProgress = Callable[[VectorProgress], None]


def build_vectors(
    client: Elasticsearch,
    source: TextSource,
    kept_in: str,
    encoder: BiEncoder,
    on_progress: OnProgress | None = None,
    *,
    dry_run: bool = False,
    drop_others: bool = False,
    patience_s: float = 120.0,
) -> VectorReport:
    """Bring the vectors in the index `kept_in` up to date with the documents of `source`.

    `drop_others`: those of other encoders go, too; otherwise they stay for proxies that still use one. Raises
    CommandError where the cluster fails for longer than `patience_s`; run again, it goes on where it ended.
    """
    return _Run(client, source, kept_in, encoder, on_progress, patience_s).run(dry_run, drop_others)


class _Run:
    """One run; the fields are what its steps count."""

    def __init__(
        self,
        client: Elasticsearch,
        source: TextSource,
        kept_in: str,
        encoder: BiEncoder,
        on_progress: OnProgress | None,
        patience_s: float,
    ) -> None:
        self._say = on_progress or (lambda progress: None)
        self._patience = Patience(patience_s, on_wait=lambda why: self._say(VectorProgress(note=why)))
        self._client, self._source, self._encoder = client, source, encoder
        self._keeper = VectorKeeper(client, kept_in, self._patience)
        self._seen = FingerprintSet()
        self._documents = self._without_text = self._encoded = self._removed = 0

    def run(self, dry_run: bool, drop_others: bool) -> VectorReport:
        started = time.monotonic()
        index = self._source.index
        total = int(fetch(self._client, lambda: self._client.count(index=index), self._patience)["count"])
        if not dry_run:
            self._keeper.prepare()
        is_there = self._keeper.exists
        for texts in self._new_texts():
            missing = self._keeper.missing(list(texts)) if is_there else set(texts)
            stale = {key: texts[key] for key in texts if key in missing}
            if stale and not dry_run:
                self._encode(stale)
            self._encoded += len(stale)
            self._say(VectorProgress(self._documents, total, self._encoded))
        current = len(self._seen) - self._encoded
        if is_there:
            self._remove(None if drop_others else self._encoder.revision, dry_run)
        counts = self._documents, self._without_text, self._encoded, current, self._removed
        return VectorReport(*counts, time.monotonic() - started, dry_run)

    def _new_texts(self) -> Iterator[dict[str, tuple[str, str]]]:
        """key -> (text, _id of a product of that text) of each page of documents, each text once in all."""
        template, seen = self._source.template, self._seen
        with closing(scan(self._client, self._source.index, template.fields, self._patience)) as pages:
            for hits in pages:
                texts = {}
                for hit in hits:
                    text = template.render_document(hit.get("_source"), self._source.max_field_chars)
                    key = vector_key(self._encoder.revision, text)
                    if not text:
                        self._without_text += 1
                    elif seen.add(fingerprint_of([key])):
                        texts[key] = text, str(hit["_id"])
                self._documents += len(hits)
                if texts:
                    yield texts

    def _encode(self, stale: dict[str, tuple[str, str]]) -> None:
        vectors = pack(self._encoder.encode_documents([text for text, _ in stale.values()]))
        about = {ENCODER: self._encoder.revision, INDEX: self._source.index}
        self._keeper.put(
            {
                key: {VECTOR: vector, **about, PRODUCT: product}
                for (key, (_, product)), vector in zip(stale.items(), vectors, strict=True)
            }
        )

    def _remove(self, encoder: str | None, dry_run: bool) -> None:
        """Vectors built for this index that no document of it has any more."""
        for keys in self._keeper.scan_keys(self._source.index, encoder):
            gone = [key for key in keys if self._seen.add(fingerprint_of([key]))]
            self._removed += len(gone)
            if gone and not dry_run:
                self._keeper.delete(gone)
