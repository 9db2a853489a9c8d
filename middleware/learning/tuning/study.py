"""An optuna study in a file: it goes on where it ended or was killed, several processes work on it, or it refuses."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from middleware.errors import CommandError
from middleware.learning.tuning.session import Session

NAME = "es-rerank tune"
MADE_OF, PRESENT, SESSION, FAILED = "made of", "present", "session", "failed"
"""What is noted of a study, and of its trials: the one of rerank.yml, whose it is, why it could not be tried."""

_STARTUP_TRIALS = 10
_PATIENCE_S = 60


def open_study(path: Path, session: Session, made_of: Mapping[str, Any], present: Mapping[str, Any], seed: int) -> Any:
    """The study in the file, a new one where there is none; its first trial is `present`.

    Trials of processes that are gone are given up, so that they are tried anew. Raises CommandError where the file is
    no study, or one of other data, folds or another space (`made_of`, by name of what it is).
    """
    optuna = _import()
    sampler = make_sampler(optuna, seed)
    with session.alone():
        try:
            storage = _open_storage(optuna, path)
            study = optuna.create_study(
                storage=storage,
                study_name=NAME,
                sampler=sampler,
                pruner=make_pruner(optuna),
                direction="maximize",
                load_if_exists=True,
            )
        except Exception as error:  # optuna, alembic and sqlalchemy meet here, each with errors of its own
            line = " ".join(str(error).split())[:120]
            raise CommandError(f"--study: {path}: not a study of es-rerank tune ({line}); give another file") from error
        _check(path, study, made_of)
        _give_up(optuna, study, session)
        if not any(PRESENT in trial.user_attrs for trial in _living(optuna, study)):
            study.enqueue_trial(dict(present), user_attrs={PRESENT: True})
    return study


def begin_trial(study: Any, session: Session, trials: int) -> Any:
    """The next trial, None where `trials` were begun already, by all processes together and without failed ones."""
    optuna = _import()
    with session.alone():
        waiting = optuna.trial.TrialState.WAITING
        if sum(trial.state != waiting for trial in _living(optuna, study)) >= trials:
            return None
        trial = study.ask()
        trial.set_user_attr(SESSION, session.number)
        return trial


def run_trial(study: Any, trial: Any, run: Callable[[Any], float]) -> CommandError | None:
    """Run it and tell the study; the error of a configuration that could not be tried is returned, and noted."""
    optuna = _import()
    states = optuna.trial.TrialState
    try:
        study.tell(trial, run(trial))
    except optuna.TrialPruned:
        study.tell(trial, state=states.PRUNED)
    except CommandError as error:
        trial.set_user_attr(FAILED, str(error))
        study.tell(trial, state=states.FAIL)
        return error
    return None


def failures(study: Any) -> list[str]:
    """Why trials could not be tried, each once."""
    return list(
        dict.fromkeys(each.user_attrs[FAILED] for each in study.get_trials(deepcopy=False) if FAILED in each.user_attrs)
    )


def others_at_work(study: Any, session: Session) -> int:
    """Trials that living processes but this one are at."""
    optuna = _import()
    with session.alone():
        running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        numbers = [trial.user_attrs.get(SESSION, 0) for trial in running]
        return sum(number != session.number and session.is_alive(number) for number in numbers)


def finished(study: Any) -> list[Any]:
    """The trials that came to their end or were pruned."""
    states = _import().trial.TrialState
    found: list[Any] = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    return found


def completed(study: Any) -> list[Any]:
    """The trials that came to their end, the best first; of equal ones the first tried."""
    states = _import().trial.TrialState
    return sorted(study.get_trials(deepcopy=False, states=(states.COMPLETE,)), key=lambda each: -each.value)


def make_sampler(optuna: Any, seed: int) -> Any:
    """TPE that chooses by the seed, what was found so far, and how many trials were before, whoever made them.

    So a study that was killed goes on as if it had not been, and two processes do not try the same.
    """

    class Sampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
        def before_trial(self, study: Any, trial: Any) -> None:
            before = sum(each.number < trial.number for each in _living(optuna, study))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._tpe = optuna.samplers.TPESampler(
                    seed=int(np.random.SeedSequence((seed, before)).generate_state(1)[0]),
                    n_startup_trials=_STARTUP_TRIALS,
                    multivariate=True,
                    group=True,
                    constant_liar=True,
                )
            self._tpe.before_trial(study, trial)

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self._tpe.infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self._tpe.sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    return Sampler()


def _open_storage(optuna: Any, path: Path) -> Any:
    """A write-ahead log costs no wait for the disk at each value; what it may lose is lost with the machine alone."""
    import sqlalchemy

    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path.resolve()}", engine_kwargs={"connect_args": {"timeout": _PATIENCE_S}}
    )

    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    sqlalchemy.event.listen(storage.engine, "connect", prepare)
    storage.engine.dispose()  # those that are open were not prepared
    return storage


def make_pruner(optuna: Any) -> Any:
    """The median of those that came to their end, but not before the second fold or check: one is mostly luck."""
    return optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS // 2, n_warmup_steps=1)


def _check(path: Path, study: Any, made_of: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(made_of))
    kept = study.user_attrs.get(MADE_OF)
    if kept is None:
        study.set_user_attr(MADE_OF, wanted)
        return
    differing = [
        _difference(name, kept.get(name), wanted.get(name)) for name in (*wanted,) if kept.get(name) != wanted[name]
    ]
    if differing:
        raise CommandError(f"--study: {path}: was begun with {'; '.join(differing)}; give another file")


def _difference(name: str, before: Any, now: Any) -> str:
    """In words where they are short."""
    old, new = (json.dumps(each) for each in (before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        names = [each for each in {**before, **now} if before.get(each) != now.get(each)]
        return f"another {name} ({', '.join(names)})"
    return f"{name} {old}, not {new}" if len(old) + len(new) < 80 and "(" not in name else f"another {name}"


def _give_up(optuna: Any, study: Any, session: Session) -> None:
    """Trials of this session's number are none of this process: it has only just begun."""
    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    for trial in running:
        number = trial.user_attrs.get(SESSION, session.number)
        if number == session.number or not session.is_alive(number):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _living(optuna: Any, study: Any) -> list[Any]:
    """All but those whose process was killed: these are tried anew."""
    killed = optuna.trial.TrialState.FAIL
    return [each for each in study.get_trials(deepcopy=False) if each.state != killed or FAILED in each.user_attrs]


def _import() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise CommandError("optuna is not installed; pip install 'es-rerank[train]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it warns of, such as a fixed first trial, is wanted
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return optuna
