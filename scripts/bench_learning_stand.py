"""What bench_learning.py learns on: the Chorus catalogue in a real OpenSearch, its vectors, its cross-encoder."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections import Counter
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
from middleware.features.words import comparable, split_words, word_id
from middleware.learning.fusion_windows import JudgedWindow, collect, in_index, open_source
from middleware.learning.judgments import Judgments, read_judgments
from middleware.learning.make_groups import GroupOptions, Sources, make_groups
from middleware.learning.reranker import train_reranker
from middleware.learning.reranker_recipe import Recipe
from middleware.learning.shop import PLACEHOLDER, Shop, open_shop, section_of
from middleware.rerank.bi_encoder import load_bi_encoder
from middleware.rerank.vector_index import vector_index_name
from middleware.search.document import parse_template

INDEX = "bench-learning"
WINDOW = 100
TEMPLATE = "{title}[ | {brand}][ | {short_description}]"
FIRST_STAGE = ("title^3", "name^2", "brand^2", "short_description", "attributes_text")
_READ = ("title", "brand", "short_description")
# An attribute that fewer products have is left out: each is a field that every hit has to bring.
_LEAST_SHARE = 0.01
MAX_TOKENS = 64


def words_of(query_text: str) -> frozenset[int]:
    """A query as its words, singular: those of `phones for gaming` and `gaming phone for` are the same."""
    return frozenset(map(word_id, split_words(comparable(query_text))))


def say(what: str, done: int = 0, steps: int = 0) -> None:
    """Progress, on standard error: the tables alone are on standard output."""
    if steps and done % max(steps // 10, 1) == 0:
        print(f"{what}: {done} of {steps}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Stand:
    """A cluster at `url` that holds the catalogue and its vectors, and where words are looked for."""

    url: str
    data: Path
    fields: Sequence[str]
    scratch: Path

    def shop(self, model: str) -> Shop:
        """The catalogue as a shop that serves this model."""
        form = self.scratch / "search.json"
        form.write_text(json.dumps(first_stage()))
        return open_shop(settings(self.url, model), Access(), INDEX, form, WINDOW)

    def judgments(self) -> Judgments:
        """Those of the development set on products that there are."""
        return in_index(self.shop("starter"), read_judgments(self.data / "judgments_dev.csv"), "_id")

    def windows(self, model: Path, names: Sequence[str], judgments: Judgments) -> list[JudgedWindow]:
        """The judged searches with the features that the proxy makes of them."""
        with open_source(self.shop(str(model)), names, self.fields, "_id") as source:
            return collect(source, judgments, say)

    def teach(self, folder: Path, invented: int, judgments: Judgments, seed: int) -> Path:
        """A cross-encoder that knows the catalogue alone: no judgment, and no query with the words of a judged one."""
        made = make_groups(self.shop("starter"), Sources(invented=invented), GroupOptions(seed=seed), say)
        judged = {words_of(query) for query in judgments.queries.values()}
        groups = [group for group in made.groups if words_of(group.query_text) not in judged]
        print(f"{made}; {len(made.groups) - len(groups)} left out, for they ask what a judged query asks\n")
        recipe = Recipe(loss="kl", batch_size=64, max_tokens=MAX_TOKENS, seed=seed)
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
        yield Stand(url, data, (*_READ, *frequent_attributes(data / "products.jsonl.gz")), scratch)


@contextmanager
def _node() -> Iterator[int]:
    from middleware.nodes.launch import start_node

    with start_node("opensearch", heap="1g", die_with_us=True, quiet=True) as node:
        yield node.port


def frequent_attributes(products: Path) -> list[str]:
    """The text attributes of at least one product in a hundred; `attributes_text` is no part of a hit."""
    counts: Counter[str] = Counter()
    with gzip.open(products, "rt", encoding="utf-8") as lines:
        for line in lines:
            counts.update(name for name in json.loads(line) if name.startswith("attr_t_"))
            counts[""] += 1
    return [name for name, count in counts.items() if name and count >= _LEAST_SHARE * counts[""]]


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
