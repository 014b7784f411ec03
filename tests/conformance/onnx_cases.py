"""What the conformance programs share: ONNX's own node tests, collected, run and compared.

The cases come from the installed onnx package (see requirements.txt), none of it is copied here.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

SECONDS_PER_CASE = 600  # the first use of a kernel compiles it, which some drivers do slowly


@dataclass
class Case:
    name: str
    operator: str
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    attributes: dict[str, object]

    def attribute(self, name, default):
        return self.attributes.get(name, default)


class Failure(Exception):
    """Why a case failed, in one line."""


# ---- Collecting -------------------------------------------------------------


def collect(roles):
    """Every case of the operators that roles names; `_expanded` ones test ONNX's decomposition.

    roles: operator -> (inputs, outputs), the operands by position under names of our own.
    """
    # The cases are made while onnx imports its case modules, and filtered by operator as they are
    # made: this works once per process.  Other operators' examples warn about their own overflows.
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(next(iter(roles)) if len(roles) == 1 else None)
    cases = [case for case in cases if "_expanded" not in case.name]
    return [read_case(case, roles) for case in cases if case.model.graph.node[0].op_type in roles]


def read_case(case, roles):
    node = case.model.graph.node[0]
    inputs, outputs = case.data_sets[0]
    input_roles, output_roles = roles[node.op_type]
    return Case(
        name=case.name,
        operator=node.op_type,
        inputs=by_role(input_roles, node.input, inputs),
        expected=by_role(output_roles, node.output, outputs),
        attributes={a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
    )


def by_role(roles, names, values):
    """Pairs values with roles; the operands a node leaves out have an empty name and no value."""
    present = [role for role, name in zip(roles, names) if name]
    return dict(zip(present, map(as_array, values), strict=True))


def as_array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


# ---- Files --------------------------------------------------------------------


def save(folder, role, array):
    path = folder / f"{role}.npy"
    if str(array.dtype) == "bfloat16":
        array = array.astype(np.float32)  # .npy has no bf16; --type bf16 rounds back to the same
    np.save(path, np.ascontiguousarray(array))
    return str(path)


def load(path):
    try:
        return np.load(path)
    except (OSError, ValueError) as error:
        raise Failure(f"{path.name} cannot be read: {error}") from None


# ---- Running and comparing -----------------------------------------------------


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_CASE)
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {SECONDS_PER_CASE} s") from None
    if done.returncode < 0:
        raise Failure(f"ended by signal {-done.returncode}")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["without a word"]
        raise Failure(f"exit status {done.returncode}: {lines[-1]}")


def compare(role, got, expected, tolerance):
    if got.shape != expected.shape:
        raise Failure(f"{role} has shape {got.shape}, expected {expected.shape}")
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    absolute, relative = tolerance
    with np.errstate(invalid="ignore"):  # inf - inf, where both agree, is settled by the first term
        close = np.abs(got - expected) <= absolute + relative * np.abs(expected)
    wrong = ~((got == expected) | (close & np.isfinite(expected)))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Failure(
            f"{role}{list(at)} is {got[at]:.8g}, expected {expected[at]:.8g}"
            f" ({np.count_nonzero(wrong)} of {wrong.size} values differ)"
        )


class Suite:
    """A program under test; what its subclasses say of a case is all that differs."""

    about = ""  # for --help
    program = ""  # the option that names the program
    roles = {}  # of each operator, for collect

    options = argparse.Namespace()  # as the command line gave them

    def add_options(self, parser):
        """Those of its own."""

    def wanted(self, case):
        """Whether the case is one of this suite at all."""
        return True

    def reason_to_skip(self, case):
        """Why clattn does not offer what the case tests, or None."""
        raise NotImplementedError

    def translate(self, case, folder):
        """Writes the case's inputs into folder; returns the program's arguments that repeat it."""
        raise NotImplementedError

    def check(self, case, folder):
        """Compares what the program wrote into folder; raises Failure."""
        raise NotImplementedError

    def run_case(self, case, arguments, work):
        """('passed' | 'failed' | 'skipped', what to print or None)."""
        reason = self.reason_to_skip(case)
        if reason:
            return "skipped", f"SKIP {case.name}: {reason}"
        folder = work / case.name
        folder.mkdir()
        command = [arguments.path, *self.translate(case, folder)]
        if arguments.device:
            command += ["--device", arguments.device]
        try:
            run(command)
            self.check(case, folder)
        except Failure as failure:
            if not arguments.keep:
                shutil.rmtree(folder)
            return "failed", f"FAIL {case.name}: {failure}\n     {shlex.join(command)}"
        shutil.rmtree(folder)
        return "passed", None

    def run_all(self, cases, arguments, work):
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        with ThreadPoolExecutor(arguments.jobs) as pool:
            results = pool.map(lambda case: self.run_case(case, arguments, work), cases)
            for verdict, text in results:
                counts[verdict] += 1
                if text:
                    print(text, flush=True)
        return counts

    def parse_arguments(self):
        parser = argparse.ArgumentParser(description=self.about)
        program = f"--{self.program}"
        parser.add_argument(
            program, required=True, dest="path", metavar="PATH", help="the program to test"
        )
        parser.add_argument("--device", help="number or part of a name, as clattn takes it")
        parser.add_argument("--only", default="", metavar="SUBSTRING", help="cases so named")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
        parser.add_argument("--keep", action="store_true", help="keep the files of failing cases")
        self.add_options(parser)
        arguments = parser.parse_args()
        found = shutil.which(arguments.path)
        if not found:
            parser.error(f"{program}: {arguments.path} is not a program")
        arguments.path = os.path.abspath(found)
        if arguments.jobs < 1:
            parser.error("--jobs must be at least 1")
        return arguments

    def main(self):
        """Exit status: 0 all passed, 1 something failed, 2 wrong usage."""
        arguments = self.options = self.parse_arguments()
        cases = [case for case in collect(self.roles) if self.wanted(case)]
        cases = [case for case in cases if arguments.only in case.name]
        if not cases:
            print(f"no case has {arguments.only!r} in its name", file=sys.stderr)
            return 2
        work = Path(tempfile.mkdtemp(prefix="clattn-onnx-"))
        try:
            counts = self.run_all(cases, arguments, work)
        finally:
            if not arguments.keep or not any(work.iterdir()):
                shutil.rmtree(work)
        if counts["failed"] and not arguments.keep:
            print("add --keep to keep the files that these commands read")
        print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
        return 1 if counts["failed"] else 0
