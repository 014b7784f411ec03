#!/usr/bin/env python3
"""Makes attention.png: two heads of a real model's first attention layer, by `clattn attend`.

    ci/demo attention --text "His pale grey eyes shone and twinkled, and his usually pale face was flushed."
    build/venv/bin/python docs/images/attention.py
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "examples"))
from minilm_attention import LAYER, Safetensors, get_model_path  # noqa: E402

HEADS = 2, 4
DIM = 32


def main():
    clattn, folder = sys.argv[1:] if len(sys.argv) == 3 else ("build/tools/clattn", "build/demo")
    folder = Path(folder)
    weights = Safetensors(get_model_path() / "model.safetensors")
    command = [clattn, "attend", "--heads", str(len(HEADS)), "--x", str(folder / "x.npy")]
    for letter, name in zip("qkv", ("query", "key", "value")):
        for option, part in ((f"w{letter}", "weight"), (f"b{letter}", "bias")):
            all_heads = weights[f"{LAYER}self.{name}.{part}"]
            rows = np.concatenate([all_heads[h * DIM : (h + 1) * DIM] for h in HEADS])
            np.save(folder / f"{option}.npy", rows)
            command += [f"--{option}", str(folder / f"{option}.npy")]
    command += ["--tokens", str(folder / "tokens.txt"), "--heatmap", str(HERE / "attention.png")]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
