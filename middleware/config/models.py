"""The sections of rerank.yml about cross-encoders: where each comes from, and what runs it how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator

from middleware.config.remote import RemoteSettings
from middleware.config.section import Positive, Section
from middleware.errors import RegistryError
from middleware.registry import Registry
from middleware.registry_reference import is_reference, parse_reference


class ModelSettings(Section):
    """One cross-encoder."""

    source: str = Field(
        description="Local folder or hub name of a sequence-classification model, or registry:NAME[@ALIAS or @VERSION]."
    )
    revision: str | None = Field(None, description="Hub revision; pin it in production.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: CUDA, else MPS, else CPU.")
    precision: Literal["auto", "exact", "balanced", "fast"] = Field(
        "auto",
        description="exact: fp32, 4 x sentence-transformers' speed on CPUs. balanced: bf16, 6 x, Kendall's tau 0.99. "
        "fast: 8-bit integers on CPUs, 9 x, tau 0.96, no loss of nDCG@10 seen. auto: balanced on CUDA, else exact.",
    )
    backend: Literal["auto", "torch", "onnx", "openvino"] = Field(
        "auto", description="What runs the model; auto: the fastest that is installed and fits model and processor."
    )
    measure: bool = Field(False, description="Time every backend that fits at start, and take the fastest.")
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = Field(
        256, description="A pair is cut to this many tokens; the document gives way first."
    )
    batch_tokens: Positive | None = Field(
        None, description="Most tokens in one forward pass, padding included; default: the backend's, 512 on a CPU."
    )
    threads: Annotated[int, Field(ge=0)] = Field(
        0, description="CPU threads that score, each its own pairs; 0: all cores."
    )
    queue_limit: Positive = Field(
        64, description="Searches that may wait for this model; beyond it: fallback 'overloaded'."
    )
    trust_remote_code: bool = Field(False, description="Run Python code that comes with the model.")
    document_bytes: Annotated[int, Field(ge=0)] = Field(
        32 * 1024 * 1024, description="Memory for the tokens and vectors of documents, so that they are made once."
    )
    estimator: str | None = Field(
        None,
        description="What `es-rerank models cascade` made of the model; default: beside its weights or in the cache.",
    )
    remote: RemoteSettings | None = Field(
        None, description="Servers that score instead of this process; `source` is the model's name there."
    )

    @field_validator("source")
    @classmethod
    def _existing_folder(cls, source: str) -> str:
        if is_reference(source):
            try:
                parse_reference(source)
            except RegistryError as error:
                raise ValueError(error.reason) from error
            return source
        looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
        if looks_local and not (Path(source).expanduser() / "config.json").is_file():
            raise ValueError("no model there; give a folder that holds config.json, or a hub name such as org/model")
        return source

    @property
    def is_registered(self) -> bool:
        """Whether `source` is looked up in the registry; of a model that runs elsewhere it is the name there."""
        return self.remote is None and is_reference(self.source)

    def resolved(self, registry: Registry) -> Self:
        """These settings with the folder of the version that serves now. Raises RegistryError."""
        if not self.is_registered:
            return self
        return self.model_copy(update={"source": str(registry.resolve(self.source, kinds=("cross_encoder",)))})
