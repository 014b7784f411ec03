"""Disassembly as instructions, and the loop in it that does the work."""

import re
from dataclasses import dataclass


@dataclass
class Instruction:
    name: str  # "v_wmma_f32_16x16x16_f16", "HMMA.16816.F32", "dpas.8x8"
    text: str  # the whole line
    to: int = None  # index of the instruction that it may go on at
    always: bool = False  # it goes there in any case


def parse(code):
    return PARSERS[code.language](code.text)


def resolve(found, places):
    """found: (instruction, where it goes); places: index by label or address."""
    instructions = []
    for instruction, to in found:
        instruction.to = places.get(to)
        instructions.append(instruction)
    return instructions


def parse_amd(text):
    found, places = [], {}
    for line in text.splitlines():
        match = re.match(r"\s+(\w+)(.*?)\s*// ([0-9A-F]+):.*?(?:<(\S+)>)?$", line)
        if match:
            name, _, address, to = match.groups()
            places[int(address, 16)] = len(found)
            if not name.startswith(("s_cbranch", "s_branch")):
                to = None
            found.append((Instruction(name, line.strip(), None, name == "s_branch"), to))
    start = min(places, default=0)
    offset = lambda to: start + int(to.split("+")[1], 16) if to and "+" in to else start if to else None
    return resolve([(i, offset(to)) for i, to in found], places)


def parse_sass(text):
    found, places = [], {}
    for line in text.splitlines():
        label = re.match(r"\s*(\.L_\w+):", line)
        if label:
            places[label.group(1)] = len(found)
        match = re.match(r"\s+/\*[0-9a-f]+\*/\s+(@\S+ )?\s*([A-Z]\S*)(.*?);", line)
        if match:
            when, name, rest = match.groups()
            name = "NOP" if when == "@!PT " else name
            to = re.search(r"\((\.L_\w+)\)", rest) if name.split(".")[0] == "BRA" else None
            found.append((Instruction(name, line.strip(), None, not when), to and to.group(1)))
    return resolve(found, places)


def parse_ptx(text):
    found, places = [], {}
    for line in text.splitlines():
        label = re.match(r"(\$\w+):", line)
        if label:
            places[label.group(1)] = len(found)
        match = re.match(r"\s+(@!?%p\d+ )?\s*([a-z]\S*)\s+(.*);", line) or re.match(r"\s+()([a-z]\S*);", line + "")
        if match:
            to = re.search(r"(\$\w+)$", match.group(3)) if match.group(2).startswith("bra") else None
            found.append((Instruction(match.group(2), line.strip(), None, not match.group(1)), to and to.group(1)))
    return resolve(found, places)


def parse_intel(text):
    found, places = [], {}
    for line in text.splitlines():
        label = re.match(r"(L\d+):", line)
        if label:
            places[label.group(1)] = len(found)
            continue
        match = re.match(r"(\([^)]*\))?\s+([a-z][\w.]*)\s*(?:\((\d+)\|M\d+\))?(.*)", line)
        if match:
            when, name, lanes, rest = match.groups()  # when: "(W)", "(~f0.0)", "(W&f0.0)"
            to = re.search(r"\b(L\d+)\b", rest) if name in ("goto", "jmpi", "while") else None
            always = bool(to) and "f" not in (when or "")
            found.append((Instruction(f"{name}({lanes or 1})", line.strip(), None, always), to and to.group(1)))
    return resolve(found, places)


PARSERS = {"amd": parse_amd, "sass": parse_sass, "ptx": parse_ptx, "intel": parse_intel}


# ---- Loops --------------------------------------------------------------------------------------


def loops(instructions):
    """(first, last) of each: a branch backwards, to first."""
    return [(i.to, n) for n, i in enumerate(instructions) if i.to is not None and i.to <= n]


def main_loop(instructions, wanted):
    """The smallest loop that holds the most of the wanted instructions; None if none is in a loop."""
    best = None
    for first, last in loops(instructions):
        held = sum(wanted(i) for i in instructions[first:last + 1])
        if held and (best is None or (held, first - last) > (best[0], best[1] - best[2])):
            best = held, first, last
    return best and best[1:]


def steady_path(instructions, loop, worth):
    """One turn of the loop in its steady state: of the ways through it those of the most worth, of these
    the shortest.  A loop within is gone through once."""
    first, last = loop
    best = {last + 1: (0, 0, None)}  # from an instruction on: worth, -length, where it goes on
    for n in range(last, first - 1, -1):
        i = instructions[n]
        ways = [] if i.always and i.to is not None else [n + 1]
        if i.to is not None and n < i.to <= last:
            ways.append(i.to)
        if n == last:
            ways = [last + 1]
        choices = [(best[w][0] + worth(i), best[w][1] - 1, w) for w in ways if w in best]
        best[n] = max(choices, default=(-1, 0, last + 1), key=lambda c: c[:2])
    path, n = [], first
    while n is not None and n <= last:
        path.append(instructions[n])
        n = best[n][2]
    return path
