#!/usr/bin/env python3
"""symbols.py LIBRARY...: the names that the libraries define for others are clattn_*, and no two define the same.

Of a static library these are all its globals, those of its inside among them (clattn__*); of a shared one what it
exports, which is its public headers' alone.  Names of compilers' own making are left out.
"""

import re
import subprocess
import sys
from pathlib import Path

HEADERS = Path(__file__).resolve().parent.parent.parent / "include/clattn"
MADE_BY_COMPILERS = re.compile(r"__(asan|ubsan|tsan|odr_asan|sanitizer|llvm|gcov|profc|covrec|start|stop)|_(init|fini|edata|end)$|__bss")


def defined(library):
    shared = library.suffix != ".a"
    command = ["nm", "--defined-only", "--extern-only", "--no-sort", *(["--dynamic"] if shared else []), str(library)]
    rows = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    names = [row.split()[-1] for row in rows if re.match(r"^[0-9a-fA-F]+ [A-Z] ", row)]
    return [re.sub("@.*", "", name) for name in names if not MADE_BY_COMPILERS.match(name)]


def declared():
    text = "".join(path.read_text("utf-8") for path in HEADERS.rglob("*.h"))
    return set(re.findall(r"CLATTN_API[^;(]*?\b(clattn_\w+)\(", text))


def main():
    libraries = [Path(path) for path in sys.argv[1:]]
    public, wrong, owner = declared(), [], {}
    assert len(public) > 100, public
    for library in libraries:
        names = defined(library)
        assert names, f"{library} defines nothing"
        shared = library.suffix != ".a"
        for name in names:
            if not name.startswith("clattn_"):
                wrong.append(f"{library.name}: {name} is a foreign name")
            if shared and name not in public:
                wrong.append(f"{library.name}: {name} is exported, and in no public header")
            if name in owner:
                wrong.append(f"{name} is in {owner[name]} and in {library.name}")
            owner[name] = library.name
    wrong += [f"{name} is in a public header, and defined nowhere" for name in sorted(public - set(owner))]
    wrong += [f"{name} has no CLATTN_API in a public header" for name in sorted(set(owner) - public)
              if not name.startswith("clattn__")]  # fmt: skip
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
