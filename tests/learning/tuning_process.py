"""A search of configurations as a process of its own, which tests kill, resume, and run twice at once."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from tuning_shop import Quiet, make_judgments, make_shop, options  # noqa: E402

from middleware.learning.tuning import tune as tuning  # noqa: E402
from middleware.learning.tuning.trials import Attempt  # noqa: E402


def run(model: str, study: str, given: dict, kill_in: int = -1, meet: int = 0) -> None:
    """`kill_in`: the trial, counted from 0, in whose middle the process kills itself.

    `meet`: so many processes wait for each other before the first trial, and take their time for each.
    """
    tried = 0
    whole = Attempt._note

    def note(self, trial, configuration, cross_encoder):
        nonlocal tried
        if tried == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)
        tried += 1
        time.sleep(0.3 if meet else 0)
        whole(self, trial, configuration, cross_encoder)

    Attempt._note = note
    if meet:
        tuning.open_study = wait_and(tuning.open_study, Path(study), meet)
    what = tuple(given.pop("what"))
    result = tuning.tune(make_shop(Path(model)), make_judgments(), options(Path(study), what=what, **given), Quiet())
    held_out = result.held_out.comparison.after.mean if result.held_out else None
    print(json.dumps({"best": result.best.number, "held_out": held_out, "trials": tried}))


def wait_and(then: Callable[..., Any], study: Path, meet: int) -> Callable[..., Any]:
    """`then`, once `meet` processes came here."""

    def wait(*given: Any) -> Any:
        study.with_suffix(f".{os.getpid()}").touch()
        while len(list(study.parent.glob(f"{study.stem}.[0-9]*"))) < meet:
            time.sleep(0.02)
        return then(*given)

    return wait


if __name__ == "__main__":
    run(**json.loads(sys.argv[1]))
