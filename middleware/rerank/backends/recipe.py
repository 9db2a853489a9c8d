"""How the operations of a graph are computed: the numbers and the layout that suit its runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from middleware.rerank.backends.folding import Ranges


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the linear operations of the layers are computed; everything else is fp32.

    "weights": 8-bit weights, one scale an output, in standard operations: how to multiply is left to the runtime.
    "int8" without `ranges`: 8-bit activations too, one scale a token, found as it runs; in ONNX Runtime's operations.
    "int8" with `ranges`: activation scales fixed beforehand, after smoothing (Xiao et al., SmoothQuant, ICML 2023) by
    `smoothing` (0: none, 1: all of the columns' differences go into the weights), where `dynamic` does not name the
    operation's kind. `weight_limit` 63 keeps sums of two products within 16 bits, for CPUs without VNNI.
    `packed`: rows are tokens, no padding among them, and attention is one operation; otherwise rows are slots, and
    attention is made of operations that every runtime has.
    `observe`: an output OBSERVED + name for each linear operation, for calibration.
    """

    arithmetic: Literal["fp32", "weights", "int8"] = "fp32"
    ranges: Ranges | None = None
    observe: bool = False
    smoothing: float = 0.85
    dynamic: frozenset[str] = frozenset({"down"})
    weight_limit: int = 127
    packed: bool = True
