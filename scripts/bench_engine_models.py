"""What bench_engine.py's contestants read: product texts, and one MiniLM as everybody wants it, torch or plain ONNX."""

from __future__ import annotations

import gzip
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from middleware.config import ModelSettings
from middleware.rerank.engine import Engine

CHORUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "chorus"
MAX_TOKENS = 128
PLAIN_FP32, PLAIN_INT8 = "onnx/model.onnx", "onnx/model_quantized.onnx"


def product_texts(path: Path) -> dict[str, str]:
    """Texts by product id: the Chorus catalogue's, or the demo's where that is not there."""
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return {p["id"]: text_of(p, "name", "short_description") for p in map(json.loads, lines)}
    print(f"({path} is not there: texts of the demo catalogue)\n")
    from middleware.catalog.demo import generate

    return {p["id"]: text_of(p, "title", "brand", "description") for p in generate().products}


def text_of(product: Mapping[str, Any], *fields: str) -> str:
    return " | ".join(str(product[field]) for field in fields if product.get(field))


def starter_model(folder: Path) -> Path:
    """all-MiniLM-L6-v2 with a head of random weights: what a model says does not change what it costs."""
    import torch
    import transformers

    from middleware.learning.starter import starter_folder

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(starter_folder(), num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=0.05)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(starter_folder()).save_pretrained(folder)
    return folder


def calibrate(folder: Path, texts: Mapping[str, str]) -> None:
    """What `es-rerank models export` does, kept beside the weights."""
    from middleware.errors import ModelUnavailable
    from middleware.learning.export import observe_ranges
    from middleware.learning.export_texts import CatalogTexts
    from middleware.rerank.backends.calibration import CALIBRATION_FILE, save_ranges

    settings = ModelSettings(source=str(folder), max_tokens=MAX_TOKENS, device="cpu")
    try:
        ranges = observe_ranges(settings, CatalogTexts(texts, ""), lambda *_: None)
    except ModelUnavailable as error:
        print(f"(not calibrated: {error.reason})\n")
        return
    save_ranges(ranges, folder / CALIBRATION_FILE)


def sentence_transformers(folder: Path, threads: int) -> Callable[[str, Sequence[str]], Any]:
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", max_length=MAX_TOKENS)

    def score(query: str, texts: Sequence[str]) -> Any:
        torch.set_num_threads(threads)
        return model.predict([(query, text) for text in texts], show_progress_bar=False)

    return score


def start_engine(settings: ModelSettings) -> Engine:
    """Our whole engine: queue, workers, batches. Raises RuntimeError where its model cannot be loaded."""
    running = Engine(settings)
    running.start()
    while not running.ready:
        if running.error:
            raise RuntimeError(running.error)
        time.sleep(0.02)
    return running


def complete_for_peers(folder: Path) -> None:
    """Adds what other servers expect of a model's folder: ONNX files, special tokens, and texts cut to MAX_TOKENS.

    The ONNX files are what people have: torch's export, and ONNX Runtime's dynamic quantisation of it to 8 bits.
    """
    settings_file = folder / "tokenizer_config.json"
    settings = json.loads(settings_file.read_text(encoding="utf-8")) | {"model_max_length": MAX_TOKENS}
    settings_file.write_text(json.dumps(settings), encoding="utf-8")
    special = {name: token for name, token in settings.items() if name.endswith("_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")
    try:
        export_plain_onnx(folder)
    except Exception as error:  # noqa: BLE001 - torch's exporters fail in many ways; those who need none still run
        print(f"(no plain ONNX files for the peers: {str(error).strip().splitlines()[0][:100]})")


def export_plain_onnx(folder: Path) -> None:
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in names)
    (folder / PLAIN_FP32).parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            str(folder / PLAIN_FP32),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    quantize_dynamic(folder / PLAIN_FP32, folder / PLAIN_INT8, weight_type=QuantType.QInt8)
