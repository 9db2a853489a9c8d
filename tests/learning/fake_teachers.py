"""Teachers of a few lines, and shops whose index is a list, for tests of what is made of them."""

from __future__ import annotations

import numpy as np

from middleware.learning.groups.mining import Candidate
from middleware.learning.groups.shop_documents import Document


class WordTeacher:
    """The share of the query's words that a document holds; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def targets(self, questions, step):
        self.asked += questions
        return [
            np.array([self.say(question.query_text, text) for text in question.document_texts])
            for question in questions
        ]

    def say(self, query, text):
        words = query.casefold().split()
        return sum(word in text.casefold().split() for word in words) / len(words)


class SilentTeacher:
    """Must not be asked."""

    def targets(self, questions, step):
        raise AssertionError("nobody wanted to know")


def window_of(*texts):
    """Hits d0, d1, ... with scores that fall from as many as there are to 1."""
    count = len(texts)
    return [
        Candidate(f"d{n}", text, "hard", float(count - n), (count - 1 - n) / max(1, count - 1))
        for n, text in enumerate(texts)
    ]


def pool_of(*texts):
    return [Document(f"p{n}", {"title": text}, text) for n, text in enumerate(texts)]
