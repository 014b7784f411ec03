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

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

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

SECONDS_PER_CASE = 600  # the first use of a kernel compiles it, which some drivers do slowly


@dataclass
class Case:
    name: str
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    attributes: dict[str, object]

    def attribute(self, name, default):
        return self.attributes.get(name, default)

    @property
    def is_3d(self):
        return self.inputs["q"].ndim == 3

    @property
    def type(self):
        return TYPES.get(str(self.inputs["q"].dtype))


class Failure(Exception):
    """Why a case failed, in one line."""


# ---- Collecting -------------------------------------------------------------


def collect():
    """Every case of the operator itself; `_expanded` ones test ONNX's decomposition of it."""
    # The cases are made while onnx imports its case modules, and filtered by operator as they are
    # made: this works once per process.  Other operators' examples warn about their own overflows.
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases("Attention")
    return [read_case(case) for case in cases if "_expanded" not in case.name]


def read_case(case):
    node = case.model.graph.node[0]
    inputs, outputs = case.data_sets[0]
    return Case(
        name=case.name,
        inputs=by_role(INPUTS, node.input, inputs),
        expected=by_role(OUTPUTS, node.output, outputs),
        attributes={a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
    )


def by_role(roles, names, values):
    """Pairs values with roles; the operands a node leaves out have an empty name and no value."""
    present = [role for role, name in zip(roles, names) if name]
    return dict(zip(present, map(as_array, values), strict=True))


def as_array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def reason_to_skip(case):
    """Why clattn does not offer what the case tests, or None."""
    unknown = sorted(set(case.attributes) - ATTRIBUTES)
    if unknown:
        return f"the operator has attributes this program does not know: {', '.join(unknown)}"
    types = {str(case.inputs[role].dtype) for role in ("q", "k", "v")}
    if len(types) > 1 or case.type is None:
        return f"q, k and v of type {', '.join(sorted(types))}"
    return None


# ---- Translating ------------------------------------------------------------


def translate(case, folder):
    """Writes the case's inputs into folder; returns the options of `attend` that repeat it."""
    options = []
    for role in ("q", "k", "v"):
        options += [f"--{role}", save(folder, role, case.inputs[role])]
    if case.is_3d:
        heads, kv_heads = case.attribute("q_num_heads", 0), case.attribute("kv_num_heads", 0)
        options += ["--heads", str(heads), "--kv-heads", str(kv_heads)]
    options += ["--type", case.type]
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
    return past_rows(case) + case.inputs["k"].shape[1 if case.is_3d else 2]


def padded(mask, columns):
    """ONNX lets a mask end early; the keys behind its end are not visible."""
    missing = [(0, 0)] * (mask.ndim - 1) + [(0, columns - mask.shape[-1])]
    hidden = False if mask.dtype == np.bool_ else -np.inf
    return np.pad(mask, missing, constant_values=hidden)


def like_input(case, cache):
    """A past of [B, H, P, D] in the inputs' layout, [B, P, H * D] if they are 3-D."""
    if not case.is_3d:
        return cache
    batch, heads, rows, columns = cache.shape
    return cache.transpose(0, 2, 1, 3).reshape(batch, rows, heads * columns)


def like_cache(case, present):
    """The reverse, for what `attend` wrote."""
    if not case.is_3d or present.ndim != 3:
        return present
    batch, rows, _ = present.shape
    heads = case.attribute("kv_num_heads", 0)
    return present.reshape(batch, rows, heads, -1).transpose(0, 2, 1, 3)


def save(folder, role, array):
    path = folder / f"{role}.npy"
    if str(array.dtype) == "bfloat16":
        array = array.astype(np.float32)  # .npy has no bf16; --type bf16 rounds back to the same
    np.save(path, np.ascontiguousarray(array))
    return str(path)


# ---- Running and comparing --------------------------------------------------


def check(case, command, folder):
    """Runs the command and compares its outputs; raises Failure."""
    run(command)
    for role, expected in case.expected.items():
        got = load(folder / f"{role}.npy")
        if role.startswith("present"):
            compare(role, like_cache(case, got), expected, (0, 0))
        else:
            compare(role, got, expected, TOLERANCE[case.type])


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_CASE)
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {SECONDS_PER_CASE} s") from None
    if done.returncode < 0:
        raise Failure(f"ended by signal {-done.returncode}")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["without a word"]
        raise Failure(f"exit status {done.returncode}: {lines[-1]}")


def load(path):
    try:
        return np.load(path)
    except (OSError, ValueError) as error:
        raise Failure(f"{path.name} cannot be read: {error}") from None


def compare(role, got, expected, tolerance):
    if got.shape != expected.shape:
        raise Failure(f"{role} has shape {got.shape}, expected {expected.shape}")
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    absolute, relative = tolerance
    with np.errstate(invalid="ignore"):  # inf - inf, where both agree, is settled by the first term
        close = np.abs(got - expected) <= absolute + relative * np.abs(expected)
    wrong = ~((got == expected) | (close & np.isfinite(expected)))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Failure(
            f"{role}{list(at)} is {got[at]:.8g}, expected {expected[at]:.8g}"
            f" ({np.count_nonzero(wrong)} of {wrong.size} values differ)"
        )


def run_case(case, arguments, work):
    """('passed' | 'failed' | 'skipped', what to print or None)."""
    reason = reason_to_skip(case)
    if reason:
        return "skipped", f"SKIP {case.name}: {reason}"
    folder = work / case.name
    folder.mkdir()
    command = [arguments.clattn, "attend", *translate(case, folder), "--quiet"]
    if arguments.device:
        command += ["--device", arguments.device]
    try:
        check(case, command, folder)
    except Failure as failure:
        if not arguments.keep:
            shutil.rmtree(folder)
        return "failed", f"FAIL {case.name}: {failure}\n     {shlex.join(command)}"
    shutil.rmtree(folder)
    return "passed", None


def run_all(cases, arguments, work):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda case: run_case(case, arguments, work), cases)
        for verdict, text in results:
            counts[verdict] += 1
            if text:
                print(text, flush=True)
    return counts


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="ONNX's tests of its Attention operator, run through `clattn attend`."
    )
    parser.add_argument("--clattn", required=True, metavar="PATH", help="the program to test")
    parser.add_argument("--device", help="number or part of a name, as clattn takes it")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="cases so named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--keep", action="store_true", help="keep the files of failing cases")
    arguments = parser.parse_args()
    found = shutil.which(arguments.clattn)
    if not found:
        parser.error(f"--clattn: {arguments.clattn} is not a program")
    arguments.clattn = os.path.abspath(found)
    if arguments.jobs < 1:
        parser.error("--jobs must be at least 1")
    return arguments


def main():
    arguments = parse_arguments()
    cases = [case for case in collect() if arguments.only in case.name]
    if not cases:
        print(f"onnx_attention: no case has {arguments.only!r} in its name", file=sys.stderr)
        return 2
    work = Path(tempfile.mkdtemp(prefix="clattn-onnx-"))
    try:
        counts = run_all(cases, arguments, work)
    finally:
        if not arguments.keep or not any(work.iterdir()):
            shutil.rmtree(work)
    if counts["failed"] and not arguments.keep:
        print("add --keep to keep the files that these commands read")
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
