"""A cross-encoder with random weights, small enough to score in milliseconds and to be made anew for a test."""

from __future__ import annotations

from pathlib import Path

WORDS = [
    "red",
    "blue",
    "green",
    "phone",
    "case",
    "cable",
    "for",
    "the",
    "and",
    "a",
    "pro",
    "max",
    "usb",
    "c",
    "12",
    "13",
    "iphone",
    "shoe",
    "leather",
    "running",
    "手",
    "机",
    "壳",
    "红",
]


def save_tiny_bert(
    folder: Path, *, labels: int = 1, head: bool = True, names: dict | None = None, seed: int = 7, inner: int = 64
) -> Path:
    """A BERT with 2 layers of width 32 and a vocabulary of whole words and letters, saved as Hugging Face does.

    `inner`: width inside the layers; one more makes the weights 520 bytes larger.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *(f"##{letter}" for letter in letters),
    ]
    vocabulary = list(dict.fromkeys(vocabulary))
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True, model_max_length=128).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=inner,
        max_position_embeddings=128,
        initializer_range=0.5,  # large, so that scores differ visibly
        num_labels=labels,
        **({"id2label": names, "label2id": {name: label for label, name in names.items()}} if names else {}),
    )
    torch.manual_seed(seed)
    (BertForSequenceClassification if head else BertModel)(config).save_pretrained(folder)
    return folder
