#!/usr/bin/env python3
"""readme_test.py README.md PROGRAM.c...: the README's C blocks are those programs, byte for byte."""

import difflib
import re
import sys
from pathlib import Path


def main():
    readme, *programs = (Path(path).read_text("utf-8") for path in sys.argv[1:])
    blocks = re.findall(r"^```c\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    if len(blocks) != len(programs):
        sys.exit(f"README.md has {len(blocks)} C blocks, {len(programs)} are expected")
    for path, block, program in zip(sys.argv[2:], blocks, programs):
        if block != program:
            pair = block.splitlines(), program.splitlines()
            sys.exit("\n".join(difflib.unified_diff(*pair, "README.md", path, lineterm="")))


if __name__ == "__main__":
    main()
