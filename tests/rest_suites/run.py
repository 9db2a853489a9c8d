"""Runs one case against one address, step by step, and says what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from rest_suites.assertions import check
from rest_suites.calls import Call, NoCall, ask_for_reranking, build_call
from rest_suites.cases import Case, Step
from rest_suites.fitness import in_range, why_skipped
from rest_suites.stash import Failed, look_up, resolve
from rest_suites.supply import Suite
from rest_suites.wire import Answer, Wire

_STATUSES = {
    "bad_request": {400},
    "unauthorized": {401},
    "forbidden": {403},
    "missing": {404},
    "request_timeout": {408},
    "conflict": {409},
    "unavailable": {503},
    "request": set(range(400, 600)) - {400, 401, 403, 404, 408, 409},
}
_BESIDE_THE_CALL = ("catch", "warnings", "allowed_warnings", "headers", "node_selector")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One `do`: which API, and its answer (None where the request could not be built)."""

    api: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`word`: passed, skipped or failed; `message` says why, `step` where (0 counts from the setup on)."""

    word: str
    step: int
    message: str
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Where cases run: the address, the version of the engine behind it, and a text that searches ask to rerank by."""

    wire: Wire
    suite: Suite
    version: str
    query_text: str | None = None


def run_case(case: Case, target: Target) -> Outcome:
    """Run setup, steps and, whatever became of them, teardown."""
    skips = [step.argument for step in case.all_steps if step.kind == "skip"]
    reason = why_skipped(skips, target.suite.engine, target.version)
    if reason:
        return Outcome("skipped", 0, reason, ())
    run = _Run(case, target)
    outcome = run.play((*case.setup, *case.steps))
    run.play(case.teardown)
    return outcome


class _Run:
    """What one case knows while it runs."""

    def __init__(self, case: Case, target: Target) -> None:
        self._case, self._target = case, target
        self._stash: dict[str, Any] = {}
        self._body: Any = None
        self._exchanges: list[Exchange] = []

    def play(self, steps: tuple[Step, ...]) -> Outcome:
        for number, step in enumerate(steps):
            try:
                self._play(step, number)
            except Failed as failure:
                return Outcome("failed", number, str(failure), tuple(self._exchanges))
        return Outcome("passed", 0, "", tuple(self._exchanges))

    def _play(self, step: Step, number: int) -> None:
        if step.kind == "skip":
            return
        if step.kind == "do":
            self._do(step.argument, number)
        elif step.kind == "set":
            for path, name in step.argument.items():
                self._stash[name.strip("$")] = look_up(self._body, path, self._stash)
        else:
            check(step.kind, step.argument, self._body, self._stash)

    def _do(self, argument: Mapping[str, Any], number: int) -> None:
        name, given = next((key, value) for key, value in argument.items() if key not in _BESIDE_THE_CALL)
        self._select_node(argument.get("node_selector") or {})
        arguments = dict(resolve(given or {}, self._stash))
        ignored = arguments.pop("ignore", [])
        try:
            call = build_call(self._target.suite, name, arguments, f"{self._case.name} {number}")
        except NoCall as error:
            self._exchanges.append(Exchange(name, None))
            if argument.get("catch") != "param":
                raise Failed(f"{name}: {error}") from error
            return
        if name == "search" and self._target.query_text:
            call = ask_for_reranking(call, self._target.query_text)
        answer = self._send(name, call, resolve(argument.get("headers") or {}, self._stash))
        self._body = self._stash["body"] = answer.body
        ignored_statuses = {int(status) for status in (ignored if isinstance(ignored, list) else [ignored])}
        _check_status(name, call.method, answer, argument.get("catch"), ignored_statuses)
        _check_warnings(answer, argument)

    def _send(self, name: str, call: Call, headers: Mapping[str, str]) -> Answer:
        try:
            answer = self._target.wire.send(call, headers)
        except urllib3.exceptions.HTTPError as error:
            raise Failed(f"{name}: no answer ({type(error).__name__})") from error
        self._exchanges.append(Exchange(name, answer))
        return answer

    def _select_node(self, selector: Mapping[str, Any]) -> None:
        """All our nodes are alike, so that a selector by version is a condition."""
        wanted = selector.get("version")
        if wanted is not None and not in_range(self._target.version, wanted, self._target.suite.engine):
            raise Failed(f"no node of version {wanted}")


def _check_status(name: str, method: str, answer: Answer, catch: str | None, ignored: set[int]) -> None:
    is_error = answer.status >= 400 and answer.status not in ignored and not (method == "HEAD" and answer.status == 404)
    if catch is None:
        if is_error:
            raise Failed(f"{name}: status {answer.status}: {answer.text}")
    elif catch == "param":
        raise Failed(f"{name}: the request should have been impossible")
    elif catch.startswith("/"):
        if not (answer.status >= 400 and re.search(catch[1:-1], answer.text)):
            raise Failed(f"{name}: {catch} is not in {answer.status}: {answer.text}")
    elif answer.status not in _STATUSES[catch]:
        raise Failed(f"{name}: {catch} expected, status {answer.status}: {answer.text}")


def _check_warnings(answer: Answer, argument: Mapping[str, Any]) -> None:
    """Warnings that a test expects must be there. Others are no failure: our nodes are newer than the suites."""
    found = [re.sub(r"\\(.)", r"\1", warning) for warning in answer.warnings]
    missing = [text for text in argument.get("warnings") or () if text not in found]
    if missing:
        raise Failed(f"warning not there: {missing[0]}; found {found}")
