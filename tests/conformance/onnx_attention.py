#!/usr/bin/env python3
"""Runs ONNX's own tests of its Attention operator (opsets 23 to 25) through `clattn attend`.

The cases come from the installed onnx package (see requirements.txt), none of it is copied here.
Each case's inputs are written as .npy files, its node is translated to the options of `attend`,
and every output the case expects is compared with what `attend` wrote:

    python3 -m venv build/onnx
    build/onnx/bin/pip install -r tests/conformance/requirements.txt
    build/onnx/bin/python tests/conformance/onnx_attention.py --clattn build/tools/clattn

What counts as equal, |got - expected| <= abs + rel * |expected|, by the case's type:

    f32   1e-5 + 1e-5
    f16   2e-3 + 2e-3    ONNX's expected values are themselves computed in f16 ...
    bf16  1e-2 + 1e-2    ... and in bf16, rounded after every step
    present_key and present_value are copies and must be the same to the last bit,
    and an infinity (a masked score) must stand exactly where it is expected

With --type every case is computed in that type, whatever its own, for kernels that take no other:
inputs are rounded to it, and the tolerance is the wider one of the two types.

How the operator's rules become options of `attend`:

    is_causal, window sizes     --causal, --window L,R, around the position that --offset gives:
      with past_key             --offset P, the number of past rows
      with nonpad_kv_seqlen     --offset bottom-right, which is kv_length[b] - Nq
      else                      --offset top-left, also where Nq < Nk
    nonpad_kv_seqlen            --kv-length
    attn_mask                   --mask (boolean) or --bias, padded with "not visible" up to Nk
    past_*, present_*           --past-*, --present-*
    qk_matmul_output_mode       --weights-stage (0 scores, 1 softcap, 2 masked, 3 softmax)
    softmax_precision           nothing: softmax is always f32, as these tolerances allow
    3-D inputs                  --heads, --kv-heads

Exit status: 0 all passed, 1 something failed, 2 wrong usage.
"""

import sys

import numpy as np

from onnx_cases import Suite, compare, load, save

TOLERANCE = {"f32": (1e-5, 1e-5), "f16": (2e-3, 2e-3), "bf16": (1e-2, 1e-2)}
TYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
STAGES = ("scores", "softcap", "masked", "softmax")  # by qk_matmul_output_mode

# The operator's inputs and outputs by position, under names of our own.
INPUTS = ("q", "k", "v", "mask", "past-k", "past-v", "kv-length")
OUTPUTS = ("out", "present-k", "present-v", "weights")
ATTRIBUTES = {
    "is_causal", "kv_num_heads", "left_window_size", "q_num_heads", "qk_matmul_output_mode",
    "right_window_size", "scale", "softcap", "softmax_precision",
}  # fmt: skip


def is_3d(case):
    return case.inputs["q"].ndim == 3


def type_of(case):
    return TYPES.get(str(case.inputs["q"].dtype))


def reason_to_skip(case):
    """Why clattn does not offer what the case tests, or None."""
    unknown = sorted(set(case.attributes) - ATTRIBUTES)
    if unknown:
        return f"the operator has attributes this program does not know: {', '.join(unknown)}"
    types = {str(case.inputs[role].dtype) for role in ("q", "k", "v")}
    if len(types) > 1 or type_of(case) is None:
        return f"q, k and v of type {', '.join(sorted(types))}"
    return None


# ---- Translating ------------------------------------------------------------


def translate(case, folder, type_name):
    """Writes the case's inputs into folder; returns the options of `attend` that repeat it."""
    options = []
    for role in ("q", "k", "v"):
        options += [f"--{role}", save(folder, role, case.inputs[role])]
    if is_3d(case):
        heads, kv_heads = case.attribute("q_num_heads", 0), case.attribute("kv_num_heads", 0)
        options += ["--heads", str(heads), "--kv-heads", str(kv_heads)]
    options += ["--type", type_name]
    options += score_options(case)
    options += visibility_options(case, folder)
    for role in ("past-k", "past-v"):
        if role in case.inputs:
            options += [f"--{role}", save(folder, role, like_input(case, case.inputs[role]))]
    for role in case.expected:
        options += [f"--{role}", str(folder / f"{role}.npy")]
    if "weights" in case.expected:
        options += ["--weights-stage", STAGES[case.attribute("qk_matmul_output_mode", 0)]]
    return options


def score_options(case):
    options = []
    for name in ("scale", "softcap"):
        value = case.attribute(name, 0)
        if value:
            options += [f"--{name}", f"{value:.9g}"]  # nine digits give the same f32 back
    return options


def visibility_options(case, folder):
    """Which keys a query sees."""
    options = ["--offset", offset(case)]
    if case.attribute("is_causal", 0):
        options.append("--causal")
    left, right = case.attribute("left_window_size", -1), case.attribute("right_window_size", -1)
    if (left, right) != (-1, -1):
        options.append(f"--window={left},{right}")
    if "kv-length" in case.inputs:
        options += ["--kv-length", save(folder, "kv-length", case.inputs["kv-length"])]
    if "mask" in case.inputs:
        mask = padded(case.inputs["mask"], key_rows(case))
        role = "mask" if mask.dtype == np.bool_ else "bias"
        options += [f"--{role}", save(folder, role, mask)]
    return options


def offset(case):
    """Where query 0 stands among the keys."""
    if "past-k" in case.inputs:
        return str(past_rows(case))
    return "bottom-right" if "kv-length" in case.inputs else "top-left"


def past_rows(case):
    past = case.inputs.get("past-k")
    return 0 if past is None else past.shape[2]  # always [B, H, P, D], also with 3-D inputs


def key_rows(case):
    return past_rows(case) + case.inputs["k"].shape[1 if is_3d(case) else 2]


def padded(mask, columns):
    """ONNX lets a mask end early; the keys behind its end are not visible."""
    missing = [(0, 0)] * (mask.ndim - 1) + [(0, columns - mask.shape[-1])]
    hidden = False if mask.dtype == np.bool_ else -np.inf
    return np.pad(mask, missing, constant_values=hidden)


def like_input(case, cache):
    """A past of [B, H, P, D] in the inputs' layout, [B, P, H * D] if they are 3-D."""
    if not is_3d(case):
        return cache
    batch, heads, rows, columns = cache.shape
    return cache.transpose(0, 2, 1, 3).reshape(batch, rows, heads * columns)


def like_cache(case, present):
    """The reverse, for what `attend` wrote."""
    if not is_3d(case) or present.ndim != 3:
        return present
    batch, rows, _ = present.shape
    heads = case.attribute("kv_num_heads", 0)
    return present.reshape(batch, rows, heads, -1).transpose(0, 2, 1, 3)


# ---- The suite ----------------------------------------------------------------


class Attention(Suite):
    about = "ONNX's tests of its Attention operator, run through `clattn attend`."
    program = "clattn"
    roles = {"Attention": (INPUTS, OUTPUTS)}

    def reason_to_skip(self, case):
        return reason_to_skip(case)

    def add_options(self, parser):
        parser.add_argument("--kernel", metavar="NAME", help="force this kernel of attention")
        parser.add_argument("--type", choices=TOLERANCE, help="in place of each case's own")

    def translate(self, case, folder):
        kernel = ["--kernel", self.options.kernel] if self.options.kernel else []
        return ["attend", *translate(case, folder, self.options.type or type_of(case)), *kernel, "--quiet"]

    def check(self, case, folder):
        tolerance = max(TOLERANCE[name] for name in (type_of(case), self.options.type) if name)
        for role, expected in case.expected.items():
            got = load(folder / f"{role}.npy")
            if role.startswith("present"):
                compare(role, like_cache(case, got), expected, (0, 0))
            else:
                compare(role, got, expected, tolerance)


if __name__ == "__main__":
    sys.exit(Attention().main())
