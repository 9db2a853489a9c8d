"""What one thread's matrix products reach on this machine: the bound that bench_engine.py measures backends against."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROWS, INNER, COLUMNS = 1024, 384, 1536


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def matrix_rates(clock: Callable[[], float]) -> dict[str, float]:
    """Billion multiplications a second of one thread in a product of the model's own shape, by number format.

    fp32 and int8: ONNX Runtime's, bf16: oneDNN's, which OpenVINO uses too; the best of five.
    """
    found = {}
    for name, run in products().items():
        times = []
        for _ in range(5):
            start = clock()
            run()
            times.append(clock() - start)
        found[name] = ROWS * INNER * COLUMNS / min(times) / 1e9
    return found


@cache
def products() -> Mapping[str, Callable[[], Any]]:
    import torch

    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((ROWS, INNER), "f"), rng.standard_normal((INNER, COLUMNS), "f")
    bf16 = torch.from_numpy(left).bfloat16(), torch.from_numpy(right.T.copy()).bfloat16()

    def in_bf16() -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            torch.nn.functional.linear(*bf16)

    found: dict[str, Callable[[], Any]] = {"bf16": in_bf16}
    try:
        found["fp32"] = onnx_product("MatMul", left, right)
        codes = np.clip(left * 40 + 128, 0, 255).astype(np.uint8), np.clip(right * 40, -127, 127).astype(np.int8)
        found["int8"] = onnx_product("MatMulInteger", *codes)
    except ImportError:
        print("(no matrix rates of fp32 and int8: onnxruntime is not installed)")
    return found


def onnx_product(kind: str, left: Any, right: Any) -> Callable[[], Any]:
    import onnxruntime
    from onnx import helper, numpy_helper
    from onnx.helper import np_dtype_to_tensor_dtype as type_of

    out = np.dtype(np.int32 if kind == "MatMulInteger" else np.float32)
    graph = helper.make_graph(
        [helper.make_node(kind, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", type_of(left.dtype), left.shape)],
        [helper.make_tensor_value_info("product", type_of(out), [left.shape[0], right.shape[1]])],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left})
