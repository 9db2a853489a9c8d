"""Valid requests broken in every way that a wire, a client or an attacker can; the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import fuzz_content
import fuzz_wire
from fuzz_drafts import DRAFTS, Draft

MUTATIONS: tuple[Callable[[Draft, random.Random], Draft], ...] = (
    fuzz_wire.flip,
    fuzz_wire.cut,
    fuzz_wire.long_line,
    fuzz_wire.long_head,
    fuzz_wire.long_body,
    fuzz_wire.wrong_length,
    fuzz_wire.wrong_chunks,
    fuzz_wire.smuggle,
    fuzz_content.broken_encoding,
    fuzz_content.broken_format,
    fuzz_content.bad_text,
    fuzz_content.deep,
    fuzz_content.huge_number,
    fuzz_content.missing_lines,
    fuzz_content.absurd_type,
    fuzz_wire.doubled,
    fuzz_wire.odd_head,
    fuzz_wire.our_headers,
    fuzz_content.odd_parameters,
    fuzz_content.other_values,
    fuzz_wire.pipelined,
)


def mutants(seed: int, count: int) -> Iterator[Draft]:
    """`count` broken requests, every mutation in turn; some broken twice."""
    draw = random.Random(seed)
    for number in range(count):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        draft, how = mutation(draw.choice(DRAFTS), draw), mutation.__name__
        if draw.random() < 0.2:
            try:
                second = draw.choice(MUTATIONS)
                draft, how = second(draft, draw), f"{how} {second.__name__}"
            except (ValueError, IndexError, RecursionError):
                how += " alone"  # what the second works on is broken already
        yield replace(draft, how=how)
