#!/usr/bin/env python3
"""Writes source_hash.h: the first digits of the SHA-256 of the library's sources, so that a report
from another machine says what it was made with.

    source_hash.py OUTPUT FILE...
"""

import hashlib
import sys
from pathlib import Path

output, *files = sys.argv[1:]
total = hashlib.sha256()
for name in sorted(files):
    total.update(Path(name).name.encode() + b"\0" + Path(name).read_bytes() + b"\0")
Path(output).write_text(f'#define SOURCE_HASH "{total.hexdigest()[:16]}"\n')
