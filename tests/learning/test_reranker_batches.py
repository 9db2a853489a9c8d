"""The order of a training's pairs: everything once an epoch, alike on any number of processes, with little padding."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tiny_groups import tiny_groups
from tiny_model import save_tiny_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from middleware.config import ModelSettings  # noqa: E402
from middleware.learning.reranker.batches import Batches, encode_groups  # noqa: E402
from middleware.learning.reranker.recipe import Recipe  # noqa: E402
from middleware.rerank.backends.source import open_source  # noqa: E402

GROUPS = tiny_groups(40, 5, most=12)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = save_tiny_bert(tmp_path_factory.mktemp("tiny"))
    return open_source(ModelSettings(source=str(folder), max_tokens=12), "torch").tokenizer


@pytest.fixture(scope="module")
def encoded(tokenizer):
    return encode_groups(tokenizer, GROUPS)


def rows_of(shares) -> list[int]:
    return [row for (share,) in shares for piece in share.pieces for row in piece]


def test_pairs_are_cut_and_laid_out_as_they_are_served(tokenizer, encoded):
    served = [tokens for group in GROUPS for tokens in tokenizer.encode(group.query_text, group.document_texts)]
    assert len(encoded.tokens) == len(served)
    for mine, theirs in zip(encoded.tokens, served, strict=True):
        assert {name: row.tolist() for name, row in zip(encoded.names, mine, strict=True)} == {
            name: list(values) for name, values in theirs.items() if name != "attention_mask"
        }
    assert encoded.lengths.max() == 12


@pytest.mark.parametrize("loss", ["bce", "listnet"])
def test_every_pair_comes_once_an_epoch_in_another_order(encoded, loss):
    batches = Batches(encoded, Recipe(loss=loss, batch_size=16))
    orders = []
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        shares = list(batches)
        assert len(shares) == len(batches)
        orders.append(rows_of(shares))
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(len(encoded.tokens)))
    assert orders[0] != orders[1]
    assert rows_of(Batches(encoded, Recipe(loss=loss, batch_size=16))) == orders[0]
    assert rows_of(Batches(encoded, Recipe(loss=loss, batch_size=16, seed=1))) != orders[0]


@pytest.mark.parametrize("loss", ["bce", "listnet"])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_step_of_the_one_order(encoded, loss, world):
    recipe = Recipe(loss=loss, batch_size=16, accumulation=2)
    whole = list(Batches(encoded, recipe))
    parts = [list(Batches(encoded, recipe, rank, world)) for rank in range(world)]
    for (alone,), *shares in zip(whole, *parts, strict=True):
        together = [
            (tuple(piece), weight)
            for (share,) in shares
            for piece, weight in zip(share.pieces, share.weights, strict=True)
            if weight
        ]
        assert Counter(together) == Counter(zip(map(tuple, alone.pieces), alone.weights, strict=True))
        assert {share.in_update for (share,) in shares} == {alone.in_update}


def test_an_update_knows_how_many_pieces_its_steps_have(encoded):
    batches = Batches(encoded, Recipe(batch_size=16, accumulation=3))
    sizes = [(len(share.pieces), share.in_update) for (share,) in batches]
    updates = [sizes[start : start + 3] for start in range(0, len(sizes), 3)]
    assert len(updates) == batches.updates
    assert all({in_update for _, in_update in update} == {sum(size for size, _ in update)} for update in updates)


def test_a_process_without_a_piece_has_one_that_counts_nothing(encoded):
    shares = [share for (share,) in Batches(encoded, Recipe(loss="kl", batch_size=1), rank=1, world=2)]
    assert all(share.pieces and share.weights == [0.0] for share in shares)


def test_of_a_large_group_the_best_and_others_are_drawn_anew_each_epoch(encoded):
    batches = Batches(encoded, Recipe(loss="ranknet", group_limit=4, batch_size=8))
    drawn = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        pieces = [tuple(piece) for (share,) in batches for piece in share.pieces]
        assert max(map(len, pieces)) == 4
        assert all(1.0 in encoded.targets[list(piece)] or 0.5 in encoded.targets[list(piece)] for piece in pieces)
        drawn.append({frozenset(piece) for piece in pieces})
    assert drawn[0] != drawn[1]


def test_weights_are_relative(tokenizer):
    from dataclasses import replace

    weighted = [replace(group, weight=8.0 if number % 2 else 2.0) for number, group in enumerate(GROUPS)]
    found = encode_groups(tokenizer, weighted)
    assert found.weights[1] == pytest.approx(4 * found.weights[0])
    assert np.average(found.weights, weights=np.diff(found.starts)) == pytest.approx(1.0)


def test_passes_pad_little_and_give_every_logit_its_place(encoded):
    rows = list(range(30))
    (one,), places = encoded.passes(rows)
    lengths = one["attention_mask"].sum(dim=1)
    assert lengths.tolist() == sorted(lengths.tolist(), reverse=True)
    for row, place in zip(rows, places, strict=True):
        length = encoded.tokens[row].shape[1]
        assert int(lengths[place]) == length
        assert one["input_ids"][place, :length].tolist() == encoded.tokens[row][0].tolist()
        assert not one["attention_mask"][place, length:].any()


def test_pairs_of_like_length_share_a_step(encoded):
    spread = [np.ptp(encoded.lengths[piece]) for piece in np.array_split(np.arange(len(encoded.tokens)), 16)]
    alike = [np.ptp(encoded.lengths[rows_of([each])]) for each in Batches(encoded, Recipe(batch_size=16))]
    assert np.mean(alike) < 0.5 * np.mean(spread)
