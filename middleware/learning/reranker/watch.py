"""Who watches a reranker's training: says when to check and to save, when to stop, and writes down how it went."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from middleware.learning.reranker.recipe import Recipe
from middleware.learning.reranker.trainer import NDCG

METRICS_FILE, TENSORBOARD_FOLDER = "metrics.jsonl", "tensorboard"
COMPLETE_FILE = "complete"
"""In a checkpoint that is whole; one without was being written when the training was killed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a training is: `step` updates of `steps`, the last loss and held-out nDCG@10; None where not yet known."""

    step: int
    steps: int
    loss: float | None = None
    ndcg: float | None = None


Show = Callable[[Moment], None]


@dataclass(frozen=True, slots=True)
class Point:
    """A line of metrics.jsonl. `loss`: mean of the updates since the last line; `seconds`: since the training began."""

    step: int
    epoch: float
    seconds: float
    loss: float | None = None
    learning_rate: float | None = None
    ndcg: float | None = None


class Metrics:
    """metrics.jsonl and TensorBoard's events in a training's folder; a resumed one forgets what came after `step`."""

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / METRICS_FILE
        self.points = [point for point in read_points(self._path) if point.step <= step]
        self._path.write_text("".join(map(_line, self.points)), encoding="utf-8")
        self._started = time.monotonic() - (self.points[-1].seconds if self.points else 0.0)
        self._board = _open_board(folder / TENSORBOARD_FOLDER, step)

    @property
    def seconds(self) -> float:
        """Since the training began, without the time between a kill and a resume."""
        return time.monotonic() - self._started

    def add(self, point: Point) -> None:
        self.points.append(point)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(point))
        for name in ("loss", "learning_rate", "ndcg"):
            value = getattr(point, name)
            if self._board and value is not None:
                self._board.add_scalar(name, value, point.step)

    def close(self) -> None:
        if self._board:
            self._board.close()


def read_points(path: Path) -> list[Point]:
    """What metrics.jsonl holds; a last line that was cut off by a kill is left out."""
    points: list[Point] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                points.append(Point(**json.loads(line)))
            except (ValueError, TypeError):
                break
    return points


def _line(point: Point) -> str:
    return json.dumps({name: value for name, value in asdict(point).items() if value is not None}) + "\n"


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


def make_watch(recipe: Recipe, updates_per_epoch: int, metrics: Metrics | None, show: Show) -> Any:
    """The trainer's callback. `metrics`: None in all processes but the first, which alone write and show."""
    import transformers

    marks = check_steps(recipe, updates_per_epoch)
    steps = updates_per_epoch * recipe.epochs

    class Watch(transformers.TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.moment = Moment(0, steps)

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._stop_where_it_is_enough(state, control)  # killed after its last check, before it was at its end
            self._show(step=state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step in marks:
                control.should_log = control.should_save = True
                control.should_evaluate = args.load_best_model_at_end
            self._show(step=state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                self._show(loss=logs["loss"])
                self._write(state, loss=logs["loss"], learning_rate=logs["learning_rate"])

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
            self._show(ndcg=metrics[f"eval_{NDCG}"])
            self._write(state, ndcg=metrics[f"eval_{NDCG}"])
            self._stop_where_it_is_enough(state, control)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if metrics:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE_FILE).touch()

        def _stop_where_it_is_enough(self, state: Any, control: Any) -> None:
            if is_enough([each[f"eval_{NDCG}"] for each in state.log_history if f"eval_{NDCG}" in each], recipe):
                control.should_training_stop = True

        def _show(self, **known: Any) -> None:
            self.moment = replace(self.moment, **known)
            if metrics:
                show(self.moment)

        def _write(self, state: Any, **known: float) -> None:
            if metrics:
                metrics.add(Point(state.global_step, round(state.epoch, 4), round(metrics.seconds, 2), **known))

    return Watch()


def check_steps(recipe: Recipe, updates_per_epoch: int) -> frozenset[int]:
    """The updates after which the held-out nDCG is taken: evenly spaced, the last of each epoch among them."""
    count = min(recipe.checks_per_epoch, updates_per_epoch)
    within = [math.ceil(number * updates_per_epoch / count) for number in range(1, count + 1)]
    return frozenset(epoch * updates_per_epoch + step for epoch in range(recipe.epochs) for step in within)


def is_enough(checks: list[float], recipe: Recipe) -> bool:
    """Whether `patience` checks in a row brought nothing better."""
    return bool(checks) and len(checks) - 1 - checks.index(max(checks)) >= recipe.patience
