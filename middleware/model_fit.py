"""Whether a registered model is used as it was trained: on the same document text, cut to the same length."""

from __future__ import annotations

from collections.abc import Iterator

from middleware.config import Settings
from middleware.experiments.assign import resolve
from middleware.registry.manifest import Manifest


def misfits(name: str, manifest: Manifest, settings: Settings) -> Iterator[str]:
    """One line for each setting that differs from what the model under `models.name` was trained on."""
    model = settings.models[name]
    if manifest.max_tokens is not None and manifest.max_tokens != model.max_tokens:
        yield (
            f"models.{name}.max_tokens is {model.max_tokens}, but {manifest.label} was trained on "
            f"{manifest.max_tokens} tokens; set it to that"
        )
    for index, section in settings.indices.items():
        users = (resolve(variant, section, settings).model for variant in settings.variants)
        if manifest.template is not None and manifest.template != section.template and name in users:
            yield (
                f"indices.{index}.template is {section.template!r}, but {manifest.label} was trained on the document "
                f"text {manifest.template!r}; set it to that, or train a model on yours"
            )
