"""Which of what was searched makes a difference: the share of the trials' variance that each choice explains."""

from __future__ import annotations

import warnings
from typing import Any

from middleware.learning.tuning.study import completed

LEAST_TRIALS = 8


def importances(study: Any, seed: int) -> dict[str, float]:
    """Choice -> share, the greatest first; empty where too few trials were completed, or all are worth the same.

    Functional ANOVA over random forests (Hutter, Hoos, Leyton-Brown, An Efficient Approach for Assessing
    Hyperparameter Importance, ICML 2014). Only what every trial chose is compared.
    """
    import optuna

    trials = completed(study)
    if len(trials) < LEAST_TRIALS or trials[0].value == trials[-1].value:
        return {}
    common = set.intersection(*(set(trial.params) for trial in trials))
    varied = [name for name in common if len({trial.params[name] for trial in trials}) > 1]
    if not varied:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=sorted(varied))
    return {name: float(share) for name, share in sorted(found.items(), key=lambda each: (-each[1], each[0]))}
