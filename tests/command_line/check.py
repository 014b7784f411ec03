"""check_test.py CLATTN KERNELS: does `clattn check --full` keep its promises to who sends its report.

That kernels are right is no matter of this test: one that is wrong is made here.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CLATTN, KERNELS = Path(sys.argv[1]).resolve(), sys.argv[2]
OP = ("--op", "topk")  # quick to compile


def check(*options, status=0, directory=None, kernels=None, stdin=None):
    environment = dict(os.environ)
    if kernels:
        environment["CLATTN_KERNEL_DIR"] = str(kernels)
    answer = subprocess.run(
        [CLATTN, "check", *options], capture_output=True, text=True, cwd=directory, env=environment, input=stdin
    )
    assert answer.returncode == status, (options, answer.returncode, answer.stdout, answer.stderr)
    return answer


def refused(*options, status, names):
    """One line that names what is wrong, and no result."""
    answer = check(*options, status=status)
    ours = [line for line in answer.stderr.splitlines() if line.startswith("clattn ")]
    assert answer.stdout == "" and len(ours) == 1 and names in ours[0], answer.stderr


def a_report_is_written_and_named(folder):
    answer = check("--full", *OP, directory=folder)
    (path,) = folder.iterdir()
    assert path.name.startswith("clattn-check-") and path.suffix == ".json" and path.name in answer.stderr
    result = json.loads(path.read_text())
    assert result["failed"] == 0 and result["passed"] > 0 and result["failures"] == []
    for words in (result["device"], result["driver"], result["sources"], "sub-groups", "matrix engine", "check --full"):
        assert words in answer.stdout, words
    facts = result["facts"]
    assert facts["lanes"] == "none" or facts["subgroup_sizes"]
    assert (facts["engine"] == "none") == (facts["engine_reason"] != "")
    assert (facts["lanes"] == "none") == (facts["lanes_reason"] != "")
    assert len(result["sources"]) == 16 and int(result["sources"], 16) >= 0
    for kernel in result["kernels"]:
        assert kernel["seconds"] >= 0 and kernel["kernel"] in answer.stdout
    path.unlink()
    return result


def everything_is_run_without_a_limit(folder, whole):
    path = folder / "out.json"
    stdout = check("--full", "--seconds", "0", *OP, "--json", "--report", str(path)).stdout
    result = json.loads(path.read_text())
    assert json.loads(stdout) == result
    assert set(result["left_out"].values()) == {0} and result["passed"] >= whole["passed"]
    path.unlink()
    return result


def late_cases_are_left_out_and_counted(folder):
    """A second is too short for every kernel, but of each kind one case runs all the same."""
    path = folder / "late.json"
    table = check("--full", "--seconds", "1", "--op", "cache", "--report", str(path)).stdout
    late = json.loads(path.read_text())
    left = late["left_out"]
    assert left["cases"] > 0 and f"left out for want of time: {left['cases']} cases" in table
    assert left["cases_on_other_kernels"] > 0 and "on the chosen kernel alone" in table
    assert late["passed"] >= left["cases_on_other_kernels"] and late["failed"] == 0
    path.unlink()


def a_wrong_kernel_is_in_the_report(folder):
    wrong = folder / "kernels"
    shutil.copytree(KERNELS, wrong)
    path = wrong / "block" / "topk.cl"
    text = path.read_text()
    begin = text.index("{", text.index("__kernel")) + 1
    path.write_text(text[:begin] + "\n    return;\n" + text[begin:])
    report = folder / "wrong.json"
    answer = check("--full", *OP, "--report", str(report), kernels=wrong, status=1)
    result = json.loads(report.read_text())
    assert result["failed"] == len(result["failures"]) > 0
    assert {failure["kernel"] for failure in result["failures"]} == {"block/topk"}
    assert "FAILED block/topk: topk --case" in answer.stdout and result["failures"][0]["why"] in answer.stdout
    shutil.rmtree(wrong)
    report.unlink()


def a_pair_that_no_case_has_is_told(folder):
    """Two options that only ever come alone; a case with both, and the pair is no longer missing."""
    path = folder / "cases.txt"
    lines = ["# a comment", "norm --rows 2 --columns 20 --rms", "", "norm --rows 2 --columns 20 --bias"]
    path.write_text("\n".join(lines) + "\n")
    options = ("--kernel", "softmax,block/norm", "--coverage")
    table = check("--cases", str(path), *options, status=1).stdout
    pair = "block/norm: no case has ABOUT_MEAN=0 with WITH_BIAS=1, as this has: norm "
    assert pair in table, table
    assert [line for line in table.splitlines() if line.startswith("block/norm ")], table
    lines += ["norm --rows 2 --columns 20 --rms --bias", "norm --rows 2 --columns 20"]
    table = check("--cases", "-", *options, stdin="\n".join(lines)).stdout
    assert "no case has" not in table and "block/norm" in table, table
    path.unlink()


def compiled_programs_are_kept_where_asked(folder):
    cache = folder / "cache"
    options = ("--case", "norm --rows 2 --columns 20", "--kernel", "block/norm", "--cache-dir", str(cache))

    def kept():
        return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}

    check(*options)
    first = kept()
    assert first
    check(*options)
    assert kept() == first, "the second run wrote nothing"
    shutil.rmtree(cache)


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    whole = a_report_is_written_and_named(folder)
    everything_is_run_without_a_limit(folder, whole)
    late_cases_are_left_out_and_counted(folder)
    a_wrong_kernel_is_in_the_report(folder)
    a_pair_that_no_case_has_is_told(folder)
    compiled_programs_are_kept_where_asked(folder)
    refused("--cases", str(folder / "none.txt"), status=1, names="none.txt")
    refused("--cases", "-", "--case", "norm", status=2, names="--cases")
    refused("--full", "--report", str(folder / "none" / "x.json"), status=1, names="--report")
    refused("--full", "--smoke", status=2, names="--full")
    refused("--seconds", "5", status=2, names="--seconds")
    refused("--full", "--seconds", "soon", status=2, names="--seconds")
    refused("--full", "--random", "3", status=2, names="--full")
    assert list(folder.iterdir()) == [], "nothing else was left"
    check("--smoke", *OP, directory=folder)
    assert list(folder.iterdir()) == [], "only --full writes unasked"
