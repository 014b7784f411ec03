"""clattn in a process of its own (clattn_peer.c), which sleeps while peers run."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np


class Refused(Exception):
    """What the worker answered."""


class Worker:
    def __init__(self, program, device, environment=None, cache_dir=None):
        command = [str(program), device] + ([str(cache_dir)] if cache_dir else [])
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.device, self.platform, self.driver = self._answer()
        self.opening_ms = (time.perf_counter() - started) * 1e3

    def _answer(self):
        line = self.process.stdout.readline()
        status, *fields = line.rstrip("\n").split("\t")
        if status != "ok":
            raise Refused(fields[0] if fields else "clattn-peer ended")
        return fields

    def _ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def open(self, slot, line, kernel="-"):
        name, ms, flops, size = self._ask("open", slot, kernel, line)
        return {"kernel": name, "create_ms": float(ms), "flops": float(flops), "bytes": float(size)}

    def load(self, slot, arrays):
        for name, array in arrays.items():
            with tempfile.NamedTemporaryFile() as file:
                array.tofile(file.name)
                self._ask("load", slot, name, file.name)

    def time(self, slot, seconds, least):
        return float(self._ask("time", slot, seconds, least)[0])

    def save(self, slot, name, dtype):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / name
            self._ask("save", slot, name, path)
            return np.fromfile(path, dtype).astype(np.float32)

    def close_slot(self, slot):
        self._ask("close", slot)

    def ceilings(self, seconds):
        return tuple(map(float, self._ask("ceilings", seconds)))

    def end(self):
        self.process.stdin.close()
        self.process.wait()
