"""What is timed, and what each case has to reach: the inputs are the same for everyone."""

from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}

# Largest error allowed, of the largest value: storage rounded to the type, sums in f32.  Who is worse
# computes in something narrower, and is not compared.
TOLERANCE = {"f32": 1e-4, "f16": 2e-3, "bf16": 3e-2}


@dataclass(frozen=True)
class Case:
    """One attention, or one projection where rows is not 0.

    bars: (whom, factor).  Whom is "best" (the fastest peer), a peer's name, "own" (clattn with the
    changes that own names), or "flops" and "bytes" (a share of what the device can do)."""

    name: str
    heads: int = 0
    kv_heads: int = 0  # 0 = heads
    nq: int = 0
    nk: int = 0
    dim: int = 64
    type: str = "f32"
    causal: bool = False
    mask: bool = False
    bias: bool = False
    window: int = 0  # keys a query sees, itself included; 0 = all
    rows: int = 0
    inputs: int = 0
    outputs: int = 0
    bars: tuple = ()
    own: tuple = ()  # fields to replace, for the bar "own"
    first_use: bool = False  # also measured: how long a new user waits

    @property
    def kv(self):
        return self.kv_heads or self.heads

    @property
    def line(self):
        """In clattn's own syntax."""
        if self.rows:
            return f"project --rows {self.rows} --in {self.inputs} --out {self.outputs} --type {self.type}"
        words = [
            f"attention --layout bhnd --heads {self.heads} --kv-heads {self.kv} --nq {self.nq}",
            f"--nk {self.nk} --head-dim {self.dim} --type {self.type}",
            "--causal" if self.causal else "",
            "--mask n" if self.mask else "",
            "--bias nh" if self.bias else "",
            f"--window {self.window - 1},0" if self.window else "",
        ]
        return " ".join(word for word in words if word)


def prefill(heads, dim, **more):
    kind = ", causal" if more.get("causal") else ""
    storage = more.get("type", "f32")
    name = f"prefill, {heads} heads x 2048, D {dim}{kind}, {storage}"
    return Case(name, heads=heads, nq=2048, nk=2048, dim=dim, **more)


def half_prefills():
    for storage in ("f16", "bf16"):
        for heads, dim in ((32, 64), (16, 128)):
            for causal in (False, True):
                yield prefill(heads, dim, type=storage, causal=causal,
                              bars=(("own", 0.90),), own=(("type", "f32"),))  # fmt: skip


def decode(name, **more):
    return Case(f"decode, 1 query, {name}", heads=32, nq=1, nk=8192, dim=128, **more)


CASES = (
    prefill(32, 64, bars=(("best", 1.30),)),
    prefill(32, 64, causal=True, bars=(("best", 1.60),)),
    prefill(16, 128, bars=(("best", 1.25), ("flops", 0.80))),
    prefill(16, 128, causal=True, bars=(("best", 1.60),)),
    *half_prefills(),
    Case("short, 8 heads x 128, D 64", heads=8, nq=128, nk=128, bars=(("best", 1.0),), first_use=True),
    decode("32/8 heads x 8192, D 128, f32", kv_heads=8, bars=(("torch", 3.5),), first_use=True),
    decode("32/32 heads x 8192, D 128, f32", bars=(("torch", 1.05), ("bytes", 0.90))),
    decode("32/32 heads x 8192, D 128, f16", type="f16", bars=(("own", 1.7),), own=(("type", "f32"),)),
    Case("mask, 8 heads x 1024, D 64", heads=8, nq=1024, nk=1024, mask=True, bars=(("best", 1.2),)),
    Case("bias, 8 heads x 1024, D 64", heads=8, nq=1024, nk=1024, bias=True, bars=(("best", 1.2),)),
    Case("window 256 of 8192, 8 heads, D 64", heads=8, nq=8192, nk=8192, causal=True, window=256,
         bars=(("own", 10.0),), own=(("window", 0),)),
    Case("GEMM 1024 x 3072 x 1024", rows=1024, inputs=1024, outputs=3072,
         bars=(("OpenBLAS", 0.95), ("CLBlast", 10.0)), first_use=True),
    Case("GEMV 1 x 4096 x 4096", rows=1, inputs=4096, outputs=4096),
)  # fmt: skip


def small(case):
    """The same kind of case, of a size that takes no time."""
    kv_heads = 2 if case.kv_heads else 0
    shape = {"rows": min(case.rows, 32), "inputs": 64, "outputs": 96} if case.rows else {
        "heads": 4, "kv_heads": kv_heads, "nq": min(case.nq, 32), "nk": 40 if case.nq == 1 else 32, "dim": 16,
        "window": min(case.window, 8)}  # fmt: skip
    made = replace(case, **shape)
    return replace(made, name=f"tiny {made.line}")


TINY_OF = ("prefill, 32 heads x 2048, D 64, causal, f16", "prefill, 16 heads x 2048, D 128, bf16", "short",
           "decode, 1 query, 32/8", "mask", "bias", "window", "GEMM", "GEMV")  # fmt: skip
TINY = tuple(small(case) for case in CASES if case.name.startswith(TINY_OF))


# ---- Inputs and the reference ----------------------------------------------


def make_inputs(case, seed=1):
    """By operand, in clattn's names, rounded to the storage type.  q, k, v: {1, heads, rows, columns}."""
    rng = np.random.default_rng(seed)
    dtype = DTYPES[case.type]

    def normal(*shape, scale=1.0):
        return (rng.standard_normal(shape, np.float32) * np.float32(scale)).astype(dtype)

    if case.rows:
        return {"x": normal(case.rows, case.inputs),
                "weight": normal(case.outputs, case.inputs, scale=case.inputs**-0.5)}  # fmt: skip
    arrays = {
        "q": normal(1, case.heads, case.nq, case.dim),
        "k": normal(1, case.kv, case.nk, case.dim),
        "v": normal(1, case.kv, case.nk, case.dim),
    }
    if case.mask:
        arrays["mask"] = rng.random((1, 1, case.nq, case.nk)) < 0.75
    if case.bias:
        arrays["bias"] = rng.standard_normal((1, case.heads, case.nq, case.nk), np.float32)
    return arrays


def sampled_rows(case):
    """A few are enough to show a wrong formula; clattn's other rows are compared with every peer's."""
    return np.unique(np.linspace(0, (case.rows or case.nq) - 1, 24).astype(int))


def visible(case, arrays, rows):
    """{rows, keys}: what those queries see."""
    i, j = rows[:, None] + (case.nk - case.nq), np.arange(case.nk)[None]
    seen = np.ones((len(rows), case.nk), bool)
    if case.causal:
        seen &= j <= i
    if case.window:
        seen &= j > i - case.window
    if case.mask:
        seen &= arrays["mask"][0, 0, rows]
    return seen


def reference(case, arrays):
    """The sampled rows in double precision: {heads, rows, columns}, or {rows, columns}."""
    rows = sampled_rows(case)
    if case.rows:
        return arrays["x"][rows].astype(np.float64) @ arrays["weight"].astype(np.float64).T
    out = np.empty((case.heads, len(rows), case.dim))
    seen = visible(case, arrays, rows)
    for h in range(case.heads):
        g = h // (case.heads // case.kv)
        k, v = arrays["k"][0, g].astype(np.float64), arrays["v"][0, g].astype(np.float64)
        scores = arrays["q"][0, h, rows].astype(np.float64) @ k.T / np.sqrt(case.dim)
        if case.bias:
            scores += arrays["bias"][0, h, rows]
        scores = np.where(seen, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out[h] = weights @ v / weights.sum(-1, keepdims=True)
    return out


def error_of(case, result, expected):
    """Largest, as a share of the largest value expected; NaN counts as infinite."""
    rows = sampled_rows(case)
    got = result[rows] if case.rows else result.reshape(case.heads, case.nq, case.dim)[:, rows]
    error = np.abs(got.astype(np.float64) - expected).max() / np.abs(expected).max()
    return float(error) if np.isfinite(error) else float("inf")
