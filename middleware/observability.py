"""Metrics and log lines: what is counted of every search, for Prometheus under /_rerank/metrics."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from middleware.behaviour.cluster_writer import Fate as EventFate
from middleware.rerank.served_model import SwitchOutcome
from middleware.rerank.watch import Fate, Stage, VectorFate, VectorStage

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0)


class Metrics:
    """What one process counts and measures; with several workers the scrape adds it up over those that live."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._searches = Counter(
            "es_rerank_searches",
            "Searches by outcome (applied, skipped, fallback), reason and variant.",
            ("outcome", "reason", "variant"),
            registry=self._registry,
        )
        self._first_stage = Histogram(
            "es_rerank_first_stage_seconds",
            "Time until the first-stage answer was read.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._second_stage = Histogram(
            "es_rerank_second_stage_seconds",
            "Time of the second stage, failed ones included.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._engine = Histogram(
            "es_rerank_engine_seconds",
            "Stages of the engine: estimate (a window), wait (for a batch), tokenise (a call), forward (a batch).",
            ("model", "stage"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._pairs = Counter(
            "es_rerank_pairs",
            "Pairs by what became of them: scored, remembered, shared (with another in flight), unscored (no time).",
            ("model", "fate"),
            registry=self._registry,
        )
        self._saved = Counter(
            "es_rerank_saved_seconds",
            "Time of the model that pairs which were remembered or shared would have taken.",
            ("model",),
            registry=self._registry,
        )
        self._switches = Counter(
            "es_rerank_model_switches",
            "Switches of a model to another version: switched, failed (the old one goes on), abandoned (moved again).",
            ("model", "outcome"),
            registry=self._registry,
        )
        self._vector_seconds = Histogram(
            "es_rerank_vector_seconds",
            "Encoding a query, and fetching the vectors of a window, where they are not remembered.",
            ("index", "stage"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._vectors = Counter(
            "es_rerank_vectors",
            "Hits by what became of their vector: remembered, fetched, absent (run `es-rerank vectors build`).",
            ("index", "fate"),
            registry=self._registry,
        )
        self._waiting = Gauge(
            "es_rerank_engine_waiting",
            "Searches of which something waits for the model; never more than es_rerank_engine_queue_limit.",
            ("model",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._queue_limit = Gauge(
            "es_rerank_engine_queue_limit",
            "Searches that may wait for the model; beyond it: fallback, overloaded.",
            ("model",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._events = Counter(
            "es_rerank_events",
            "Events and other records of behaviour: accepted (safe on disk), refused (malformed, or no room), then at "
            "the cluster written, duplicate, again (later), dead (refused by the cluster for good, see dead-letters).",
            ("fate",),
            registry=self._registry,
        )
        self._event_bytes = Gauge(
            "es_rerank_events_spooled_bytes",
            "Bytes of records that wait for the cluster.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._event_age = Gauge(
            "es_rerank_events_oldest_seconds",
            "How long the oldest of them waits.",
            registry=self._registry,
            multiprocess_mode="livemax",
        )

    def count_search(self, outcome: str, reason: str, variant: str) -> None:
        self._searches.labels(outcome, reason, variant).inc()

    def observe_stages(self, first_stage_s: float, second_stage_s: float) -> None:
        """Durations in seconds."""
        self._first_stage.observe(first_stage_s)
        self._second_stage.observe(second_stage_s)

    def observe_engine(self, model: str, stage: Stage, seconds: float) -> None:
        """See rerank.watch."""
        self._engine.labels(model, stage).observe(seconds)

    def count_pairs(self, model: str, fate: Fate, pairs: int) -> None:
        """See rerank.watch."""
        self._pairs.labels(model, fate).inc(pairs)

    def count_saved(self, model: str, seconds: float) -> None:
        """See rerank.watch."""
        self._saved.labels(model).inc(seconds)

    def count_switch(self, model: str, outcome: SwitchOutcome) -> None:
        """See rerank.served_model; `model` is its name in rerank.yml."""
        self._switches.labels(model, outcome).inc()

    def see_waiting(self, model: str, searches: int) -> None:
        """See rerank.watch."""
        self._waiting.labels(model).set(searches)

    def see_queue_limit(self, model: str, searches: int) -> None:
        """See rerank.watch."""
        self._queue_limit.labels(model).set(searches)

    def observe_vectors(self, index: str, stage: VectorStage, seconds: float) -> None:
        """See rerank.watch."""
        self._vector_seconds.labels(index, stage).observe(seconds)

    def count_vectors(self, index: str, fate: VectorFate, hits: int) -> None:
        """See rerank.watch."""
        self._vectors.labels(index, fate).inc(hits)

    def count_received(self, accepted: int, refused: int) -> None:
        """See behaviour.watch."""
        self._events.labels("accepted").inc(accepted)
        self._events.labels("refused").inc(refused)

    def count_sent(self, fate: EventFate, records: int) -> None:
        """See behaviour.watch."""
        self._events.labels("dead" if fate is EventFate.REFUSED else fate.value).inc(records)

    def see_spool(self, stored_bytes: int, oldest_age_s: float) -> None:
        """See behaviour.watch."""
        self._event_bytes.set(stored_bytes)
        self._event_age.set(oldest_age_s)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return expose(self._registry)


def expose(registry: CollectorRegistry) -> bytes:
    """What `registry` holds, in Prometheus' text format; where there are several workers, all of theirs."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(registry)
    gathered = CollectorRegistry()
    multiprocess.MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
    return generate_latest(gathered)
