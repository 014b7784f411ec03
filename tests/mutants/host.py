"""A copy of the tree whose C files are changed and built again, with the address sanitizer."""

import os
import re
import shutil
import signal
import subprocess
import sys

from checks import Outcome
from table import ROOT, Wrong

LEFT_OUT = {"build", ".git", "__pycache__"}
CORPUS = "fuzz_corpus_"
SECONDS = 300  # that a suite may take

# Check names what failed as FILE:LINE:F:..., the sanitizers as SUMMARY or runtime error.
REASON = re.compile(r"^\S+:\d+:[EF]:.*|.*runtime error: .*|^SUMMARY: .*", re.MULTILINE)


def same(a, b):
    return b.is_file() and a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes()


def copy_tree(to):
    """What is there and the same stays untouched, so that nothing is built for it."""
    wanted = {to / "build"}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith("build")]
        target = to / os.path.relpath(folder, ROOT)
        target.mkdir(parents=True, exist_ok=True)
        wanted.add(target)
        for name in files:
            source = ROOT / os.path.relpath(folder, ROOT) / name
            wanted.add(target / name)
            if not same(source, target / name):
                shutil.copy(source, target / name)
    for folder, folders, files in os.walk(to):
        folders[:] = [name for name in folders if (to / folder / name) != to / "build"]
        for name in files:
            if to / os.path.relpath(folder, to) / name not in wanted:
                (to / os.path.relpath(folder, to) / name).unlink()


class Tree:
    def __init__(self, folder, driver, jobs):
        self.folder, self.driver, self.jobs = folder, driver, jobs
        self.build_folder, self.plain = folder / "build", folder / "clattn"

    def prepare(self, targets):
        copy_tree(self.folder)
        if not (self.build_folder / "build.ninja").is_file():
            environment = dict(os.environ, CC="clang")
            options = ["--buildtype=debug", "-Db_sanitize=address,undefined", "-Db_lundef=false"]
            done = subprocess.run(["meson", "setup", self.build_folder, self.folder, *options], env=environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise Wrong(f"meson setup: {done.stdout[-2000:]}")
        self.build(targets)
        if "tools/clattn" in targets:
            shutil.copy(self.build_folder / "tools/clattn", self.plain)  # what it is without a fault

    def build(self, targets):
        done = subprocess.run(["ninja", "-C", self.build_folder, "-j", str(self.jobs), *targets],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "error" in line]
            raise Wrong(f"it does not build: {(errors or done.stdout.splitlines())[0]}")

    def suite(self, name):
        """One of meson's tests, by its name there, built as the tree is now."""
        self.build([target_of(name)])
        name, _, group = name.partition(":")
        command = command_of(name, self.folder, self.build_folder)
        environment = dict(os.environ, OCL_ICD_VENDORS=self.driver)
        if group:
            environment["CK_RUN_CASE"] = group
        process = subprocess.Popen(command, cwd=self.build_folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            said = process.communicate(timeout=SECONDS)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # each test is a process of its own
            process.communicate()
            return Outcome("ended", f"still at work after {SECONDS} s")
        if process.returncode == 0:
            return Outcome("passed")
        reason = REASON.search(said)
        return Outcome("failed", reason[0].strip() if reason else f"exit status {process.returncode}")


def target_of(suite):
    """What has to be built for it, or for a group of its tests, NAME:GROUP."""
    suite = suite.partition(":")[0]
    if suite == "refusals":
        return "tools/clattn"
    if suite.startswith(CORPUS):
        return "tests/fuzz/corpus_" + suite[len(CORPUS):]
    return "tests/faults/test_faults" if suite == "faults" else f"tests/unit/{suite}"


def command_of(suite, tree, build):
    program = build / target_of(suite)
    if suite == "refusals":
        return [sys.executable, tree / "tests/command_line/refusals.py", "--clattn", program]
    if suite.startswith(CORPUS):
        return [sys.executable, tree / "tests/fuzz/corpus.py", suite[len(CORPUS):], program]
    return [program]
