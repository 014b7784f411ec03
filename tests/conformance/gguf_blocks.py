#!/usr/bin/env python3
"""Compares weights in blocks, as clattn reads them, with what the gguf package makes of them.

gguf is the Python package that llama.cpp's tools read and write GGUF files with; none of it is
copied here. Its quantiser makes blocks of real numbers where it has one; where not, and beside, all
bytes are random, but for the scales. A product with the identity gives every weight as a kernel
sees it, one row of x in several kernels gives it as few rows do:

    python3 -m venv build/gguf
    build/gguf/bin/pip install --no-deps -r tests/conformance/requirements-gguf.txt
    build/gguf/bin/python tests/conformance/gguf_blocks.py --driver build/tests/conformance/project_blocks

A weight counts as equal within 2^-22 of the largest number of its block: a product and a sum, each
rounded to f32, here and there.

Exit status: 0 all passed, 1 something failed.
"""

import argparse
import subprocess
import sys

import numpy as np
from gguf import GGMLQuantizationType, quants

COLUMNS, OUTPUTS = 512 + 256, 37  # more than a chunk of columns, no whole panel

# Of each type: where a block keeps numbers in f16, scales first.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q4_K": [0, 2], "Q6_K": [208]}
KERNELS = ("plain", "wide", "gemv_blocks_wide")


def random_bytes(name, random):
    """Rows of blocks of any bytes, and scales of either sign, subnormal ones among them."""
    columns, size = quants.GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = random.integers(0, 256, (OUTPUTS * COLUMNS // columns, size), dtype=np.uint8)
    for at in SCALES[name]:
        scale = random.choice([-1, 1], len(blocks)) * 2.0 ** random.uniform(-20, 0, len(blocks))
        blocks[:, at : at + 2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return blocks.reshape(OUTPUTS, -1)


def quantised(name, random):
    """Normal numbers as the package quantises them; None where it cannot."""
    try:
        return quants.quantize(
            random.standard_normal((OUTPUTS, COLUMNS), np.float32), GGMLQuantizationType[name]
        )
    except NotImplementedError:
        return None


def project(driver, name, weights, x, kernel):
    """y = x W^T, or None where the device does not have the kernel."""
    command = [driver, name.lower(), len(x), COLUMNS, OUTPUTS, kernel]
    answer = subprocess.run(
        [str(word) for word in command], input=weights.tobytes() + x.tobytes(), capture_output=True
    )
    if answer.returncode == 0:
        return np.frombuffer(answer.stdout, np.float32).reshape(len(x), OUTPUTS)
    message = answer.stderr.decode()
    if "no kernel serves this" in message:
        return None
    sys.exit(message)


def allowed(name, expected):
    columns, _ = quants.GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = np.abs(expected).reshape(OUTPUTS, -1, columns)
    return np.repeat(blocks.max(axis=2), columns, axis=1) * 2.0**-22


def compare(driver, name, weights, kernel, random):
    """None, or what differs; "skipped" where there is no such kernel."""
    expected = quants.dequantize(weights, GGMLQuantizationType[name])
    got = project(driver, name, weights, np.eye(COLUMNS, dtype=np.float32), kernel)
    if got is None:
        return "skipped"
    wrong = np.argwhere(~(np.abs(got.T - expected) <= allowed(name, expected)))
    if len(wrong):
        o, c = wrong[0]
        return f"{len(wrong)} weights differ, [{o},{c}] is {got[c, o]}, expected {expected[o, c]}"
    x = random.standard_normal((1, COLUMNS)).astype(np.float32)
    row = project(driver, name, weights, x, kernel)
    exact = x.astype(np.float64) @ expected.T.astype(np.float64)
    size = np.abs(x).astype(np.float64) @ np.abs(expected.T)
    return None if (np.abs(row - exact) <= 1e-6 * size).all() else "one row of x differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", required=True, help="tests/conformance/project_blocks, built")
    driver = parser.parse_args().driver
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name in SCALES:
        random = np.random.default_rng(1)
        made = {"quantised": quantised(name, random), "random": random_bytes(name, random)}
        for how, weights in made.items():
            for kernel in KERNELS if weights is not None else ():
                problem = compare(driver, name, weights, kernel, random)
                outcome = "skipped" if problem == "skipped" else "failed" if problem else "passed"
                counts[outcome] += 1
                if outcome == "failed":
                    print(f"FAILED {name} {how} gemm/{kernel}: {problem}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
