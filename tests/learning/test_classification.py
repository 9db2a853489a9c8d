"""Classification by numbers that were worked out by hand, and by products that were made up for it."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from middleware.catalog.prepare import Prepared, PrepareOptions
from middleware.errors import BackendError, CommandError, ConfigError
from middleware.learning.classification.classify import Filler, classify
from middleware.learning.classification.head import Classifier, Head, load_classifier, train_head
from middleware.learning.classification.measures import cross_validated, least_confidence, measure, most_confused
from middleware.learning.classification.output import write_review
from middleware.learning.classification.products import Product, Reading, read_labelled
from middleware.learning.classification.zero_shot import zero_shot_probabilities

CLASSES = ("cables", "cases", "phones")


class WordEncoder:
    """Vectors of the words that a text has of a small vocabulary; a text without any is equally far from all."""

    name, revision = "words", "1"
    vocabulary = ("cable", "case", "phone")

    def encode(self, texts):
        counts = np.array([[word in text.casefold() for word in self.vocabulary] for text in texts], dtype=np.float32)
        counts[~counts.any(axis=1)] = 1
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    encode_queries = encode_documents = encode


class NamingEngine:
    """Scores 0.9 where the text holds the category's name but for its plural, else 0.1."""

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def score_many(self, queries, *, budget_ms):
        if self.error:
            raise self.error
        self.asked += [query for query, _ in queries]
        return [np.array([0.9 if query[:-1] in text else 0.1 for text in texts]) for query, texts in queries]


def product(number, text, label="", family=None):
    return Product(str(number), text, text, label, family or f"family {number}")


def measured(confidences, right):
    probabilities = np.array([[c, 1 - c] if hit else [1 - c, c] for c, hit in zip(confidences, right, strict=True)])
    return measure(("a", "b"), ["a"] * len(right), probabilities)


def test_accuracy_f1_and_confusion_are_those_worked_out_by_hand():
    # truth a a a b b c, said a a b b c c: a: P 1, R 2/3; b: P 1/2, R 1/2; c: P 1/2, R 1
    said = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    found = measure(("a", "b", "c"), list("aaabbc"), said)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.f1 == pytest.approx([0.8, 0.5, 2 / 3])
    assert found.macro_f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert found.confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert most_confused(found, 5) == [("a", "b", 1), ("b", "c", 1)]


def test_the_least_confidence_is_the_lowest_that_is_right_often_enough():
    found = measured([0.99, 0.9, 0.8, 0.7, 0.6], [True, True, False, True, True])
    assert least_confidence(found, 0.8) == (0.6, 1.0)
    assert least_confidence(found, 0.9) == (0.9, 0.4)
    assert least_confidence(measured([0.9, 0.9], [True, False]), 0.9) == (1.0, 0.0)


def test_what_is_unlike_everything_is_never_sure():
    probabilities = np.array([[0.4, 0.3, 0.3], [0.8, 0.1, 0.1]])
    assert least_confidence(measure(CLASSES, ["cables", "cables"], probabilities), 0.9) == (0.5, 0.5)


def test_a_head_of_two_classes_says_what_scikit_learn_says():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4))
    labels = ["x" if row[0] + 0.3 * row[1] > 0 else "y" for row in vectors]
    head = train_head(vectors, labels)
    theirs = LogisticRegression(C=20.0, max_iter=500, random_state=0).fit(vectors, labels)
    assert head.probabilities(vectors) == pytest.approx(theirs.predict_proba(vectors), abs=1e-6)


def test_no_product_is_told_by_its_variation():
    # Each family has a vector and a label of its own: who saw a variation knows all, who did not knows nothing.
    vectors = np.repeat(np.eye(8), 5, axis=0)
    products = [product(row, "t", "ab"[row // 5 % 2], f"family {row // 5}") for row in range(40)]
    said = measure(("a", "b"), [each.label for each in products], cross_validated(products, vectors))
    assert said.accuracy < 0.7
    told = [product(row, "t", each.label) for row, each in enumerate(products)]
    assert measure(("a", "b"), [each.label for each in told], cross_validated(told, vectors)).accuracy == 1.0


def test_zero_shot_asks_for_the_shortlist_alone_and_adds_up_to_one():
    engine = NamingEngine()
    said = zero_shot_probabilities(["a phone case"], CLASSES, WordEncoder(), engine, shortlist=2)
    assert sorted(engine.asked) == ["cases", "phones"]
    assert said[0] == pytest.approx([0, 0.5, 0.5])
    alone = zero_shot_probabilities(["a phone"], CLASSES, WordEncoder(), engine)
    assert alone[0] == pytest.approx(np.array([1 / 9, 1 / 9, 9]) / (9 + 2 / 9))


def test_a_model_that_fails_is_one_line():
    with pytest.raises(CommandError, match="the cross-encoder failed: broken"):
        zero_shot_probabilities(["a"], CLASSES, WordEncoder(), NamingEngine(BackendError("broken")))


@pytest.fixture
def classifier():
    head = Head(CLASSES, 6 * np.eye(3), np.zeros(3))
    return Classifier(head, WordEncoder(), "starter", Reading(), 0.8)


def test_sure_ones_are_found_and_others_are_for_a_person(classifier):
    given = [product(1, "Phone"), product(2, "Thing"), product(3, "Phone", "cables"), product(4, "Phone", "phones")]
    found = list(classify(classifier, given, 0.8))
    assert [(each.label, each.why) for each in found if each.product.id != "2"] == [
        ("phones", ""),
        ("phones", "doubt"),
        ("phones", ""),
    ]
    assert found[1].why == "low confidence"
    assert found[1].confidence == pytest.approx(1 / 3)
    assert len(found[0].others) == 2


def test_a_filler_fills_what_is_missing_and_nothing_else(classifier, tmp_path):
    documents = [{"title": "Phone"}, {"title": "Thing"}, {"title": "Phone", "category": "cables"}]
    given = [Prepared(line, str(line), document, "") for line, document in enumerate(documents)]
    filler = Filler(classifier, Reading(), 0.8, classifier.key)
    filled = list(filler.fill(given))
    assert [each.document.get("category") for each in filled] == ["phones", None, "cables"]
    assert filler.counts == Counter(filled=1, unsure=1)
    write_review(filler.unsure, tmp_path / "review.csv")
    assert "1,Thing,low confidence,," in (tmp_path / "review.csv").read_text()
    write_review([], tmp_path / "review.csv")
    assert not (tmp_path / "review.csv").exists()


def test_a_path_of_categories_stays_a_path(classifier):
    head = Head(("Home > Phones", "Home > Cases"), np.eye(2, 3)[:, [2, 1, 0]] * 9, np.zeros(2))
    filler = Filler(Classifier(head, WordEncoder(), "x", Reading(), 0.5), Reading(), 0.5, "")
    (filled,) = filler.fill([Prepared(1, "1", {"title": "Phone"}, "")])
    assert filled.document["category"] == ["Home", "Phones"]


def test_what_was_kept_is_damaged_or_missing_in_one_line(classifier, tmp_path):
    with pytest.raises(ConfigError, match="no classifier there"):
        load_classifier(tmp_path)
    classifier.save(tmp_path, {})
    (tmp_path / "weights.npy").write_bytes(b"nothing")
    with pytest.raises(CommandError, match="damaged"):
        load_classifier(tmp_path)


def test_a_classifier_of_another_encoder_is_refused(classifier, tmp_path):
    classifier.save(tmp_path, {})
    with pytest.raises(CommandError, match="not the encoder that it was trained on"):
        load_classifier(tmp_path)


def test_labels_that_are_too_few_are_counted(tmp_path):
    rows = [{"id": str(n), "title": f"thing {n}", "category": "ab"[n > 3] if n < 5 else None} for n in range(7)]
    path = tmp_path / "products.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\nbroken\n")
    with pytest.raises(CommandError, match="of 7 products 5 have a 'category', and fewer than two categories have 2"):
        read_labelled(path, Reading(), PrepareOptions(), 2)
    rows.append({"id": "8", "title": "thing 8", "category": "b"})
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\nbroken\n")
    kept, left_out = read_labelled(path, Reading(), PrepareOptions(), 2)
    assert len(kept) == 6
    assert left_out["no category"] == 2
    assert sum(left_out.values()) == 3


def test_a_template_must_not_tell_the_category():
    with pytest.raises(ConfigError, match="--template"):
        Reading("category", "{title} {category}")
