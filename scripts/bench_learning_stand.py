"""What bench_learning.py learns on: the Chorus catalogue in a real OpenSearch, its vectors, its cross-encoder."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products
from middleware.catalog.client import Access, connect
from middleware.catalog.prepare import PrepareOptions
from middleware.catalog.product_vectors import TextSource, build_vectors
from middleware.config import Settings
from middleware.features.words import word_set
from middleware.learning.evaluation.judgments import Judgments, read_judgments
from middleware.learning.fusion.fields import choose_fields
from middleware.learning.fusion.windows import (
    JudgedWindow,
    collect,
    default_features,
    in_index,
    open_source,
    possible_features,
)
from middleware.learning.groups.make import GroupOptions, Sources, make_groups
from middleware.learning.reranker.recipe import Recipe
from middleware.learning.reranker.train import train_reranker
from middleware.learning.shop import PLACEHOLDER, Shop, open_shop, section_of
from middleware.rerank.bi_encoder import load_bi_encoder
from middleware.rerank.vector_index import vector_index_name
from middleware.search.document import parse_template

INDEX = "bench-learning"
WINDOW = 100
TEMPLATE = "{title}[ | {brand}][ | {short_description}]"
FIRST_STAGE = ("title^3", "name^2", "brand^2", "short_description", "attributes_text")
MAX_TOKENS = 64


def say(what: str, done: int = 0, steps: int = 0) -> None:
    """Progress, on standard error: the tables alone are on standard output."""
    if steps and done % max(steps // 10, 1) == 0:
        print(f"{what}: {done} of {steps}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Stand:
    """A cluster at `url` that holds the catalogue and its vectors."""

    url: str
    data: Path
    scratch: Path

    def shop(self, model: str) -> Shop:
        """The catalogue as a shop that serves this model."""
        form = self.scratch / "search.json"
        form.write_text(json.dumps(first_stage()))
        return open_shop(settings(self.url, model), Access(), INDEX, form, WINDOW)

    def features(self) -> list[str]:
        """Those of which `train fusion` makes a model if nobody says."""
        return default_features(self.shop("starter").settings, INDEX)

    def judgments(self) -> Judgments:
        """Those of the development set on products that there are."""
        return in_index(self.shop("starter"), read_judgments(self.data / "judgments_dev.csv"), "_id")

    def fields(self, judgments: Judgments) -> Sequence[str]:
        """Where `train fusion` looks for words if nobody says."""
        return choose_fields(self.shop("starter"), list(judgments.queries.values()))

    def windows(self, model: Path, fields: Sequence[str], judgments: Judgments) -> list[JudgedWindow]:
        """The judged searches with all the features that the proxy makes of them."""
        shop = self.shop(str(model))
        with open_source(shop, possible_features(shop.settings, INDEX), fields, "_id") as source:
            return collect(source, judgments, say)

    def teach(self, folder: Path, invented: int, judgments: Judgments, seed: int) -> Path:
        """A cross-encoder that knows the catalogue alone: no judgment, and no query with the words of a judged one."""
        made = make_groups(self.shop("starter"), Sources(invented=invented), GroupOptions(seed=seed), say)
        judged = {word_set(query) for query in judgments.queries.values()}
        groups = [group for group in made.groups if word_set(group.query_text) not in judged]
        print(f"{made}; {len(made.groups) - len(groups)} left out, for they ask what a judged query asks\n")
        recipe = Recipe(max_tokens=MAX_TOKENS, seed=seed)
        train_reranker(groups, [], recipe, folder, lambda moment: say("training", moment.step, moment.steps))
        return folder


@contextmanager
def stand(data: Path, port: int | None) -> Iterator[Stand]:
    """A node that runs already or one that runs while this does, filled; what was made in it goes at the end."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-learning-")))
        port = port or stack.enter_context(_node())
        url = f"http://127.0.0.1:{port}"
        client = connect(url)
        options = BootstrapOptions("en", prepare=PrepareOptions(price_divisor=100), rejects=scratch / "rejects.jsonl")
        report = bootstrap_products(client, data / "products.jsonl.gz", INDEX, options)
        stack.callback(lambda: client.indices.delete(index=str(report.index)))
        vectors = vector_index_name(INDEX, None)
        stack.callback(lambda: client.indices.delete(index=vectors, ignore_unavailable=True))
        section = section_of(INDEX, settings(url, "starter"))
        source = TextSource(INDEX, parse_template(section.template), section.max_field_chars)
        print(f"{report.documents} products; {build_vectors(client, source, vectors, load_bi_encoder())}")
        yield Stand(url, data, scratch)


@contextmanager
def _node() -> Iterator[int]:
    from middleware.nodes.launch import start_node

    with start_node("opensearch", heap="1g", die_with_us=True, quiet=True) as node:
        yield node.port


def first_stage() -> dict[str, Any]:
    """The search of DESIGN.md, section 7."""
    match = {"query": PLACEHOLDER, "type": "cross_fields", "fields": list(FIRST_STAGE)}
    return {"query": {"multi_match": match}}


def settings(url: str, model: str) -> Settings:
    """What the proxy would be started with."""
    return Settings.model_validate(
        {
            "upstream": {"urls": [url]},
            "models": {"default": {"source": model, "max_tokens": MAX_TOKENS, "device": "cpu", "precision": "exact"}},
            "variants": {"learned": {"model": "default", "window": WINDOW}},
            "default_variant": "learned",
            "indices": {
                INDEX: {
                    "template": TEMPLATE,
                    "vectors": {"encoder": "starter"},
                    "features": {"brand": "brand", "price": "price", "date": "date_released"},
                }
            },
        }
    )
