"""A pair made of a remembered document is the pair that the tokenizer itself would make."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middleware.rerank.backends.pair_tokenizer import PairTokenizer

transformers = pytest.importorskip("transformers")

WORDS = ("red", "shoe", "iphone", "12", "手机壳", "usb-c", "[SEP]", "", "  ", "Ünïcödé", "\u0000", "<b>")
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=40).map(" ".join)
TEMPLATES = {
    "BERT": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "RoBERTa": ("[CLS] $A [SEP]", "[CLS] $A [SEP] [SEP] $B [SEP]"),
    "bare": ("$A", "$A $B"),
    "document first": ("$A", "$B [SEP] $A"),
}


def make_tokenizer(single, pair):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "red",
        "shoe",
        "iphone",
        "12",
        "a",
        "s",
        "##s",
        "手",
        "机",
        "壳",
        "usb",
    ]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


MADE = {name: make_tokenizer(*templates) for name, templates in TEMPLATES.items()}


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=60)
@given(query=texts, documents=st.lists(texts, min_size=1, max_size=4), max_tokens=st.integers(8, 48))
def test_pairs_are_those_of_the_tokenizer(name, query, documents, max_tokens) -> None:
    remembering = PairTokenizer(MADE[name], max_tokens, max_bytes=100_000)
    expected = [dict(pair) for pair in remembering.encode_whole(query, documents)]
    for _ in range(2):  # the second time from memory
        assert [dict(pair) for pair in remembering.encode(query, documents)] == expected


def test_a_document_is_tokenised_once() -> None:
    calls = []

    class Counting:
        def __init__(self, tokenizer):
            self._tokenizer = tokenizer

        def __getattr__(self, name):
            return getattr(self._tokenizer, name)

        def __call__(self, text, *others, **options):
            calls.append(text)
            return self._tokenizer(text, *others, **options)

    tokenizer = PairTokenizer(Counting(MADE["BERT"]), 32, max_bytes=100_000)
    tokenizer.encode("red", ["a shoe", "usb", "a shoe"])
    calls.clear()
    tokenizer.encode("iphone", ["usb", "a shoe", "shoes"])
    assert calls == ["iphone", "iphone", ["shoes"]]


def test_without_memory_and_where_parts_do_not_make_a_pair_every_pair_is_tokenised_whole() -> None:
    assert PairTokenizer(MADE["BERT"], 32, max_bytes=100_000)._layout is not None
    assert PairTokenizer(MADE["BERT"], 32)._layout is None
    assert PairTokenizer(MADE["document first"], 32, max_bytes=100_000)._layout is None
