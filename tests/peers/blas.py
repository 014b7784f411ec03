"""OpenBLAS through ctypes: which of its kernels is the fastest that is right here, and sgemm.

OpenBLAS chooses a kernel when it is loaded, by OPENBLAS_CORETYPE or by what it knows of the
processor, and old releases choose badly on new processors.  So every choice is tried in a process
of its own:  blas.py LIBRARY  prints its kernel, GFLOP/s and whether its result is right."""

import ctypes
import json
import os
import subprocess
import sys
import time

CHOICES = ("", "Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids")
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


class OpenBlas:
    """y = x W^T.  numpy's copy prefixes its names and takes 64-bit sizes."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        bundled = hasattr(library, "scipy_cblas_sgemm64_")
        self.size = ctypes.c_int64 if bundled else ctypes.c_int32

        def function(name):
            return getattr(library, f"scipy_{name}64_" if bundled else name)

        self.sgemm = function("cblas_sgemm")
        self.sgemm.restype = None
        self.set_threads = function("openblas_set_num_threads")
        corename, config = function("openblas_get_corename"), function("openblas_get_config")
        corename.restype = config.restype = ctypes.c_char_p
        self.kernel = corename().decode()
        self.version = config().decode().split()[1]

    def project(self, x, weight, y):
        """Returns what to call; the arrays must outlive it."""
        (m, k), n = x.shape, weight.shape[0]
        pointer, size, real = ctypes.c_void_p, self.size, ctypes.c_float
        arguments = (ctypes.c_int(ROW_MAJOR), ctypes.c_int(PLAIN), ctypes.c_int(TRANSPOSED), size(m),
                     size(n), size(k), real(1), pointer(x.ctypes.data), size(k),
                     pointer(weight.ctypes.data), size(k), real(0), pointer(y.ctypes.data), size(n))  # fmt: skip
        return lambda: self.sgemm(*arguments)


def measure(path):
    import numpy as np

    blas, rng = OpenBlas(path), np.random.default_rng(1)
    x, weight = (rng.standard_normal((n, 1024), np.float32) for n in (512, 1536))
    y = np.empty((512, 1536), np.float32)
    run, best = blas.project(x, weight, y), float("inf")
    for _ in range(20):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    right = np.abs(y - x.astype(np.float64) @ weight.T.astype(np.float64)).max() < 1e-2
    return {"kernel": blas.kernel, "gflops": 2 * 512 * 1536 * 1024 / best / 1e9, "right": bool(right)}


def probe(path):
    """Tries every choice; returns the best one and what each of them did."""
    tried = []
    for choice in CHOICES:
        environment = {name: text for name, text in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        environment.update({"OPENBLAS_CORETYPE": choice} if choice else {})
        answer = subprocess.run([sys.executable, __file__, path], env=environment, capture_output=True, text=True)
        crashed = {"kernel": "crashed", "gflops": 0.0, "right": False}
        tried.append({"choice": choice, **(crashed if answer.returncode else json.loads(answer.stdout))})
    return max(tried, key=lambda one: one["gflops"] if one["right"] else -1)["choice"], tried


def load(path, choice):
    """With that kernel; it must not have been loaded before."""
    os.environ.pop("OPENBLAS_CORETYPE", None)
    if choice:
        os.environ["OPENBLAS_CORETYPE"] = choice
    return OpenBlas(path)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
