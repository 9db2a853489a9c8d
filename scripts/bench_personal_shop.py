"""What bench_personal.py happens in: a catalogue in a real node, its searches, the product's own profiles and order."""

from __future__ import annotations

import csv
import gzip
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bench_learning_stand import INDEX, MAX_TOKENS, TEMPLATE, Stand, first_stage
from bench_personal_world import Act, Shelf, Shown

from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products
from middleware.catalog.bootstrap_patience import Patience
from middleware.catalog.client import Access, ask, connect
from middleware.catalog.prepare import PrepareOptions
from middleware.catalog.product_vectors import TextSource, build_vectors
from middleware.config import Settings
from middleware.experiments.assign import resolve
from middleware.learning.cascade.make import start_engine
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.profiles.build import BuildOptions, build_profiles
from middleware.learning.profiles.products import VectorsOf
from middleware.learning.shop import Shop, open_shop, section_of
from middleware.learning.shop_vectors import open_vectors
from middleware.learning.step_bar import Step
from middleware.personalization.identity import Identity
from middleware.personalization.profiles import Profile
from middleware.personalization.store import ProfileReader
from middleware.ranking import Scored
from middleware.rerank.bi_encoder import load_bi_encoder
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.vector_index import vector_index_name
from middleware.rerank.vector_reader import VectorReader
from middleware.search.document import parse_template
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.window import Window, read_window
from middleware.second_stage import Reader, SecondStage

PROFILES = f"{INDEX}-profiles"
COLOUR = "attr_t_product_colour"
TIE = "attr_n_bench_tie"
"""A number from 0 to 1 of each product that has nothing to do with it."""
WINDOW = 100
NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""The moment between the past and what comes later; no clock, so that a seed draws the same every day."""
_PATIENCE_MS = 600_000
_NOT_A_NEED = ("ubi", "user behavior", "w00t")


@dataclass(frozen=True, slots=True)
class ShopOptions:
    """`data`: folder of the catalogue, judgments and log; `model`: of a cross-encoder, made there where it is missing.

    It is made of `invented` queries. `port`: of a node that runs already. `products`: how many are taken, None: all.
    """

    data: Path
    model: Path | None = None
    port: int | None = None
    invented: int = 300
    products: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One search: as it is planned, what Elasticsearch answered, its window, and its order without any profile."""

    plan: Plan
    response: SearchResponse
    window: Window
    scored: Scored


class PersonalShop:
    """The shop as its users meet it: searches, profiles built of events and read, rankings."""

    def __init__(self, shop: Shop, stage: SecondStage, vectors: VectorReader, scratch: Path, step: Step) -> None:
        self.shop, self.step = shop, step
        self._stage, self._vectors, self._scratch = stage, vectors, scratch
        self._identity = Identity(b"the key of bench_personal")

    def find(self, queries: Sequence[str]) -> dict[str, Found]:
        """The searches that find something."""
        found = {}
        for done, query in enumerate(queries):
            self.step("searching", done, len(queries))
            plan, response = self.shop.search(query)
            window = read_window(plan, response)
            if isinstance(window, Window):
                scored = self.rank(plan, response, None, "")
                found[query] = Found(plan, response, window, scored)
        return found

    def rank(self, plan: Plan, response: SearchResponse, profile: Profile | None, user: str) -> Scored:
        """The second stage of one search, as the proxy runs it."""
        ready: Future[Profile | None] = Future()
        ready.set_result(profile)
        reader = Reader(user, ready) if profile else Reader()
        (outcome,) = self._stage.rerank([(plan, response)], reader, _PATIENCE_MS)
        if not isinstance(outcome, Scored):
            raise SystemExit(f"{plan.query_text}: {outcome}")
        return outcome

    def shelve(self, found: Mapping[str, Found]) -> tuple[Shelf, list[Shown]]:
        """All products that were found, and the searches on them; relevance is the cross-encoder's, as log odds."""
        fields, vectors = {}, {}
        for each in found.values():
            pending = self._vectors.begin(None, each.window.document_texts, {})
            read = self._vectors.read(pending, time.monotonic() + _PATIENCE_MS / 1000) if pending else None
            if read is None:
                raise SystemExit("the vectors cannot be read")
            fields |= dict(zip(each.window.object_ids, each.window.hit_fields, strict=True))
            vectors |= dict(zip(each.window.object_ids, np.nan_to_num(read.matrix), strict=True))
        ids = sorted(fields)
        place = {object_id: number for number, object_id in enumerate(ids)}
        shelf = Shelf(
            ids,
            [frozenset(fields[name].brand) for name in ids],
            [frozenset(each.partition("=")[2] for each in fields[name].attributes) for name in ids],
            np.array([fields[name].price or np.nan for name in ids]),
            np.stack([vectors[name] for name in ids]),
        )
        shown = []
        for query, each in found.items():
            odds = np.clip(each.scored.features["cross_encoder"], 0.01, 0.99)
            places = np.array([place[name] for name in each.window.object_ids])
            # The last digits depend on what was scored together.
            shown.append(Shown(query, places, np.round(np.log(odds / (1 - odds)), 3)))
        return shelf, shown

    def profiles(self, pasts: Mapping[str, Sequence[Act]], shelf: Shelf, seed: int) -> dict[str, Profile | None]:
        """Each user's profile: built of the UBI events of all as `profiles build` does it, read as a search does it."""
        log = self._scratch / f"events-{seed}.ndjson"
        with log.open("w") as file:
            for user, past in pasts.items():
                file.writelines(json.dumps(_ubi(user, number, act, shelf)) + "\n" for number, act in enumerate(past))
        settings, client = self.shop.settings, self.shop.client
        section = section_of(INDEX, settings)
        encoder = load_bi_encoder(threads=1)
        vectors = VectorsOf(
            vector_index_name(INDEX, None), encoder.revision, parse_template(section.template), section.max_field_chars
        )
        options = BuildOptions(events=log, now=NOW, seed=seed)
        build_profiles(
            client, settings, self._identity, vectors, self._scratch / "work", options, self.step, Patience(30)
        )
        client.indices.refresh(index=settings.profiles.index)
        reader = ProfileReader(settings.profiles, section.features, self._fetch, identity=self._identity)
        try:
            return {user: reader.read(user, {}, NOW) for user in pasts}
        finally:
            reader.close()

    def _fetch(self, index: str, body: Mapping[str, object], _: Mapping[str, str]) -> Mapping[str, Any]:
        client = self.shop.client
        path = f"/{index}/_search?ignore_unavailable=true"
        headers = {"content-type": "application/json", "accept": "application/json"}
        found: Mapping[str, Any] = ask(
            client, lambda: client.perform_request("POST", path, headers=headers, body=dict(body))
        )
        return found


def _ubi(user: str, number: int, act: Act, shelf: Shelf) -> dict[str, Any]:
    return {
        "event_id": f"{user}-{number}",
        "client_id": user,
        "action_name": act.action_name,
        "timestamp": int(act.at_s * 1000),
        "event_attributes": {"object": {"object_id": shelf.ids[act.place], "object_id_field": "_id"}},
    }


@contextmanager
def open_personal_shop(options: ShopOptions, step: Step) -> Iterator[PersonalShop]:
    """A shop in a node that runs already or while this does; what was made in it goes at the end, but for vectors."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-personal-")))
        port = options.port or stack.enter_context(_node())
        url = f"http://127.0.0.1:{port}"
        _fill(stack, url, options, scratch, step)
        model = options.model or scratch / "taught"
        if not (model / "model.safetensors").is_file():
            judgments = Judgments({query: query for query in read_queries(options.data)}, {}, 1, "queries")
            Stand(url, options.data, scratch).teach(model, options.invented, judgments, 0)
        shop = _open_shop(url, model, scratch)
        variant = resolve(shop.variant, section_of(INDEX, shop.settings), shop.settings)
        # Offline, a reader is opened for cosines of the query; here it serves those of the user.
        variant = replace(variant, weights={**variant.weights, "vector_cosine": 1.0})
        vectors = open_vectors(stack, shop, [variant])
        engine = start_engine(shop.settings.models["default"], ScoreMemory(1 << 28))
        stack.callback(engine.stop)
        yield PersonalShop(
            shop, SecondStage(shop.settings, {"default": engine}, vectors), vectors[INDEX], scratch, step
        )


def read_queries(data: Path) -> list[str]:
    """What people search for: the judged queries of the folder, and of its log those that were asked three times."""
    with (data / "judgments_dev.csv").open(newline="") as file:
        queries = dict.fromkeys(row["query"] for row in csv.DictReader(file))
    asked: Counter[str] = Counter()
    log = data / "ubi_log.tsv.gz"
    with gzip.open(log, "rt") if log.is_file() else nullcontext([]) as lines:
        for kind, _, document in (line.partition("\t") for line in lines):
            if kind == "ubi_queries":
                asked[json.loads(document)["user_query"].strip().lower()] += 1
    often = (query for query, count in asked.most_common() if count >= 3 and query.isascii())
    return list(dict.fromkeys([*queries, *(each for each in often if not any(word in each for word in _NOT_A_NEED))]))


def _fill(stack: ExitStack, url: str, options: ShopOptions, scratch: Path, step: Step) -> None:
    """The catalogue and its vectors; prices of Chorus are in cents, and its colours several in one string."""
    client = connect(url)
    prepare = PrepareOptions(price_divisor=100)
    bootstrap = BootstrapOptions("en", prepare=prepare, rejects=scratch / "rejects.jsonl")
    report = bootstrap_products(client, _products(options, scratch), INDEX, bootstrap)
    stack.callback(lambda: client.indices.delete(index=str(report.index)))
    stack.callback(lambda: client.indices.delete(index=PROFILES, ignore_unavailable=True))
    section = section_of(INDEX, settings(url, "starter"))
    source = TextSource(INDEX, parse_template(section.template), section.max_field_chars)
    vectors = build_vectors(
        client,
        source,
        vector_index_name(INDEX, None),
        load_bi_encoder(),
        lambda each: step("making vectors", each.done, each.total),
    )
    print(f"{report.documents} products; {vectors.encoded} vectors made in {vectors.seconds:.0f} s", file=sys.stderr)


def _products(options: ShopOptions, scratch: Path) -> Path:
    path, draw = scratch / "products.jsonl", random.Random(0)
    with gzip.open(options.data / "products.jsonl.gz", "rt") as given, path.open("w") as file:
        for line in islice(given, options.products):
            product = json.loads(line)
            if COLOUR in product:
                product[COLOUR] = [colour.strip() for colour in product[COLOUR].split(",")]
            product[TIE] = draw.random()
            file.write(json.dumps(product) + "\n")
    return path


def _open_shop(url: str, model: Path, scratch: Path) -> Shop:
    form = scratch / "search.json"
    form.write_text(json.dumps(_search()))
    return open_shop(settings(url, str(model)), Access(), INDEX, form, WINDOW)


def _search() -> dict[str, Any]:
    """The search of bench_learning.py, equal scores told apart by the product and not by where it lies in the index."""
    told_apart = {"field_value_factor": {"field": TIE, "factor": 0.01, "missing": 0}}
    return {"query": {"function_score": {**first_stage(), "functions": [told_apart], "boost_mode": "sum"}}}


def settings(url: str, model: str) -> Settings:
    """What the proxy would be started with: every weight and bound of a profile is the default one."""
    return Settings.model_validate(
        {
            "upstream": {"urls": [url]},
            "models": {"default": {"source": model, "max_tokens": MAX_TOKENS, "device": "cpu", "precision": "exact"}},
            "variants": {"default": {"window": WINDOW, "cascade": {"enabled": False}}},
            "rankings": {"ttl_s": 0},
            "profiles": {"index": PROFILES, "products_index": INDEX, "events_index": f"{INDEX}-events"},
            "indices": {
                INDEX: {
                    "template": TEMPLATE,
                    "vectors": {"encoder": "starter"},
                    "features": {"brand": "brand", "price": "price", "category": None, "attributes": [COLOUR]},
                }
            },
        }
    )


@contextmanager
def _node() -> Iterator[int]:
    from middleware.nodes.launch import start_node

    with start_node("opensearch", heap="768m", die_with_us=True, quiet=True) as node:
        yield node.port
