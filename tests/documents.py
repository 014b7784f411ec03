#!/usr/bin/env python3
"""Which document names a file or a kernel that is not there?

    usage: tests/documents.py [FOLDER]     FOLDER: the root of a checkout, else that of this script

Reads README.md, CONTRIBUTING.md, ci/matrix.md and docs/*.md: links, words in backticks that look like
paths or kernels, and in examples the words that begin with a folder of this tree.  A path may leave out
the folders that its page is about (`trial.h` is tests/check/trial.h).  A line for each that is missing;
the last line counts those that are there.
"""

import re
import sys
from pathlib import Path

FOLDERS = ("ci", "cmake", "docs", "examples", "include", "kernels", "src", "tests", "tools")
ENDS = "c|h|cl|py|sh|txt|tsv|md|build|png"
PATH = re.compile(rf"[\w.*-]+(/[\w.*-]+)*/?")
FILE = re.compile(rf"[\w.*/-]*[\w*]\.({ENDS})")
ANY = re.compile("NAME|FAMILY|COMMAND|ENGINE")  # in a path: any

# Not of this tree, or not yet.
ELSEWHERE = {
    "vocab.txt": "a model's",
    "tuning-HASH.txt": "in the cache directory",
    "attention/two_pass": "what docs/adding-a-kernel.md adds",
    "kernels/attention/two_pass.cl": "the same",
    "build/": "made",
}


def documents(root):
    pages = [root / "README.md", root / "CONTRIBUTING.md", root / "ci/matrix.md", *(root / "docs").glob("*.md")]
    return sorted(pages)


def words(text):
    """(line, word, True in backticks) of one page; fences and indented lines are examples."""
    fenced, quoted = False, re.compile(r"`([^`]+)`")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield from ((number, word, False) for word in line.split())
        else:
            for span in quoted.findall(line):
                yield from ((number, word, True) for word in span.split())


class Tree:
    def __init__(self, root):
        self.paths = [path.relative_to(root).as_posix() for folder in FOLDERS for path in (root / folder).rglob("*")]
        self.paths += [*FOLDERS, *(path.name for path in root.iterdir() if path.is_file())]
        self.kinds = {path.name for path in (root / "kernels").iterdir() if path.is_dir()}
        self.rows = {name for path in (root / "src").rglob("*.c") for name in re.findall(r'"(\w+/\w+)"', path.read_text())}

    def has(self, word):
        """A path from the root, or the end of one; a * is within a folder."""
        word = word.rstrip("/")
        start = "" if word.split("/")[0] in FOLDERS else "(.*/)?"
        pattern = re.compile(start + re.escape(word).replace(r"\*", "[^/]*"))
        return any(pattern.fullmatch(path) for path in self.paths)

    def holds(self, word, quoted):
        """Whether what the word names is there; None: it names nothing of this tree."""
        word = ANY.sub("*", word)
        if not PATH.fullmatch(word) or word.startswith(tuple(ELSEWHERE)):
            return None
        first, _, rest = word.partition("/")
        if first in FOLDERS and rest:
            return self.has(word)
        if quoted and first in self.kinds and re.fullmatch(r"\w+", rest):
            return word in self.rows or self.has(f"kernels/{word}.cl")
        return self.has(word) if quoted and FILE.fullmatch(word) else None


def names(tree, page):
    """(line, name, whether it is there) of one page."""
    text = page.read_text()
    for number, word, quoted in words(text):
        word = word.strip(".,;:()\"'")
        yield number, word, tree.holds(word, quoted)
    for number, line in enumerate(text.splitlines(), 1):
        for link in re.findall(r"\]\(([^)#:]+)[)#]", line):
            yield number, link, (page.parent / link).exists()


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    tree, missing, there = Tree(root), 0, 0
    for page in documents(root):
        for number, name, holds in names(tree, page):
            there += holds is True
            if holds is False:
                missing += 1
                print(f"FAILED {page.relative_to(root)}:{number}: there is no {name}")
    print(f"{there} passed, {missing} failed")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
