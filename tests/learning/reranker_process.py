"""A training as a process of its own, which tests kill, resume, and run twice at once under torchrun."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from tiny_groups import tiny_groups  # noqa: E402

from middleware.learning.reranker.train import Recipe, train_reranker  # noqa: E402


def train(recipe: dict, output: str, kill_at: int = -1) -> None:
    """On sixty tiny groups; `kill_at`: the update after which the process kills itself."""

    def show(moment) -> None:
        if moment.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    train_reranker(tiny_groups(60, 1), tiny_groups(10, 2), Recipe(**recipe), Path(output), show)


if __name__ == "__main__":
    train(**json.loads(sys.argv[1]))
