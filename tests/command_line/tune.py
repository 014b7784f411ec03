"""tune_test.py CLATTN KERNELS: does `clattn tune` find, verify, store and forget.

Which parameters are faster here is no matter of a test, so a copy of the kernels is made in which it
is: attention/row wastes time with the built-in ones, and with others is fastest of all, but wrong.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CLATTN, KERNELS = sys.argv[1:]
CASE = ("--case", "attention --heads 2 --nq 20 --nk 30 --head-dim 8 --causal")
KIND = "attention/row f32 d8 causal"


def run(command, *options, status=0, kernels=None):
    environment = dict(os.environ)
    if kernels:
        environment["CLATTN_KERNEL_DIR"] = str(kernels)
    answer = subprocess.run([CLATTN, command, *options], capture_output=True, text=True, env=environment)
    assert answer.returncode == status, (options, answer.returncode, answer.stdout, answer.stderr)
    return answer


def tune(*options, **more):
    return run("tune", "--cache-dir", str(cache), *options, **more).stdout


def messages(answer):
    """What clattn said; drivers and their compilers speak on stderr, too."""
    ours = ("WRONG ", "clattn ", "  clattn ")
    return [line for line in answer.stderr.splitlines() if line.startswith(ours)]


def tuning_files():
    return [path for path in cache.glob("*.txt")] if cache.exists() else []


def stored():
    return {entry["kernel"]: entry["params"] for entry in json.loads(tune("--list", "--json"))["stored"]}


def spoil(kernels):
    """attention/row: slow where it is built in, and fast but wrong with 4 rows."""
    path = kernels / "attention" / "row.cl"
    begin = "    if (i >= head.n_q) {\n        return;\n    }\n"
    text = path.read_text()
    assert text.count(begin) == 1
    path.write_text(text.replace(begin, begin + """
    if (ROWS == 4) {
        return;
    }
    if (ROWS == 8) {
        volatile int wasted = 0;
        while (wasted < 100000) {
            wasted++;
        }
    }
"""))


def finds_what_is_faster_and_right(kernels):
    dry = json.loads(tune(*CASE, "--kernel", "row", "--json", "--dry-run", kernels=kernels))["rows"][0]
    assert dry["best"]["ms"] < dry["built_in"]["ms"] and not dry["kept"], dry
    assert not tuning_files()

    answer = run("tune", "--cache-dir", str(cache), *CASE, "--kernel", "row", "--json", kernels=kernels)
    row = json.loads(answer.stdout)["rows"][0]
    assert row["kernel"] == KIND and row["built_in"]["params"] == "ROWS=8"
    assert row["sets"] == row["tried"] == 6 and row["wrong"] == 1, row
    assert row["best"]["params"] not in ("ROWS=8", "ROWS=4") and row["gain"] > 0.03 and row["kept"], row
    assert stored() == {KIND: row["best"]["params"]}
    assert len(tuning_files()) == 1 and len(list(cache.glob("*.bin"))) >= 1

    # What was wrong is told, with the command that shows it.
    message, command = messages(answer)
    assert message.startswith("WRONG attention/row: out["), message
    words = command.strip().split(" ", 3)
    assert words[:3] == ["clattn", "check", "--case"] and "--params ROWS=4" in words[3], command
    shown = run("check", "--case", words[3].strip('"'), status=1, kernels=kernels)
    assert "FAILED attention/row" in shown.stderr
    run("check", "--case", words[3].strip('"').replace("ROWS=4", "ROWS=16"), kernels=kernels)

    # It is used from now on, and not where it is not stored.
    used = json.loads(tune(*CASE, "--kernel", "row", "--json", "--dry-run", "--budget", "0.001", kernels=kernels))
    assert used["rows"][0]["best"]["params"] == row["best"]["params"]

    # With the kernel as it is, 8 rows are no slower: what was stored goes, or is found to be faster.
    row = json.loads(tune(*CASE, "--kernel", "row", "--json"))["rows"][0]
    assert row["wrong"] == 0 and stored() == ({KIND: row["best"]["params"]} if row["kept"] else {}), row


def chooses_a_kernel(kernels):
    """Of gemm/wide or gemm/gemv_wide that waste time, and gemm/plain, which does not."""
    for name in ("wide", "gemv_wide"):
        path = kernels / "gemm" / f"{name}.cl"
        head, begin = f"void gemm_{name}(", "\n{\n"
        text = path.read_text()
        at = text.index(begin, text.index(head)) + len(begin)
        path.write_text(text[:at] + "    volatile int wasted = 0;\n    while (wasted < 3000000) {\n"
                                    "        wasted++;\n    }\n" + text[at:])
    case = ("--case", "project --rows 40 --in 64 --out 70 --type f16", "--budget", "1")
    few = ("--case", "project --rows 2 --in 64 --out 70 --type f16", "--budget", "1")
    many_class, few_class = "project f16 in>=64 out>=64", "project f16 in>=64 out>=64 few rows"

    row = json.loads(tune("--dry-run", *case, "--json"))["rows"][0]
    if "kernels" not in row:
        return  # gemm/plain alone serves this device
    row = json.loads(tune(*case, "--json", kernels=kernels))["rows"][0]
    assert row["kernels"]["fastest"] == "gemm/plain" != row["kernels"]["usual"], row
    assert row["kernels"]["gain"] > 0.03 and row["kernels"]["rows"] == "many", row
    assert "no other parameters" in row["skipped"], row
    assert stored() == {many_class: "gemm/plain"}
    text = tune(*few, kernels=kernels)
    assert "kernels for few rows gemm/plain is fastest" in text, text
    assert stored() == {many_class: "gemm/plain", few_class: "gemm/plain"}

    # Without the waste others are faster, and what was chosen is forgotten.
    row = json.loads(tune(*case, "--json"))["rows"][0]
    assert row["kernels"]["usual"] == row["kernels"]["fastest"] != "gemm/plain", row
    assert stored() == {few_class: "gemm/plain"}
    tune("--reset")


def tells_people(kernels):
    text = tune(*CASE, "--kernel", "row", kernels=kernels)
    assert KIND in text and "built in" in text and "% faster: kept" in text and "1 wrong" in text, text
    assert tune("--list").startswith(KIND + ": ROWS=")
    assert tune("--reset") == "1 deleted\n" and not tuning_files()
    assert tune("--list") == "nothing is stored for this device\n" and stored() == {}
    assert tune("--reset") == "0 deleted\n"
    assert tune(*CASE, "--kernel", "row", "--quiet", kernels=kernels) == "" and stored()


def write_by_hand(directory, lines):
    """The file of src/registry/tune.c, as another program might write it."""
    facts = json.loads(run("info", "--json", "--device", "0").stdout)["devices"][0]
    version = json.loads(tune(*CASE, "--kernel", "row", "--json", "--dry-run", "--budget", "0.001"))["version"]
    name = hashlib.sha256(f"{facts['name']}\0{facts['platform']}\0".encode()).hexdigest()[:16]
    directory.mkdir(parents=True, exist_ok=True)
    header = f"clattn tuning 1, version {version}, {facts['platform_version']}, driver {facts['driver']}, {facts['name']}"
    (directory / f"tuning-{name}.txt").write_text("\n".join([header, *lines, ""]))


def info_tells_what_is_tuned(home):
    os.environ["XDG_CACHE_HOME"] = str(home)
    write_by_hand(home / "clattn", ["attention/row f32 d64: ROWS=16"])
    answer = json.loads(run("info", "--json", "--device", "0").stdout)["devices"][0]["ops"]
    rows = [kernel for op in answer for kernel in op["kernels"] if kernel["kernel"] == "attention/row"]
    assert [(row["params"], row["tuned"]) for row in rows] == [("ROWS=16", True), ("ROWS=8", False)], rows
    assert "ROWS=16, tuned\n" in run("info", "--device", "0").stdout


def refuses():
    def refused(*options, status):
        answer = run("tune", "--cache-dir", str(cache), *options, status=status)
        assert len(messages(answer)) == 1, answer.stderr
        return answer.stderr

    assert "--budget" in refused("--budget", "0", status=2)
    assert "--list" in refused("--list", "--reset", status=2)
    assert "--list" in refused("--list", *CASE, status=2)
    assert "--reset" in refused("--reset", "--dry-run", status=2)
    assert "nonesuch" in refused("--op", "nonesuch", status=2)
    assert "exclude" in refused("--smoke", *CASE, status=2)
    assert "nonesuch" in refused(*CASE, "--kernel", "nonesuch", status=1)
    assert "no other parameters" in refused("--case", "project --kernel plain", status=1)
    assert "a layer" in refused("--case", "mha --in 8 --out 8", status=1)
    assert "many" in refused("--case", "attention --heads many", status=1)
    assert refused(str(cache / "none"), status=1)
    answer = run("tune", "--cache-dir", "/dev/null/none", *CASE, "--kernel", "row", status=1, kernels=kernels)
    assert "did not keep" in messages(answer)[-1], answer.stderr


with tempfile.TemporaryDirectory() as directory:
    cache, kernels = Path(directory) / "cache", Path(directory) / "kernels"
    shutil.copytree(KERNELS, kernels)
    spoil(kernels)
    finds_what_is_faster_and_right(kernels)
    tune("--reset")
    chooses_a_kernel(kernels)
    tells_people(kernels)
    info_tells_what_is_tuned(Path(directory) / "home")
    refuses()
