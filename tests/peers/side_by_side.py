"""Times clattn and its peers on the same inputs, in turns.  Started by tests/peers/run."""

import argparse
import gc
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

parser = argparse.ArgumentParser(prog="tests/peers/run", description=__doc__)
parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains this")
parser.add_argument("--rounds", metavar="N", type=int, default=7, help="turns of everyone (default 7)")
parser.add_argument("--seconds", metavar="X", type=float, default=0.25, help="length of a turn (default 0.25)")
parser.add_argument("--threads", metavar="N", type=int, default=len(os.sched_getaffinity(0)),
                    help="processors for everyone (default: all)")  # fmt: skip
parser.add_argument("--device", metavar="TEXT", default="", help="clattn's device (default: PoCL's)")
parser.add_argument("--intel", action="store_true", help="clattn on Intel's CPU runtime instead of PoCL")
parser.add_argument("--tiny", action="store_true",
                    help="whether it works: a short turn of small cases, counted, with the peers there are")  # fmt: skip
parser.add_argument("--no-first-use", action="store_true", help="leave out what first use takes")
parser.add_argument("--out", metavar="DIR", default="build/peers", help="for peers.md and peers.json")
parser.add_argument("--worker", required=True, help=argparse.SUPPRESS)
options = parser.parse_args()
if options.tiny:
    options.rounds, options.seconds = 1, 0.0
if options.rounds < 1 or options.threads < 1:
    parser.error("--rounds and --threads begin at 1")

# Before anything starts threads: the same processors for every library and for the worker.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT"):
    os.environ[variable] = str(options.threads)

import numpy as np  # noqa: E402

import cases  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
from worker import Refused, Worker  # noqa: E402

MAIN, OWN, CLBLAST = range(3)  # the worker's slots


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def start_peers():
    found, missing = [], {}
    for peer in peers.PEERS:
        try:
            say(f"starting {peer.name}")
            found.append(peer(options.threads))
        except Exception as error:  # an import may fail in any way
            missing[peer.name] = one_line(error)
    return found, missing


def one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return (text[:117] + "...").replace("|", "/") if len(text) > 120 else text.replace("|", "/")


# ---- One case --------------------------------------------------------------


class Way:
    """A peer's way to compute a case, ready to run."""

    def __init__(self, name, make):
        self.name, self.ms = name, float("inf")
        self.run, self.fetch = make()
        self.run()

    def turn(self):
        self.ms = min(self.ms, peers.best_of(self.run, options.seconds))
        peers.settle()


class Slot:
    """clattn itself, in one of the worker's slots."""

    def __init__(self, worker, slot, case, arrays, kernel="-"):
        self.worker, self.slot, self.case, self.ms = worker, slot, case, float("inf")
        self.facts = worker.open(slot, case.line, kernel)
        worker.load(slot, arrays)
        worker.time(slot, 0, 1)

    def turn(self):
        self.ms = min(self.ms, self.worker.time(self.slot, options.seconds, 1))

    def fetch(self):
        name = "y" if self.case.rows else "out"
        return self.worker.save(self.slot, name, cases.DTYPES[self.case.type]).reshape(peers.output_shape(self.case))


class Ceilings:
    """What the device can do at most, measured in turns like everyone: on a shared machine it changes."""

    def __init__(self, worker):
        self.worker, self.flops, self.bytes = worker, 0, 0

    def turn(self):
        gflops, gbytes = self.worker.ceilings(min(options.seconds, 0.1))
        self.flops, self.bytes = max(self.flops, gflops * 1e9), max(self.bytes, gbytes * 1e9)


def make_ways(case, arrays, found):
    ways, cannot = [], {}
    for peer in found:
        for name, make in peer.ways(case, arrays):
            try:
                ways.append(Way(name, make))
            except peers.Cannot as error:
                cannot[name] = one_line(error)
            except Exception as error:  # whatever a peer raises is its reason
                cannot[name] = f"failed: {one_line(error)}"
    return ways, cannot


def with_own(case, arrays, worker):
    """The same case in another form of ours, where a bar is held against that."""
    if not case.own:
        return None, ""
    changes = dict(case.own)
    other = replace(case, **changes)
    dtype = cases.DTYPES[other.type]
    floats = {name: a.astype(dtype) if name in "qkv" else a for name, a in arrays.items()}
    what = ", ".join("full" if name == "window" else str(value) for name, value in changes.items())
    return Slot(worker, OWN, other, floats), what


def with_clblast(case, arrays, worker, cannot):
    if not case.rows:
        return None
    try:
        return Slot(worker, CLBLAST, case, arrays, "clblast")
    except Refused as error:
        cannot["CLBlast"] = f"failed: {one_line(error)}"
        return None


def describe_peer(name, milliseconds, case, result, expected, ours):
    error = cases.error_of(case, result, expected)
    difference = float(np.abs(result - ours).max() / np.abs(ours).max())
    return {"name": name, "ms": milliseconds, "error": error, "difference": difference,
            "right": max(error, difference) <= cases.TOLERANCE[case.type]}  # fmt: skip


def run_case(case, worker, found):
    arrays = cases.make_inputs(case)
    ways, cannot = make_ways(case, arrays, found)
    main = Slot(worker, MAIN, case, arrays)
    own, what = with_own(case, arrays, worker)
    clblast = with_clblast(case, arrays, worker, cannot)
    ceilings = Ceilings(worker)
    contestants = [one for one in (main, own, clblast, ceilings, *ways) if one]
    peers.settle()
    gc.disable()
    for number in range(options.rounds):
        say(f"{case.name}: round {number + 1} of {options.rounds}")
        for one in contestants:
            one.turn()
    gc.enable()
    expected, ours = cases.reference(case, arrays), main.fetch()
    error = cases.error_of(case, ours, expected)
    row = {
        "name": case.name, "line": case.line, "kernel": main.facts["kernel"], "ms": main.ms, "error": error,
        "right": error <= cases.TOLERANCE[case.type], "flops": main.facts["flops"], "bytes": main.facts["bytes"],
        "own": {"what": what, "ms": own.ms} if own else None, "cannot": cannot, "wanted": case.bars,
        "ceilings": {"flops": ceilings.flops, "bytes": ceilings.bytes},
        "peers": [describe_peer(w.name, w.ms, case, w.fetch(), expected, ours) for w in ways],
    }  # fmt: skip
    if clblast:
        row["peers"].append(describe_peer("CLBlast", clblast.ms, case, clblast.fetch(), expected, ours))
    for slot in (main, own, clblast):
        if slot:
            worker.close_slot(slot.slot)
    return row


# ---- The whole -------------------------------------------------------------


def first_use(device, chosen):
    """Each in a process and with caches of its own: the driver's and clattn's."""
    measured = []
    for case in chosen:
        say(f"first use: {case.name}")
        with tempfile.TemporaryDirectory() as directory:
            times = []
            for _ in range(2):
                caches = {"POCL_CACHE_DIR": f"{directory}/pocl", "XDG_CACHE_HOME": directory}
                worker = Worker(options.worker, device, caches, f"{directory}/clattn")
                facts = worker.open(MAIN, case.line)
                ready = facts["create_ms"] + worker.time(MAIN, 0, 1)
                times.append((worker.opening_ms, ready))
                worker.end()
        measured.append({"name": case.name, "opening_ms": times[1][0], "cold_ms": times[0][1], "warm_ms": times[1][1]})
    return measured


def write(result):
    directory = Path(options.out)
    directory.mkdir(parents=True, exist_ok=True)
    text = report.markdown(result)
    (directory / "peers.md").write_text(text + "\n")
    (directory / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    say("")
    print(text)


def count(rows, missing):
    """Of a tiny run: every case of clattn's, and every way of a peer that takes it."""
    passed = failed = 0
    for row in rows:
        wrong = [] if row["right"] else [f"clattn's values are wrong: {row['error']:.1e}"]
        wrong += [f"{name} {why}" for name, why in row["cannot"].items() if why.startswith("failed: ")]
        for why in wrong:
            print(f"FAILED {row['name']}: {why}")
        failed += len(wrong)
        passed += row["right"] + len(row["peers"])
    for name, why in missing.items():
        print(f"SKIPPED {name}: {why}")
    print(f"{passed} passed, {failed} failed, {len(missing)} skipped")
    return 1 if failed else 0


def main():
    all_cases = cases.TINY if options.tiny else cases.CASES
    chosen = [case for case in all_cases if options.only.lower() in case.name.lower()]
    if not chosen:
        parser.error(f"--only '{options.only}': no case has that in its name")
    device = options.device or ("Intel" if options.intel else "Portable Computing Language")
    found, missing = start_peers()
    worker = Worker(options.worker, device)
    result = {
        "machine": machine.describe(options.threads),
        "versions": {
            "OpenCL": f"{worker.platform}, {worker.device}",
            **{peer.name: peer.version for peer in found},
            **{name: f"not there: {why}" for name, why in missing.items()},
        },
        "run": {"rounds": options.rounds, "seconds": options.seconds},
        "blas_kernels": next((peer.tried for peer in found if peer.name == "OpenBLAS"), {}),
        "rows": [], "first_use": [],
    }  # fmt: skip
    for case in chosen:
        result["rows"].append(run_case(case, worker, found))
    worker.end()
    if not options.no_first_use:
        result["first_use"] = first_use(device, [case for case in chosen if case.first_use])
    report.judge(result["rows"])
    write(result)
    if options.tiny:
        return count(result["rows"], missing)
    wrong = [row["name"] for row in result["rows"] if not row["right"]]
    for name in wrong:
        print(f"clattn's values are wrong: {name}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
