"""Model folders for a registry, and a registry to keep them in."""

from __future__ import annotations

from pathlib import Path

from middleware.registry.manifest import DataFingerprint

HELD_OUT = DataFingerprint(18, "ab" * 32)


def make_model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "1_Head").mkdir(exist_ok=True)
    (folder / "1_Head" / "config.json").write_text("{}")
    return folder


def add(registry, folder, name="shop", **changed):
    about = {
        "kind": "cross_encoder",
        "base": "starter",
        "data": {"held_out": HELD_OUT},
        "template": "{title}",
        "max_tokens": 128,
        "measures": {"MRR": 0.5, "nDCG@10": 0.75},
        "recipe": {"loss": "ranknet", "optimiser": {"rate": 2e-5}},
    }
    return registry.add(folder, name=name, **{**about, **changed})
