"""A shop in memory for searches of configurations: real second stage and tiny real model, a made-up Elasticsearch."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from middleware.config import Settings
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.shop import Shop, default_form
from middleware.learning.tuning.tune import Options

COLOURS = ("red", "blue", "green")
THINGS = ("phone", "case", "cable", "shoe", "leather", "iphone")
TEMPLATE = "{title}[ | {brand}][ | {description}]"


def documents(count: int = 240, seed: int = 5) -> dict[str, dict[str, str]]:
    """Titles tell what a product is; descriptions name all sorts of things, so that they mislead."""
    rng, made = random.Random(seed), {}
    for number in range(count):
        noise = " ".join(rng.choices([*COLOURS, *THINGS, "for", "the", "usb", "pro"], k=6))
        title = f"{rng.choice(COLOURS)} {rng.choice(THINGS)} {rng.choice(('pro', 'max', 'usb'))}"
        made[f"d{number}"] = {"title": title, "brand": rng.choice(("acme", "borg")), "description": noise}
    return made


class MemoryClient:
    """Answers the searches that tuning sends: by ids, and by words, misled by descriptions.

    `sampled`: texts searched with whole sources, to see what fields there are; `searched`: all others.
    """

    def __init__(self, held: dict[str, dict[str, str]]) -> None:
        self.held = held
        self.searched: list[str] = []
        self.sampled: list[str] = []
        self.indices = SimpleNamespace(get_mapping=lambda index: SimpleNamespace(body={index: {"mappings": {}}}))

    def options(self, **_: Any) -> MemoryClient:
        return self

    def perform_request(self, method: str, target: str, *, headers: Any = None, body: Any = None) -> Any:
        query = body["query"]
        if "bool" in query and "ids" in json.dumps(query):
            ids = query["bool"]["filter"][0]["ids"]["values"]
            return self._answer([(name, 1.0) for name in ids if name in self.held], len(ids))
        if "function_score" in query:
            return self._answer([(name, 1.0) for name in self.held], body["size"])
        text = query["multi_match"]["query"]
        (self.sampled if body.get("_source") is True else self.searched).append(text)
        scored = [(name, self._score(text, document)) for name, document in self.held.items()]
        found = sorted((each for each in scored if each[1] > 0), key=lambda each: (-each[1], each[0]))
        return self._answer(found, body["size"])

    def _score(self, text: str, document: dict[str, str]) -> float:
        words = text.split()
        title, noise = document["title"].split(), document["description"].split()
        return float(sum(word in title for word in words) + 0.7 * sum(noise.count(word) for word in words))

    def _answer(self, found: list[tuple[str, float]], size: int) -> Any:
        hits = [
            {"_index": "products", "_id": name, "_score": score, "_source": self.held[name]}
            for name, score in found[:size]
        ]
        total = {"value": len(found), "relation": "eq"}
        answer = {"took": 1, "timed_out": False, "hits": {"total": total, "max_score": None, "hits": hits}}
        return SimpleNamespace(body=answer)


def make_shop(model: Path, *, window: int = 20, **variant: Any) -> Shop:
    """The shop; `variant`: more of the default variant's settings."""
    settings = Settings.model_validate(
        {
            "models": {"tiny": {"source": str(model), "backend": "torch", "device": "cpu"}},
            "variants": {"default": {"window": window, **variant}},
            "indices": {"products": {"template": TEMPLATE}},
        }
    )
    return shop_of(settings)


def shop_of(settings: Settings) -> Shop:
    from middleware.fusions import load_fusions

    client: Any = MemoryClient(documents())
    form = default_form(settings.indices["products"])
    return Shop(client, settings, "products", form, 1, load_fusions(settings))


def make_judgments(flip: frozenset[str] = frozenset(), found: int = 25) -> Judgments:
    """A query for each colour and thing; a document is as good as the share of the words in its title.

    Of the queries in `flip` the grades are turned round.
    """
    held, queries, qrels = documents(), {}, {}
    client = MemoryClient(held)
    for colour in COLOURS:
        for thing in THINGS:
            name = f"{colour}-{thing}"
            queries[name] = f"{colour} {thing}"
            answer = client.perform_request(
                "POST", "", body={"query": {"multi_match": {"query": queries[name]}}, "size": found}
            )
            grades = {hit["_id"]: _grade(queries[name], hit["_source"]) for hit in answer.body["hits"]["hits"]}
            qrels[name] = {each: 2 - grade if name in flip else grade for each, grade in grades.items()}
    return Judgments(queries, qrels, 2, "made up")


def _grade(query: str, document: dict[str, str]) -> int:
    return sum(word in document["title"].split() for word in query.split())


class Quiet:
    """Shows nothing; remembers what was said of trials."""

    def __init__(self) -> None:
        self.said: list[tuple[int, int, float | None, float | None]] = []

    def step(self, what: str, done: int, steps: int) -> None:
        pass

    def trials(self, done: int, goal: int, best: float | None, seconds_left: float | None) -> None:
        self.said.append((done, goal, best, seconds_left))


def options(study: Path, **given: Any) -> Options:
    """Small enough for a test."""
    return Options(study, **{"trials": 6, "folds": 2, "hits": 40, **given})
