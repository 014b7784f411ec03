"""What a table of timings has to say about where they were taken."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

FLAGS = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_bf16", "avx512_fp16",
         "amx_bf16", "asimd", "sve")  # fmt: skip


def cpu_fields():
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, text = line.partition(":")
        fields.setdefault(name.strip(), text.strip())
    return fields


def commit():
    here = Path(__file__).parent
    answer = subprocess.run(["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def describe(threads):
    fields = cpu_fields()
    known = (fields.get("flags") or fields.get("Features") or "").split()
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "clattn": commit(),
        "cpu": fields.get("model name", platform.machine()),
        "family, model": f"{fields.get('cpu family', '?')}, {fields.get('model', '?')}",
        "cores": os.cpu_count(),
        "threads used": threads,
        "flags": " ".join(flag for flag in FLAGS if flag in known),
        "cache": fields.get("cache size", "?"),
        "memory": f"{int(memory.split()[1]) / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
