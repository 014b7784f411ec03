#!/usr/bin/env python3
"""Runs those of ONNX's tests of Attention that have a past, with the past in a cache on pages.

As onnx_attention.py, but `attend` is given --page-rows too: the rows of the past are appended to a
cache first, then the new ones, and attention reads both from there.

    build/onnx/bin/python tests/conformance/onnx_past.py --clattn build/tools/clattn
"""

import sys

from onnx_attention import Attention, key_rows


def page_rows(case):
    """A page ends within the past; masks want whole pages."""
    return next(rows for rows in (5, 4, 3, 2, 1) if key_rows(case) % rows == 0)


class Past(Attention):
    about = "ONNX's tests of Attention with a past, appended to a cache by `clattn attend`."

    def wanted(self, case):
        return "past-k" in case.inputs

    def translate(self, case, folder):
        return [*super().translate(case, folder), "--page-rows", str(page_rows(case))]


if __name__ == "__main__":
    sys.exit(Past().main())
