#!/usr/bin/env python3
"""Which file uses what lies above it, or is in a circle with others?

    usage: tests/layers.py [FOLDER]     FOLDER: the root of a checkout, else that of this script

Reads every #include of the folders below, and, as a cheap look at calls, which .c file defines each
function and table that a header declares and which files name it: a compiler sees neither.  A line
for each offence says where it is and what is allowed; the last line counts files.
"""

import re
import sys
from pathlib import Path

# From the bottom.  A room is a folder with what lies in it but in no room of its own, or one file.  A
# file uses its own room and those of earlier lines; where its line names rooms, it includes files of
# these alone.  A * stands for each folder by itself: such rooms do not use each other.
PUBLIC = ("include/clattn", "include/clattn/models")
ROOMS = [
    ("kernels",),
    ("include/clattn",),
    ("src/runtime", "include/clattn"),
    ("src/registry", "include/clattn", "src/runtime"),
    ("src/ops/common",),
    ("src/ops/block",),
    ("src/ops/project",),
    ("src/ops/attention",),
    ("src/ops/cache",),
    ("src/ops/attribution",),
    ("src/ops/classic",),
    ("src/ops/layer",),
    ("src/ops/moe",),
    ("src/ops",),
    ("include/clattn/models", "include/clattn"),
    ("src/models/common", *PUBLIC),
    ("src/models/files", *PUBLIC, "src/models/common"),
    ("src/models/text", *PUBLIC, "src/models/common", "src/models/files"),
    ("src/models", *PUBLIC, "src/models"),
    ("tests/ref", "include/clattn"),
    ("tests/check", *PUBLIC, "src/models/common", "tests/ref"),
    ("tools/shared", *PUBLIC, "tests/check"),
    ("tools/commands.h",),  # what the table of tools/main.c asks of each
    ("tools/*", *PUBLIC, "tests/check", "tools/shared", "tools/commands.h"),
    ("tools", *PUBLIC, "tests/check", "tools"),
    ("examples", *PUBLIC),
]

# Where the compiler looks for a file that does not lie beside.
ROOTS = ("include", "src", "tools", "tests", "tests/check", "kernels")


# ---- Rooms --------------------------------------------------------------------------------------


def within(path, room):
    return path == room or path.startswith(room + "/")


def place(path):
    """The room of a file, by the longest name that fits, and its line in the table."""
    found = []
    for line, (room, *_) in enumerate(ROOMS):
        if room.endswith("/*"):
            parts = path.split("/")
            depth = room.count("/") + 1
            if within(path, room[:-2]) and len(parts) > depth:
                found.append(("/".join(parts[:depth]), line, 0.5))
        elif within(path, room):
            found.append((room, line, 1))
    room, line, _ = max(found, key=lambda f: (f[0].count("/"), f[2], len(f[0])))
    return room, line


def is_up(user, used):
    room, line = place(user)
    other, below = place(used)
    return room != other and below >= line


def may_include(user, used):
    room, line = place(user)
    other, _ = place(used)
    names = ROOMS[line][1:]
    return not is_up(user, used) and (room == other or not names or any(within(other, n) for n in names))


def allowed(user):
    room, line = place(user)
    names = ROOMS[line][1:] or [earlier for earlier, *_ in ROOMS[:line]]
    return f"{room} may use {', '.join(names) or 'itself alone'}"


# ---- Reading ------------------------------------------------------------------------------------


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.S)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


class Source:
    def __init__(self, root, path):
        self.path = path
        self.text = without_comments((root / path).read_text(encoding="utf-8"))
        self.code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank, self.text, flags=re.M)
        self.code = re.sub(r'"(?:\\.|[^"\\\n])*"', blank, self.code)
        self.includes = {}  # path: line

    def resolve(self, root, known):
        beside = str(Path(self.path).parent)
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+["<]([^">]+)[">]', self.text, re.M):
            for folder in (beside, *ROOTS):
                path = str((root / folder / match[1]).resolve().relative_to(root)) if match[1] else ""
                if path in known:
                    self.includes.setdefault(path, line_of(self.text, match.start()))
                    break  # found nowhere: the system's, or made while building

    def defines(self):
        """Functions and tables with names that other files may use: at the start of a line."""
        for match in re.finditer(r"^(?!static\b|extern\b|typedef\b)\w[^\n;={}()]*?\b(\w+)\s*([(=\[])", self.code, re.M):
            end = match.end()
            if match[2] == "(":
                depth = 1
                while depth and end < len(self.code):
                    depth += {"(": 1, ")": -1}.get(self.code[end], 0)
                    end += 1
                if not self.code[end:].lstrip().startswith("{"):
                    continue  # a declaration
            yield match[1]

    def makers(self):
        """{macro: [(before, behind)]}: those that make functions with names of their one argument."""
        found = {}
        for match in re.finditer(r"^#define (\w+)\((\w+)\)((?:[^\n]*\\\n)+[^\n]*)", self.text, re.M):
            parts = re.findall(rf"\b(\w+)##{match[2]}##(\w+)\(", match[3])
            if parts:
                found[match[1]] = parts
        return found

    def makes(self, makers):
        for match in re.finditer(r"^(\w+)\((\w+)\)$", self.code, re.M):
            for before, behind in makers.get(match[1], ()):
                yield before + match[2] + behind

    def own(self):
        """What is the file's alone, and may have the name of something elsewhere."""
        return set(re.findall(r"^static\b[^\n;={}()]*?\b(\w+)\s*[(=\[;]", self.code, re.M))

    def names(self):
        """{name: line} of its first use, but not of a struct's or a member's."""
        found = {}
        for match in re.finditer(r"(\bstruct\s+|\benum\s+|->\s*|\.\s*)?\b([A-Za-z_]\w*)", self.code):
            if not match[1]:
                found.setdefault(match[2], line_of(self.code, match.start(2)))
        return found


def read(root):
    tops = sorted({room.split("/")[0] if not room.startswith("tests/") else room for room, *_ in ROOMS})
    files = sorted(
        str(p.relative_to(root)) for top in tops for p in (root / top).rglob("*") if p.suffix in (".c", ".h", ".cl")
    )
    sources = {path: Source(root, path) for path in files}
    for source in sources.values():
        source.resolve(root, sources)
    return sources


# ---- Who uses whom ------------------------------------------------------------------------------


def onward(graph, path):
    """What a file leads to, itself only by a circle."""
    seen, queue = set(), [path]
    for at in queue:
        queue += [other for other in graph.get(at, ()) if other not in seen]
        seen.update(graph.get(at, ()))
    return seen


def calls(sources, includes):
    """{user: {file: (name, line)}}: a .c file names what another defines and a header it includes declares."""
    defined, makers = {}, {}
    for source in sources.values():
        makers.update(source.makers())
    for path, source in sources.items():
        if path.endswith(".c"):
            for name in (*source.defines(), *source.makes(makers)):
                defined.setdefault(name, set()).add(path)
    words = {path: set(re.findall(r"\w+", s.code)) for path, s in sources.items() if path.endswith(".h")}
    uses = {}
    for path, source in sources.items():
        if not path.endswith(".c"):
            continue
        headers = onward(includes, path)
        own = source.own()
        for name, line in source.names().items():
            files = defined.get(name, ())
            if len(files) == 1 and path not in files and name not in own and any(name in words.get(h, ()) for h in headers):
                uses.setdefault(path, {}).setdefault(next(iter(files)), (name, line))
    return uses


def circle(graph, start):
    """The shortest way from a file back to it, or None."""
    before, queue = {}, [start]
    for path in queue:
        for other in sorted(graph.get(path, ())):
            if other == start:
                way = [path]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return way[::-1]
            if other not in before:
                before[other] = path
                queue.append(other)
    return None


def circles(graph):
    """The shortest of each knot of files that lead to each other, and how many these are."""
    ways = {path: way for path in sorted(graph) if (way := circle(graph, path))}
    seen = set()
    for path in sorted(ways, key=lambda p: (len(ways[p]), p)):
        if path not in seen:
            knot = {path} | {p for p in ways if p in onward(graph, path) and path in onward(graph, p)}
            seen |= knot
            yield ways[path], len(knot)


# ---- What is wrong -------------------------------------------------------------------------------


ONE_WAY = "of {} files that lead to each other, where it must go one way"


def offences(sources):
    includes = {path: source.includes for path, source in sources.items()}
    uses = calls(sources, includes)
    for path, others in includes.items():
        for other, line in others.items():
            if not may_include(path, other):
                yield path, f"{path}:{line}: includes {other}; {allowed(path)}"
    for path, others in uses.items():
        for other, (name, line) in others.items():
            if is_up(path, other):
                yield path, f"{path}:{line}: uses {name} of {other}; {allowed(path)}"
    for way, count in circles(includes):
        path, line = way[0], includes[way[0]][way[1 % len(way)]]
        yield path, f"{path}:{line}: includes in a circle, {' -> '.join([*way, path])}; {ONE_WAY.format(count)}"
    for way, count in circles(uses):
        path = way[0]
        steps = [f"{a} uses {uses[a][b][0]} of {b}" for a, b in zip(way, [*way[1:], path])]
        yield path, f"{path}:{uses[path][way[1]][1]}: calls in a circle, {', '.join(steps)}; {ONE_WAY.format(count)}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    sources = read(root)
    offenders = {}
    for path, text in offences(sources):
        offenders.setdefault(path, []).append(text)
    for text in sorted(t for texts in offenders.values() for t in texts):
        print("FAILED " + text)
    print(f"{len(sources) - len(offenders)} passed, {len(offenders)} failed")
    return 1 if offenders else 0


if __name__ == "__main__":
    sys.exit(main())
