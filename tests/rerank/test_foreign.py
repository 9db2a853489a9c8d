"""What third-party code raises is translated and logged in one place, whichever part of a model ran it."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from fake_backend import FakeBackend

from middleware.errors import BackendError, DeadlineExceeded
from middleware.rerank.foreign import translated


class Failing(FakeBackend):
    """Fails to tokenise the query `encode` and to score the query `score`."""

    def encode(self, query_text, document_texts):
        if query_text == "encode":
            raise ValueError("not a text")
        return super().encode(query_text, document_texts)

    def score(self, batch):
        if batch[0]["query"] == "score":
            raise np.exceptions.TooHardError("no memory")
        return super().score(batch)


@pytest.mark.parametrize(
    ("query", "what", "message"),
    [("encode", "the tokenizer", "ValueError: not a text"), ("score", "a batch", "TooHardError: no memory")],
)
def test_a_failure_of_either_part_is_logged_once_and_named_to_the_search(running, caplog, query, what, message):
    with pytest.raises(BackendError, match=f"^org/fake: {message}$"):
        running(Failing()).score(query, ["a"], budget_ms=5000)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == f"{what} of model org/fake failed"
    assert record.exc_info is not None


def test_errors_of_ours_pass_as_they_are_and_are_not_logged(caplog):
    with pytest.raises(DeadlineExceeded, match="late"), translated("org/fake", "a batch"):
        raise DeadlineExceeded("late")
    assert not caplog.records


def test_an_interrupt_is_no_failure_of_the_model(caplog):
    with pytest.raises(KeyboardInterrupt), translated("org/fake", "a batch"):
        raise KeyboardInterrupt
    assert not caplog.records
