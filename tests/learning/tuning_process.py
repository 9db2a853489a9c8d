"""A search of configurations as a process of its own, which tests kill, resume, and run twice at once."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from tuning_shop import Quiet, make_judgments, make_shop, options  # noqa: E402

from middleware.learning.tuning import tune  # noqa: E402
from middleware.learning.tuning_trials import Attempt  # noqa: E402


def run(model: str, study: str, given: dict, kill_in: int = -1) -> None:
    """`kill_in`: the trial, counted from 0, in whose middle the process kills itself."""
    tried = 0
    whole = Attempt._note

    def note(self, trial, configuration, cross_encoder):
        nonlocal tried
        if tried == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)
        tried += 1
        whole(self, trial, configuration, cross_encoder)

    Attempt._note = note
    what = tuple(given.pop("what"))
    result = tune(make_shop(Path(model)), make_judgments(), options(Path(study), what=what, **given), Quiet())
    held_out = result.held_out.comparison.after.mean if result.held_out else None
    print(json.dumps({"best": result.best.number, "held_out": held_out, "trials": tried}))


if __name__ == "__main__":
    run(**json.loads(sys.argv[1]))
