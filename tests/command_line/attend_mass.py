"""`clattn attend` with --spans and --mass against numpy, and that its pictures are drawn.
usage: attend_mass.py CLATTN"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLATTN = sys.argv[1]
rng = np.random.default_rng(1)
B, H, G, N, M, D, E = 2, 4, 2, 9, 40, 16, 24
CUT = np.array([0, 3, 3, 17, M])


def mass(q, k, causal=False, sinks=None):
    """Sums of the softmax over the spans of CUT, and over a sink; q: [B, H, N, D], k: [B, G, M, D]."""
    scores = np.einsum("bhnd,bhmd->bhnm", q, np.repeat(k, H // G, 1)) / np.sqrt(D)
    if causal:
        last = np.arange(q.shape[2])[:, None] + k.shape[2] - q.shape[2]
        scores = np.where(np.arange(k.shape[2])[None] <= last, scores, -np.inf)
    if sinks is not None:
        scores = np.concatenate([scores, np.broadcast_to(sinks[:, None, None], scores.shape[:3] + (1,))], -1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    spans = [weights[..., a:b].sum(-1) for a, b in zip(CUT[:-1], CUT[1:])]
    return np.stack(spans + ([weights[..., -1]] if sinks is not None else []), -1)


with tempfile.TemporaryDirectory() as directory:
    folder = Path(directory)

    def save(**arrays):
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array if array.dtype.kind == "i" else array.astype(np.float32))

    def run(text, *outputs):
        words = [str(folder / word) if "." in word and not word.startswith("-") else word for word in text.split()]
        command = [CLATTN, "attend", "--quiet", *words, *map(str, outputs)]
        answer = subprocess.run(command, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr

    def check(text, expected, tolerance=1e-5):
        out = folder / "mass.npy"
        run(text, "--spans", folder / "cut.npy", "--mass", out)
        got = np.load(out)
        assert got.dtype == np.float32 and got.shape == expected.shape, (text, got.shape)
        assert np.abs(got - expected).max() < tolerance, (text, np.abs(got - expected).max())
        assert np.abs(got.sum(-1) - 1).max() < 1e-5, text

    q, k, v = (rng.standard_normal((B, heads, rows, D)) for heads, rows in ((H, N), (G, M), (G, M)))
    sinks = rng.standard_normal(H)
    save(q=q, k=k, v=v, sinks=sinks, cut=CUT)
    plain = "--q q.npy --k k.npy --v v.npy"
    check(plain, mass(q, k))
    check(plain + " --weights w.npy --lse l.npy", mass(q, k))
    check(plain + " --causal --sinks sinks.npy", mass(q, k, True, sinks))
    check(plain + " --causal --page-rows 16", mass(q, k, True))
    check(plain + " --causal --cache i8", mass(q, k, True), 1e-2)
    save(q2=q.swapaxes(1, 2), k2=k.swapaxes(1, 2), v2=v.swapaxes(1, 2))
    check("--q q2.npy --k k2.npy --v v2.npy --layout bnhd --causal --lse l.npy", mass(q, k, True))
    save(pk=k[:, :, :30], pv=v[:, :, :30], nk=k[:, :, 30:], nv=v[:, :, 30:])
    check("--q q.npy --k nk.npy --v nv.npy --past-k pk.npy --past-v pv.npy --causal", mass(q, k, True))

    # Projected first, apart and as one matrix
    x, c = rng.standard_normal((B, N, E)), rng.standard_normal((B, M, E))
    wq, wk, wv = (rng.standard_normal((heads * D, E)) / 5 for heads in (H, G, G))
    save(x=x, c=c, wq=wq, wk=wk, wv=wv, wqkv=np.concatenate([wq, wk, wv]))

    def project(rows, weight, heads):
        return (rows @ weight.T).reshape(B, -1, heads, D).swapaxes(1, 2)

    heads = f"--heads {H} --kv-heads {G}"
    check(f"--x x.npy --context c.npy --wq wq.npy --wk wk.npy --wv wv.npy {heads}",
          mass(project(x, wq, H), project(c, wk, G)))  # fmt: skip
    check(f"--x c.npy --wqkv wqkv.npy {heads} --causal", mass(project(c, wq, H), project(c, wk, G), True))

    # Pictures: few keys with names, more than there are cells, on pages
    long = rng.standard_normal((1, H, 700, D))
    save(l=long)
    (folder / "names.txt").write_text("".join(f"key {j}\n" for j in range(M)))
    for text, widest in (
        (plain + " --tokens names.txt", 1200),
        (plain + " --heatmap-mean --page-rows 16 --sinks sinks.npy", 900),
        ("--q l.npy --k l.npy --v l.npy --causal", 1200),
        ("--q l.npy --k l.npy --v l.npy --heatmap-mean", 900),
        (f"--x c.npy --wqkv wqkv.npy {heads}", 1200),
    ):
        run(text, "--heatmap", folder / "picture.png")
        png = (folder / "picture.png").read_bytes()
        width, height = struct.unpack(">II", png[16:24])
        assert png.startswith(b"\x89PNG") and 200 < width < widest and 200 < height < widest, (text, width, height)
