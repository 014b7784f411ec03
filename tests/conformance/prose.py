"""Sentences of the project's own pages, as text for language models."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "ci/matrix.md", "docs/*.md")


def is_prose(paragraph):
    """Not code, and no table."""
    return not paragraph.startswith("    ") and not paragraph.lstrip().startswith("|")


def sentences():
    """Each once, in the order of the pages; three words or more."""
    found = {}
    for page in [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for paragraph in filter(is_prose, re.split(r"\n\s*\n", text)):
            flat = re.sub(r"[`*\[\]#]", "", " ".join(paragraph.split()))
            found.update({s: None for s in re.split(r"(?<=[.:!?])\s+", flat) if len(s.split()) > 2})
    return list(found)


def evenly(items, count):
    """So many of them, from the first to the last."""
    return [items[i * len(items) // count] for i in range(count)]
