"""The faults: where each is, what it replaces, and who should notice."""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Wrong(Exception):
    """The table is wrong, not the code that it is about."""


@dataclass
class Mutant:
    name: str
    file: str  # of the tree
    fault: str  # in words
    find: str  # in the file exactly once; how its words are laid out does not matter
    replace: str
    device: str = ""  # the lanes' driver: pocl or intel
    op: str = ""
    kernel: str = ""
    type: str = ""  # of all cases; "" = their own
    cases: str = ""  # words of the cases to begin with
    suites: tuple = ()  # of meson, the cheapest first
    equivalent: str = ""  # why nobody can notice: not run, not counted

    @property
    def of_kernels(self):
        """Whether it needs nothing built: kernels are read from a folder."""
        return self.file.startswith("kernels/") and not self.suites

    def mutated(self, text):
        pattern = r"\s+".join(map(re.escape, self.find.split()))
        found = re.findall(pattern, text)
        if len(found) != 1:
            raise Wrong(f"{self.file} has its snippet {len(found)} times, must be once: {self.find.strip()!r}")
        changed = re.sub(pattern, lambda _: self.replace.strip(), text)
        if changed == text:
            raise Wrong("it changes nothing")
        return changed


def make(entry):
    unknown = entry.keys() - {field.name for field in fields(Mutant)}
    missing = {"name", "file", "fault", "find", "replace"} - entry.keys()
    if unknown or missing:
        raise Wrong(f"{entry.get('name')}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    mutant = Mutant(**entry)
    if not mutant.equivalent and not mutant.suites and not (mutant.op and mutant.device):
        raise Wrong(f"{mutant.name}: names neither suites nor op and device")
    return mutant


def read():
    mutants = [make(entry) for path in sorted(HERE.glob("*.toml"))
               for entry in tomllib.loads(path.read_text())["mutant"]]
    names = [mutant.name for mutant in mutants]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Wrong(f"names that are there twice: {', '.join(sorted(twice))}")
    return mutants


def matches(mutant):
    """Whether it still fits the tree; raises Wrong if not."""
    path = ROOT / mutant.file
    if not path.is_file():
        raise Wrong(f"there is no file {mutant.file}")
    return mutant.mutated(path.read_text())
