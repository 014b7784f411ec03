#!/usr/bin/env python3
"""README.md's commands as typed: those of its indented blocks, in their order, in a folder of its own.

Files that the page shows by `cat` are made as it shows them, the C blocks are what the next cc compiles, and what
`ci/demo attention` leaves is made by the same script.  Every command must end as it should; where what it
says does not depend on the machine, it must say what the page shows (but for times and other numbers).

Exit status: 0 all passed, 1 something is wrong, 2 wrong usage.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
DOCUMENTS = ROOT / "examples/attribution"

# What is not run, by how it begins, and why.
LEFT_OUT = {
    "ci/demo": "installs packages as root",
    "ci/test": "is what runs this",
    "sudo apt-get": "needs root and the network",
    "meson setup build": "builds anew: lane gcc does",
    "ninja -C build": "builds anew: lane gcc does",
    "sudo meson install": "needs root; installed below a folder here",
    "clattn check": "takes minutes: lanes pocl and intel",
    "clattn build": "takes minutes: compiles every kernel",
    "clattn tune": "takes minutes",
}
PROGRAMS = ("ci/", "sudo", "meson", "ninja", "clattn", "cc", "./")  # that lines without a $ begin with

# What must be said as shown: every character, or with any numbers.
EXACT = ("cat", "clattn tokenize", "clattn attend --q q.npy --k missing.npy")
WORDS = ("./attention", "clattn generate", "clattn embed")
FAILS = ("clattn attend --q q.npy --k missing.npy",)


class Command:
    def __init__(self, text):
        self.text, self.shown = text, []

    @property
    def line(self):
        return " ".join(self.text.replace("\\\n", " ").split())


def blocks(page):
    """The indented ones, without their indentation; those between fences are not commands."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?:^(?: {4}.*)?\n)+", page, re.MULTILINE):
        if block.strip():
            yield [line[4:] for line in block.strip("\n").split("\n")]


def unfinished(text):
    """Whether a quotation, or a line that ends with a backslash, goes on."""
    try:
        shlex.split(text)
        return False
    except ValueError:
        return True


def commands(page):
    """In the order of the page, each with the lines that are shown behind it."""
    found = []
    for lines in blocks(page):
        prompts = any(line.startswith("$ ") for line in lines)
        typed = not prompts and lines[0].startswith(PROGRAMS)
        growing = False
        for line in lines:
            if growing:
                found[-1].text += "\n" + line
            elif line.startswith("$ ") or (typed and line):
                found.append(Command(re.sub(r"\s+# .*", "", line.removeprefix("$ "))))
            elif found:
                found[-1].shown.append(line)
                continue
            growing = unfinished(found[-1].text) if found else False
    return found


def same_words(line):
    line = re.sub(r"pthread-.*|cpu-.*", "DEVICE", line)
    return re.sub(r"\d+(\.\d+)?", "#", " ".join(line.split()))


def missing_lines(command, said):
    """Those that the page shows and the command did not say."""
    exact = command.line.startswith(EXACT)
    if not exact and not command.line.startswith(WORDS):
        return []
    change = str.rstrip if exact else same_words
    there = [change(line) for line in said.split("\n")]
    return [line for line in command.shown if line and line != "..." and change(line) not in there]


class Reader:
    """Types commands, and counts."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        self.passed = self.failed = self.skipped = 0
        self.variables = []

    def type(self, text):
        script = "\n".join([*self.variables, text])
        return subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, text=True, timeout=600,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def fail(self, command, why):
        print(f"FAILED {command.line}\n    {why}", flush=True)
        self.failed += 1

    def skip(self, command, why):
        print(f"SKIPPED {command.line}: {why}", flush=True)
        self.skipped += 1

    def prepare(self, command):
        """The file that `cat` will show."""
        name = command.line.removeprefix("cat ")
        if name != command.line and not (self.folder / name).exists():
            (self.folder / name).write_text("\n".join(command.shown) + "\n")

    def run(self, command):
        self.prepare(command)
        done = self.type(command.text)
        wanted = 1 if command.line.startswith(FAILS) else 0
        if done.returncode != wanted:
            return self.fail(command, f"exit status {done.returncode}: {done.stdout[-600:]}")
        lacking = missing_lines(command, done.stdout)
        if lacking:
            return self.fail(command, f"does not say: {lacking[0]!r}, but:\n{done.stdout[:1500]}")
        if re.match(r"[A-Z]+=", command.text):
            self.variables.append(command.text)
        print(f"ok {command.line}", flush=True)
        self.passed += 1


def why_left_out(command):
    return next((why for start, why in LEFT_OUT.items() if command.line.startswith(start)), None)


def furnish(folder, page, options):
    """What a reader has at that point of the page."""
    for text, name in re.findall(r"^```c\n(.*?)^```$.*?cc (\w+\.c) -o", page, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text)
    for document in DOCUMENTS.glob("*.txt"):
        (folder / document.name).symlink_to(document)
    (folder / SMOLLM2).symlink_to(options.gguf)
    (folder / "build").mkdir()
    (folder / "build/venv").symlink_to(options.venv)
    subprocess.run([folder / "build/venv/bin/python", ROOT / "examples/minilm_attention.py",
                    "--clattn", options.build / "tools/clattn", "--out", folder / "build/demo"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip


def install(folder, options):
    """As `meson install` does, below the folder; returns where pkg-config looks."""
    subprocess.run(["meson", "install", "--no-rebuild", "--quiet", "-C", options.build, "--destdir", folder / "root"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    described = next((folder / "root").rglob("clattn.pc"))
    described.write_text(re.sub(r"^prefix=", f"prefix={folder}/root", described.read_text(), flags=re.MULTILINE))
    return described.parent


def parse_arguments():
    parser = argparse.ArgumentParser(description="README.md's commands as typed.")
    parser.add_argument("--build", required=True, type=Path, metavar="DIR", help="a build of all")
    parser.add_argument("--gguf", required=True, type=Path, metavar="FILE", help=SMOLLM2)
    parser.add_argument("--venv", required=True, type=Path, metavar="DIR",
                        help="a Python environment as `ci/demo attention` makes it")  # fmt: skip
    options = parser.parse_args()
    for name in ("build", "gguf", "venv"):
        setattr(options, name, getattr(options, name).absolute())
    return options


def main():
    options, page = parse_arguments(), (ROOT / "README.md").read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="clattn-readme-") as name:
        folder = Path(name).resolve()
        furnish(folder, page, options)
        environment = {**os.environ, "PATH": f"{options.build}/tools:{os.environ['PATH']}",
                       "PKG_CONFIG_PATH": str(install(folder, options))}  # fmt: skip
        reader = Reader(folder, environment)
        found = commands(page)
        for command in found:
            why = why_left_out(command)
            reader.skip(command, why) if why else reader.run(command)
        for start in LEFT_OUT:
            if not any(command.line.startswith(start) for command in found):
                reader.fail(Command(start), "is left out, but README.md has no such command")
    print(f"{reader.passed} passed, {reader.failed} failed, {reader.skipped} skipped")
    return 1 if reader.failed else 0


if __name__ == "__main__":
    sys.exit(main())
