"""`clattn attend` with --rope, --cache and --page-rows against numpy.  usage: attend_cache.py CLATTN"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLATTN = sys.argv[1]
rng = np.random.default_rng(1)
B, H, G, N, M, D = 2, 4, 2, 5, 21, 40


def rope(x, positions, base, interleaved):
    """x: [B, H, N, D], positions: [B, N]."""
    pairs = x.shape[-1] // 2
    angle = positions[:, None, :, None] * base ** (-2.0 * np.arange(pairs) / x.shape[-1])
    cosine, sine = np.cos(angle), np.sin(angle)
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :pairs], x[..., pairs:])
    first, second = a * cosine - b * sine, b * cosine + a * sine
    return np.stack([first, second], -1).reshape(x.shape) if interleaved else np.concatenate([first, second], -1)


def attend(q, k, v, length):
    out = np.empty(q.shape)
    for b in range(B):
        for h in range(H):
            scores = q[b, h] @ k[b, h // (H // G), : length[b]].T / np.sqrt(D)
            last = np.arange(N)[:, None] + length[b] - N
            scores = np.where(np.arange(length[b])[None] <= last, scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[b, h] = weights @ v[b, h // (H // G), : length[b]] / weights.sum(-1, keepdims=True)
    return out


with tempfile.TemporaryDirectory() as directory:
    folder = Path(directory)
    arrays = {"q": rng.standard_normal((B, H, N, D)), "k": rng.standard_normal((B, G, M, D)),
              "v": rng.standard_normal((B, G, M, D))}  # fmt: skip
    length = np.array([M, 9])
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.astype(np.float32))
    np.save(folder / "length.npy", length.astype(np.int32))

    def run(*options, status=0):
        command = [CLATTN, "attend", "--quiet", "--causal", "--kv-length", folder / "length.npy", "--out", folder / "out.npy"]
        command += [word for name in "qkv" for word in (f"--{name}", folder / f"{name}.npy")]
        answer = subprocess.run([*map(str, command), *options], capture_output=True, text=True)
        assert answer.returncode == status, answer.stderr
        return np.load(folder / "out.npy") if status == 0 else answer.stderr

    q, k, v = arrays["q"], arrays["k"], arrays["v"]
    plain = attend(q, k, v, length)
    for interleaved in (False, True):
        places = length[:, None] - N + np.arange(N)[None]
        keys = np.broadcast_to(np.arange(M), (B, M))
        turned = attend(rope(q, places, 500.0, interleaved), rope(k, keys, 500.0, interleaved), v, length)
        options = ["--rope", "500"] + (["--interleaved"] if interleaved else [])
        assert np.abs(run(*options) - turned).max() < 1e-5
        assert np.abs(run(*options, "--page-rows", "4") - turned).max() < 1e-5
        assert np.abs(run(*options, "--cache", "i8", "--page-rows", "7") - turned).max() < 0.03
    assert np.abs(run("--page-rows", "16") - plain).max() < 1e-5
    assert np.abs(run("--cache", "f16") - plain).max() < 2e-3
    assert np.abs(run("--cache", "i8") - plain).max() < 0.03
    # The same rows in two appends, the first ending within a page.
    for name in "kv":
        np.save(folder / f"past-{name}.npy", arrays[name][:, :, :13].astype(np.float32))
        np.save(folder / f"{name}.npy", arrays[name][:, :, 13:].astype(np.float32))
    past = [word for name in "kv" for word in (f"--past-{name}", str(folder / f"past-{name}.npy"))]
    assert np.abs(run(*past, "--page-rows", "4") - plain).max() < 1e-5
    assert np.abs(run(*past, "--cache", "i8") - plain).max() < 0.03
    assert "--interleaved needs --rope" in run("--interleaved", status=2)
    assert "--cache" in run("--cache", "i4", status=2)
