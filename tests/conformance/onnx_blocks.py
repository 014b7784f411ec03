#!/usr/bin/env python3
"""Runs ONNX's own tests of the operators that clattn/block.h has, through the program run_op.

    python3 -m venv build/onnx
    build/onnx/bin/pip install -r tests/conformance/requirements.txt
    build/onnx/bin/python tests/conformance/onnx_blocks.py --run-op build/tests/conformance/run_op

What counts as equal: |got - expected| <= 1e-5 + 1e-5 * |expected|, and the same column for TopK.

How the operators become ops:

    RotaryEmbedding     rope with the caller's tables: by position_ids, or each row's own
    RMSNormalization    norm; an axis from which on all is normalised makes the axes behind it the
    LayerNormalization    columns of one row, a view of the same array
    Gelu, Relu, Swish   activation
    Softmax, TopK       softmax, topk; an axis that is not the last is moved there and back
"""

import sys

import numpy as np

from onnx_cases import Suite, compare, load, save

EXACT, CLOSE = (0, 0), (1e-5, 1e-5)


def rows_of(array, axis=-1):
    """[1, rows, 1, columns]: all axes from this one on are the columns."""
    axis %= max(array.ndim, 1)
    return array.reshape(1, int(np.prod(array.shape[:axis])), 1, -1)


def axis_last(array, axis):
    return np.moveaxis(array, axis, -1)


# ---- Operators: each gives the op, its settings and its inputs --------------------


def rope(case):
    q = case.inputs["input"]
    settings = {
        "interleaved": case.attribute("interleaved", 0),
        "rotary-dim": case.attribute("rotary_embedding_dim", 0),
    }
    if q.ndim == 3:
        batch, rows, _ = q.shape
        q = q.reshape(batch, rows, case.attribute("num_heads", 0), -1)
    else:
        settings["layout"] = "bhnd"
    inputs = {"q": q}
    for name in ("cos", "sin"):
        table = case.inputs[f"{name}_cache"]
        # A cache [positions, pairs], or [batch, rows, pairs]
        inputs[name] = table.reshape(-1, table.shape[-2], 1, table.shape[-1])
    if "position_ids" in case.inputs:
        positions = case.inputs["position_ids"].astype(np.int32)
        inputs["positions"] = positions.reshape(*positions.shape, 1, 1)
    return "rope", settings, inputs


def norm(case, kind):
    axis = case.attribute("axis", -1)
    settings = {"kind": kind, "epsilon": f"{case.attribute('epsilon', 1e-5):.9g}"}
    inputs = {"x": rows_of(case.inputs["x"], axis)}
    for name in ("weight", "bias"):
        if name in case.inputs:
            inputs[name] = case.inputs[name].reshape(1, 1, 1, -1)
    return "norm", settings, inputs


def activation(case, kind):
    return "activation", {"kind": kind}, {"x": rows_of(case.inputs["x"])}


def gelu(case):
    approximated = case.attribute("approximate", b"") == b"tanh"
    return activation(case, "gelu-tanh" if approximated else "gelu")


def softmax(case):
    return "softmax", {}, {"x": rows_of(axis_last(case.inputs["x"], case.attribute("axis", -1)))}


def topk(case):
    x = axis_last(case.inputs["x"], case.attribute("axis", -1)).astype(np.float32)
    return "topk", {"k": int(case.inputs["k"].item())}, {"x": rows_of(x)}


# Operator: inputs, outputs (as run_op names them), attributes known, translation.
OPERATORS = {
    "RotaryEmbedding": (
        ("input", "cos_cache", "sin_cache", "position_ids"),
        ("q_out",),
        {"interleaved", "num_heads", "rotary_embedding_dim"},
        rope,
    ),
    "RMSNormalization": (
        ("x", "weight"),
        ("y",),
        {"axis", "epsilon", "stash_type"},
        lambda case: norm(case, "rms"),
    ),
    "LayerNormalization": (
        ("x", "weight", "bias"),
        ("y", "mean", "inverse"),
        {"axis", "epsilon", "stash_type"},
        lambda case: norm(case, "layer"),
    ),
    "Gelu": (("x",), ("y",), {"approximate"}, gelu),
    "Relu": (("x",), ("y",), set(), lambda case: activation(case, "relu")),
    "Swish": (("x",), ("y",), {"alpha"}, lambda case: activation(case, "silu")),
    "Softmax": (("x",), ("y",), {"axis"}, softmax),
    "TopK": (("x", "k"), ("values", "indices"), {"axis", "largest", "sorted"}, topk),
}


# ---- The suite ---------------------------------------------------------------------


class Blocks(Suite):
    about = "ONNX's tests of RotaryEmbedding, norms, activations, Softmax and TopK, through run_op."
    program = "run-op"
    roles = {name: row[:2] for name, row in OPERATORS.items()}

    def reason_to_skip(self, case):
        unknown = sorted(set(case.attributes) - OPERATORS[case.operator][2])
        if unknown:
            return f"the operator has attributes this program does not know: {', '.join(unknown)}"
        if case.attribute("alpha", 1.0) != 1.0:
            return "only x * sigmoid(x) is offered"
        if not case.attribute("largest", 1):
            return "only the largest are offered"
        return None

    def translate(self, case, folder):
        op, settings, inputs = OPERATORS[case.operator][3](case)
        words = [op]
        for name, value in settings.items():
            words += [f"--{name}", str(value)]
        words += [f"{name}={save(folder, name, array)}" for name, array in inputs.items()]
        return words + [f"{name}={folder / name}.npy" for name in case.expected]

    def check(self, case, folder):
        for role, expected in case.expected.items():
            tolerance = EXACT if case.operator == "TopK" else CLOSE
            got = load(folder / f"{role}.npy")
            if case.operator in ("Softmax", "TopK"):
                expected = axis_last(expected, case.attribute("axis", -1))
            if got.size == expected.size:  # the program's four axes are a view of the case's
                got = got.reshape(expected.shape)
            compare(role, got, expected, tolerance)


if __name__ == "__main__":
    sys.exit(Blocks().main())
