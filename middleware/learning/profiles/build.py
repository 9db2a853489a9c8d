"""All profiles made anew from all behaviour: partition, fold, cluster, count, write; killed anywhere, it goes on.

Memory holds one portion of the events, or one bucket of users, whatever their number: everything else lies in a work
folder, in pieces that are there whole or not at all. What a build makes depends on what it reads, its moment and its
seed alone, so that one that was killed and goes on ends with the documents of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience
from middleware.config import Settings
from middleware.durable_files import locked, write_durably
from middleware.learning.profiles.begin import begin
from middleware.learning.profiles.clusters import NOBODY, Clusters, find_clusters
from middleware.learning.profiles.erased import remove_erased
from middleware.learning.profiles.folding import Buckets, Folder
from middleware.learning.profiles.keeper import ProfileKeeper
from middleware.learning.profiles.products import VectorsOf, fields_of, read_shop
from middleware.learning.profiles.runs import Codec, Runs, remove_unfinished
from middleware.learning.profiles.shelf import Shelf, write_shelf
from middleware.learning.profiles.sources import PORTION, EventSource, FileEvents, IndexEvents
from middleware.learning.profiles.statistics import Counting
from middleware.learning.step_bar import Step
from middleware.personalization.documents import ClusterStatistics, statistics_to_document
from middleware.personalization.identity import Identity

_USERS_PER_BULK = 500
# A bucket becomes states, which take more memory than its events.
_PORTION_IN_BUCKETS = 5
_FORM = 1


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`events`: a UBI file in place of the index. A user with more than `most_events` events is a robot.

    `clusters`: how many (None: by silhouette). `now`: the moment of the profiles, seconds since 1970 (None: the
    clock's). `portion`: events sorted at once.
    """

    events: Path | None = None
    most_events: int = 10_000
    clusters: int | None = None
    seed: int = 0
    now: float | None = None
    portion: int = PORTION


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. `dropped`: reason -> events; `removed`: older documents that went."""

    events: int
    users: int
    products: int
    products_with_vector: int
    statistics: list[ClusterStatistics]
    silhouettes: Mapping[int, float]
    dropped: Mapping[str, int]
    removed: int
    disk_bytes: int
    seconds: float
    resumed: bool


def build_profiles(
    client: Elasticsearch,
    settings: Settings,
    identity: Identity,
    vectors: VectorsOf | None,
    work: Path,
    options: BuildOptions,
    step: Step,
    patience: Patience,
) -> BuildReport:
    """Write the profiles of all users and the statistics of their clusters, and remove those of builds before.

    `work` is made, and gone at the end; a file beside it is its lock. Raises CommandError where the cluster fails for
    longer than the patience, or an index cannot be read; run again within a day, it goes on.
    """
    started = time.monotonic()
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(work.with_name(f"{work.name}.lock")):
        work.mkdir(exist_ok=True, mode=0o700)  # another build may have been at its end
        remove_unfinished(work)
        report = _Build(client, settings, identity, vectors, work, options, step, patience).run(started)
        shutil.rmtree(work)
    return report


@dataclass(slots=True)
class _Build:
    """One build; its steps in order are `run`."""

    client: Elasticsearch
    settings: Settings
    identity: Identity
    vectors: VectorsOf | None
    work: Path
    options: BuildOptions
    step: Step
    patience: Patience
    now: float = field(default=0.0, init=False)

    def run(self, started: float) -> BuildReport:
        self.now, resumed = begin(self.work, self._terms(), self.options.now)
        keeper = ProfileKeeper(self.client, self.settings.profiles.index, self.patience)
        keeper.prepare()
        runs = self._partition()
        shelf = self._fill_shelf(runs)
        buckets = self._fold(runs, shelf)
        clusters = self._find_clusters(buckets)
        statistics = self._count(buckets, clusters, shelf)
        self._write(keeper, buckets, clusters)
        removed = self._remove_erased(keeper, buckets) + self._write_statistics(keeper, statistics, clusters)
        dropped = runs.dropped + buckets.dropped
        return BuildReport(
            runs.events,
            buckets.users,
            len(shelf),
            shelf.with_vector,
            statistics,
            clusters.silhouettes,
            {reason: count for reason, count in dropped.items() if count},
            removed,
            sum(path.stat().st_size for path in self.work.rglob("*") if path.is_file()),
            time.monotonic() - started,
            resumed,
        )

    def _terms(self) -> str:
        settings = self.settings
        said = [
            _FORM,
            dict(self._source().describe()),
            settings.profiles.model_dump_json(),
            fields_of(settings).model_dump_json(),
            settings.privacy.least_users,
            self.identity.hash("which key"),
            self.vectors.revision if self.vectors else None,
            [self.options.most_events, self.options.clusters, self.options.seed, self.options.portion],
            self.options.now,
        ]
        return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()

    def _source(self) -> EventSource:
        if self.options.events is not None:
            return FileEvents(self.options.events, self.options.portion)
        index, plan = self.settings.profiles.events_index, self.work / "spans.json"
        return IndexEvents(self.client, index, self.now, plan, self.patience, self.options.portion)

    @property
    def _actions(self) -> list[str]:
        return sorted(name for name, weight in self.settings.profiles.action_weights.items() if weight > 0)

    def _partition(self) -> Runs:
        runs, finished = Runs(self.work / "runs"), self.work / "partitioned"
        if finished.exists():
            return runs
        codec = Codec(self.identity, self._actions, self.now)
        self.step("reading events", runs.done, 0)
        for events, portions in self._source().portions(runs.done):
            runs.add(codec.rows(events), codec)
            self.step(f"reading events: {runs.events:,}", runs.done, portions or 0)
        write_durably(finished, "")
        return runs

    def _fill_shelf(self, runs: Runs) -> Shelf:
        folder = self.work / "shelf"
        if not folder.exists():
            objects = runs.objects()
            pages = read_shop(self.client, self.settings, self.vectors, objects, self.patience, self.step)
            write_shelf(folder, pages, self.vectors.revision if self.vectors else None)
        return Shelf(folder)

    def _fold(self, runs: Runs, shelf: Shelf) -> Buckets:
        buckets = Buckets(self.work / "buckets", runs.buckets(max(1, self.options.portion // _PORTION_IN_BUCKETS)))
        for number in range(buckets.count):
            if not buckets.has(number):
                profiles = self.settings.profiles
                folder = Folder(profiles, shelf, self._actions, self.now, self.options.most_events)
                events, twice = runs.read(number, buckets.count)
                buckets.put(number, folder.fold(events), folder.dropped + Counter({"sent twice": twice}))
            self.step("folding", number + 1, buckets.count)
        return buckets

    def _find_clusters(self, buckets: Buckets) -> Clusters:
        path = self.work / "clusters.json"
        if not path.exists():
            self.step("finding clusters", 0, 0)
            least = self.settings.privacy.least_users
            find_clusters(buckets.known_vectors, least, self.options.clusters, self.options.seed).save(path)
        return Clusters.load(path)

    def _count(self, buckets: Buckets, clusters: Clusters, shelf: Shelf) -> list[ClusterStatistics]:
        counting = Counting(len(clusters), len(shelf))
        for number in range(buckets.count):
            labels = clusters.of(buckets.vectors(number))
            counting.add((document for _, document in buckets.documents(number)), buckets.uses(number), labels)
            self.step("counting", number + 1, buckets.count)
        return counting.finish(clusters, shelf, self.settings.privacy.least_users)

    def _write(self, keeper: ProfileKeeper, buckets: Buckets, clusters: Clusters) -> None:
        written = self.work / "written"
        written.mkdir(exist_ok=True)
        for number in range(buckets.count):
            if not (written / str(number)).exists():
                labels = clusters.of(buckets.vectors(number))
                documents = zip(buckets.documents(number), labels.tolist(), strict=True)
                while page := list(islice(documents, _USERS_PER_BULK)):
                    keeper.put({name: _in_cluster(document, label) for (name, document), label in page})
                (written / str(number)).touch()
            self.step("writing profiles", number + 1, buckets.count)

    def _remove_erased(self, keeper: ProfileKeeper, buckets: Buckets) -> int:
        clients = self._source().clients()
        return 0 if clients is None else remove_erased(keeper, clients, self.identity, buckets)

    def _write_statistics(self, keeper: ProfileKeeper, found: list[ClusterStatistics], clusters: Clusters) -> int:
        documents = {each.document_id: statistics_to_document(each, self.now) for each in found}
        for document in documents.values():
            document["state"]["silhouettes"] = {str(k): value for k, value in clusters.silhouettes.items()}
        keeper.put(documents)
        return keeper.remove_older(int(self.now * 1000))


def _in_cluster(document: dict[str, Any], label: int) -> dict[str, Any]:
    return document if label == NOBODY else {**document, "cluster": str(label)}
