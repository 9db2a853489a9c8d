"""A backend without a model, for tests of what is around one."""

from __future__ import annotations

import time
from threading import Lock

import numpy as np


class FakeBackend:
    """A pair's score is its document's length / 1000; `on_score` may interfere; batches are remembered."""

    name = "fake"
    threads = 1

    def __init__(self, on_score=None, workers=1, remembers=True):
        self.on_score = on_score
        self.remembers = remembers
        self.workers = workers
        self.batch_tokens = 512
        self.batches = []
        self.encoded = []
        self.encoding = Lock()
        self.running = 0
        self.most_running = 0

    def encode(self, query_text, document_texts):
        assert self.encoding.acquire(blocking=False), "two threads tokenise at once"
        try:
            if self.remembers:
                self.encoded.append(query_text)
            return [{"input_ids": list(range(len(text))), "query": query_text} for text in document_texts]
        finally:
            self.encoding.release()

    def score(self, batch):
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        if self.remembers:
            self.batches.append([pair["query"] for pair in batch])
        try:
            scores = np.array([len(pair["input_ids"]) / 1000 for pair in batch])
            if self.on_score is not None and not batch[0]["query"].startswith("warm"):
                return self.on_score(batch[0]["query"], scores)
            return scores
        finally:
            self.running -= 1

    def served(self, query):
        return sum(batch.count(query) for batch in self.batches)


def wait_until(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("did not happen within 10 s")


def blocking_after(batches, gate):
    """Lets so many batches through, then waits for the gate."""
    left = [batches]

    def block(query, scores):
        left[0] -= 1
        if left[0] < 0:
            gate.wait(30)
        return scores

    return block
