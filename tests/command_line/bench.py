"""bench_test.py CLATTN: does `clattn bench` work; how fast is never a test."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = [sys.argv[1], "bench", "--seconds", "0.01"]


def run(*options, status=0):
    answer = subprocess.run([*BENCH, *options], capture_output=True, text=True)
    assert answer.returncode == status, (options, answer.returncode, answer.stderr)
    assert status == 0 or answer.stderr.count("\n") == 1, answer.stderr
    return answer.stdout


def refuses(*options, status):
    assert run(*options, status=status) == ""


with tempfile.TemporaryDirectory() as directory:
    before, cases, broken = (Path(directory) / name for name in ("before.json", "cases.txt", "broken.json"))
    smoke = ("--smoke", "--json")
    before.write_text(run(*smoke))
    result = json.loads(before.read_text())
    assert result["ceilings"]["gflops"] > 0 and result["ceilings"]["gbytes_per_s"] > 0
    assert {row["case"].split()[0] for row in result["rows"]} >= {"attention", "cache", "project", "mha", "additive", "luong", "norm", "topk"}
    assert all(row["wall"]["best_ms"] <= row["wall"]["median_ms"] <= 1e6 for row in result["rows"])
    again = json.loads(run(*smoke, "--against", str(before)))
    assert all(row["change"] > 0 for row in again["rows"])

    cases.write_text("# one\n\nattention --heads 2 --nq 3 --nk 4 --head-dim 8 # here\nproject --rows 2\n")
    rows = json.loads(run(str(cases), "--op", "attention", "--kernel", "all", "--json"))["rows"]
    assert len(rows) > 1 and len({row["kernel"] for row in rows}) == len(rows)
    rows = json.loads(run(str(cases), "--kernel", "tiled", "--json"))["rows"]
    assert "wall" in rows[0] and "tiled" in rows[1]["skipped"] and "wall" not in rows[1]

    broken.write_text(before.read_text()[:-40])
    refuses(*smoke, "--against", str(broken), status=1)
    refuses(*smoke, "--against", str(Path(directory) / "none"), status=1)
    refuses(str(Path(directory) / "none"), status=1)
    refuses("--case", "attention --heads many", status=1)
    refuses("--case", "attention --heads 2", "--kernel", "nonesuch", status=1)
    refuses("--op", "nonesuch", status=2)
    refuses("--smoke", str(cases), status=2)
