"""Whether a model of a hub can be had from here: asked before anything is started with it."""

from __future__ import annotations


def find_model(source: str) -> str | None:
    """None where the configuration of `source` (hub name or folder) can be read, else why not, in one line."""
    import huggingface_hub
    from transformers import AutoConfig

    # It tells of every retry; the caller tells of the outcome.
    huggingface_hub.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        return " ".join(str(error).split())[:200]
    return None
