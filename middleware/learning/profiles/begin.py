"""Whether a build goes on with what another left in the work folder, or starts with an empty one."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from middleware.durable_files import write_durably

# What was read of people who are erased meanwhile must not lie about.
_OLDEST_WORK_S = 86_400.0


def begin(work: Path, terms: str, now: float | None) -> tuple[float, bool]:
    """The moment of the profiles, seconds since 1970, and whether work of today on equal `terms` is gone on with.

    Other work is removed; then the moment is `now` (None: the clock's).
    """
    begun = work / "begun.json"
    known: dict[str, Any] = json.loads(begun.read_text()) if begun.exists() else {}
    if known.get("terms") == terms and 0 <= time.time() - known["at"] < _OLDEST_WORK_S:
        return float(known["now"]), True
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    moment = time.time() if now is None else now
    write_durably(begun, json.dumps({"terms": terms, "at": time.time(), "now": moment}))
    return moment, False
