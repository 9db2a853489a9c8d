"""What Elasticsearch's own ranking says of a hit: its score, scaled in two ways, and its rank."""

from __future__ import annotations

import numpy as np

from middleware.fusion import LARGEST_SCORE, FloatArray, scale_first_stage


def first_stage_features(scores: FloatArray) -> dict[str, FloatArray]:
    """first_stage, first_stage_share and first_stage_rank of hits in Elasticsearch's order; each (n,), in [0, 1].

    The rank's form is the discount of DCG (Järvelin and Kekäläinen, 2002): the first ranks differ most.
    """
    known = np.clip(np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0), 0.0, LARGEST_SCORE)
    highest = known.max(initial=0.0)
    return {
        "first_stage": scale_first_stage(scores),
        "first_stage_share": known / highest if highest > 0 else np.zeros(len(scores)),
        "first_stage_rank": 1 / np.log2(np.arange(2, len(scores) + 2)),
    }
