"""Which pairs go through the model together: like lengths, so that little is padded. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from middleware.rerank.pairs import Pair


def cut_batch(candidates: Sequence[Pair], head: Pair, max_tokens: float) -> Sequence[Pair]:
    """The batch that holds `head`, where `candidates` are cut, longest first, into batches of at most `max_tokens`.

    Tokens count padded: pairs times the longest. A single pair may exceed the bound. What is left of the candidates is
    cut alike at the next call, so that a lone search is read in as few, and as even, batches as its lengths allow.
    """
    batch: list[Pair] = []
    has_head = False
    for pair in sorted(candidates, key=lambda candidate: -candidate.length):
        if batch and batch[0].length * (len(batch) + 1) > max_tokens:
            if has_head:
                break
            batch = []
        batch.append(pair)
        has_head = has_head or pair is head
    return batch
