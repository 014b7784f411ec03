"""Files of installed packages, which are not imported: models come in some that are for other programs."""

import importlib.util
import sys
from pathlib import Path


def in_package(package, path):
    found = importlib.util.find_spec(package)
    if not found:
        sys.exit(f"the Python package {package} is not installed (tests/conformance/requirements-*.txt)")
    return Path(found.submodule_search_locations[0]) / path
