"""A group's targets from cross-encoders: what several teachers say, averaged, for a student to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from middleware.config import ModelSettings
from middleware.learning.cascade.make import start_engine
from middleware.learning.groups.group import Group
from middleware.learning.groups.teachers import CrossEncoderTeacher, question_of
from middleware.learning.step_bar import Step


def ask_teachers(groups: Sequence[Group], teachers: Sequence[ModelSettings], step: Step) -> list[Group]:
    """The groups with the teachers' mean scores, in [0, 1], as their targets; any model that the engine serves.

    One teacher is in memory at a time. Raises CommandError where one cannot be loaded.
    """
    questions = [question_of(group) for group in groups]
    said = []
    for teacher in teachers:
        engine = start_engine(teacher)
        try:
            said.append(CrossEncoderTeacher(engine).targets(questions, step))
        finally:
            engine.stop()
    return [
        replace(group, targets=tuple(np.mean(scores, axis=0).tolist()), given=(False,) * len(group.targets))
        for group, *scores in zip(groups, *said, strict=True)
    ]
