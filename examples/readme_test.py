#!/usr/bin/env python3
"""readme_test.py README.md attention.c: the README's C block is that program, byte for byte."""

import difflib
import re
import sys
from pathlib import Path


def main():
    readme, program = (Path(path).read_text("utf-8") for path in sys.argv[1:])
    blocks = re.findall(r"^```c\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    if len(blocks) != 1:
        sys.exit(f"README.md has {len(blocks)} C blocks, 1 is expected")
    if blocks[0] != program:
        pair = blocks[0].splitlines(), program.splitlines()
        sys.exit("\n".join(difflib.unified_diff(*pair, "README.md", sys.argv[2], lineterm="")))


if __name__ == "__main__":
    main()
