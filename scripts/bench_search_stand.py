"""What bench_search.py and bench_scale.py measure on: a real node with a catalogue, and real proxies before it."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_engine import CHORUS, calibrate, product_texts
from bench_engine_quality import trained_demo_model
from bench_estimator import place_estimator
from bench_proxy import REPO, free_port, running
from bench_search_client import PAGE, Catalogue, Connection

from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products
from middleware.catalog.client import connect
from middleware.catalog.prepare import PrepareOptions
from middleware.config import Settings
from middleware.learning.shop import PLACEHOLDER, Shop

MAX_TOKENS = 128
START_TIMEOUT_S = 120.0


def find_catalogue(folder: Path, scratch: Path) -> Catalogue:
    """The Chorus catalogue with its log's queries, or where that is not there the demo's own."""
    if (folder / "products.jsonl.gz").is_file() and (folder / "ubi_log.tsv.gz").is_file():
        return Catalogue(
            "Chorus",
            folder / "products.jsonl.gz",
            "{title}[ | {brand}][ | {short_description}]",
            ("title^3", "name^2", "brand^2", "short_description", "attributes_text"),
            logged_queries(folder / "ubi_log.tsv.gz"),
            PrepareOptions(price_divisor=100),
        )
    print(f"({folder} is not there: the demo's catalogue, of which each query counts once)\n")
    return demo_catalogue(scratch)


def demo_catalogue(scratch: Path) -> Catalogue:
    """The demo's own products and queries."""
    from middleware.catalog.demo import generate, write
    from middleware.demo.client import FIELDS
    from middleware.learning.demo.pairs import TEMPLATE

    catalog = generate()
    write(catalog, scratch)
    queries = Counter(query.text for query in catalog.queries)
    return Catalogue("the demo's", scratch / "products.jsonl", TEMPLATE, FIELDS, queries)


def logged_queries(path: Path) -> Counter[str]:
    """How often each query was sent, by a log in the User Behavior Insights schema, as `index<TAB>json`."""
    queries: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            index, _, record = line.partition("\t")
            if index == "ubi_queries":
                queries[" ".join(json.loads(record)["user_query"].split())] += 1
    del queries[""]
    return queries


@contextmanager
def node(port: int | None) -> Iterator[int]:
    """The port of a node that runs already, or of one that runs while this does."""
    if port is not None:
        yield port
        return
    from middleware.nodes.launch import start_node

    with start_node("elasticsearch", heap="1g", die_with_us=True, quiet=True) as started:
        yield started.port


@contextmanager
def filled(port: int, catalogue: Catalogue, scratch: Path) -> Iterator[int]:
    """Fills the catalogue's alias as `es-rerank bootstrap` does; yields how many documents, removes them at the end."""
    client = connect(f"http://127.0.0.1:{port}")
    options = BootstrapOptions(prepare=catalogue.options, rejects=scratch / f"{catalogue.index}-rejects.jsonl")
    report = bootstrap_products(client, catalogue.products, catalogue.index, options)
    try:
        client.indices.forcemerge(index=catalogue.index, max_num_segments=1)
        yield report.documents
    finally:
        client.indices.delete(index=str(report.index))


def calibrated_model(given: Path | None, scratch: Path) -> Path:
    """The model given or the demo's, with the catalogue's calibration beside it; ends the program where none is."""
    source = given or trained_demo_model()
    if source is None:
        sys.exit("no trained model: run `es-rerank models demo` once, or give --model")
    folder = scratch / "model"
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file.resolve())
    calibrate(folder, product_texts(CHORUS / "products.jsonl.gz"))
    return folder


@dataclass(frozen=True)
class Variant:
    """One configuration of the second stage: sections `models.NAME` and `variants.NAME`, beside source and window."""

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    variant: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Proxy:
    """A running proxy that serves one variant: memories, metrics and CPU time are that variant's alone."""

    variant: Variant
    ttl_s: int
    port: int
    pid: int

    def scored_pairs(self) -> int:
        """Pairs that the model scored so far, by the proxy's metrics."""
        text = Connection(self.port).get("/_rerank/metrics").decode()
        lines = [line for line in text.splitlines() if line.startswith("es_rerank_pairs_total{")]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if 'fate="scored"' in line)


def serve(stack: ExitStack, scratch: Path, upstream: int, sections: Mapping[str, Any]) -> tuple[int, int]:
    """Port and pid of a proxy with these sections of rerank.yml; it may still be loading, see `wait_until_ready`."""
    port = free_port()
    settings = {
        "upstream": {"urls": [f"http://127.0.0.1:{upstream}"]},
        "server": {"bind": f"127.0.0.1:{port}"},
        "budget_ms": 60_000,
        **sections,
    }
    file = scratch / f"{port}.yml"
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "middleware", "serve", "--config", str(file)]
    return port, stack.enter_context(running(command, port, scratch / f"{port}.log", cwd=REPO))


@dataclass(frozen=True)
class Stand:
    """A filled node at `port` of this machine, and what proxies before it need; they end with `stack`."""

    stack: ExitStack
    scratch: Path
    catalogue: Catalogue
    model: Path
    port: int
    documents: int

    def start(self, variant: Variant, window: int, ttl_s: int = 60) -> Proxy:
        """`python -m middleware serve` with this one variant; it may still be loading, see `wait_until_ready`."""
        port, pid = serve(self.stack, self.scratch, self.port, self._sections(variant, window, ttl_s))
        return Proxy(variant, ttl_s, port, pid)

    def teach(self, window: int) -> None:
        """Lay an estimator beside the model, for the cascade."""
        settings = Settings.model_validate(self._sections(Variant("taught", {"precision": "balanced"}), window, 0))
        form = self.catalogue.body(PLACEHOLDER, PAGE).decode()
        shop = Shop(connect(f"http://127.0.0.1:{self.port}"), settings, self.catalogue.index, form, window)
        queries = [query for query, _ in self.catalogue.queries.most_common()]
        place_estimator(self.model, shop, settings.models["default"], queries)

    def _sections(self, variant: Variant, window: int, ttl_s: int) -> dict[str, Any]:
        model = {"source": str(self.model), "max_tokens": MAX_TOKENS, "device": "cpu", **variant.model}
        return {
            "models": {"default": model},
            "variants": {variant.name: {"model": "default", "window": window, **variant.variant}},
            "default_variant": variant.name,
            "indices": {self.catalogue.index: {"template": self.catalogue.template}},
            "rankings": {"ttl_s": ttl_s},
        }


@contextmanager
def stand(data: Path, model: Path | None, elasticsearch: int | None) -> Iterator[Stand]:
    """A node with a catalogue, and a model calibrated on it; all that runs is ended at the end."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-search-")))
        catalogue = find_catalogue(data, scratch)
        calibrated = calibrated_model(model, scratch)
        port = stack.enter_context(node(elasticsearch))
        documents = stack.enter_context(filled(port, catalogue, scratch))
        yield Stand(stack, scratch, catalogue, calibrated, port, documents)


def wait_until_ready(ports: Iterable[int]) -> None:
    """Return when the proxies at all ports have loaded their models; ends the program where one cannot."""
    deadline = time.monotonic() + START_TIMEOUT_S
    for port in ports:
        while not (state := json.loads(Connection(port).get("/_rerank/models"))["models"]["default"])["ready"]:
            if state.get("error") or time.monotonic() > deadline:
                sys.exit(f"the model is not ready: {state.get('error')}")
            time.sleep(0.1)
