"""Disassembly as instructions, and the loop in it that does the work."""

import re
from dataclasses import dataclass


@dataclass
class Instruction:
    name: str  # "v_wmma_f32_16x16x16_f16", "HMMA.16816.F32", "dpas.8x8"
    text: str  # the whole line
    to: int = None  # index of the instruction where a branch may go
    always: bool = False  # the branch goes there in any case


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
            found.append((Instruction(name, line.strip(), None, bool(to) and not when), to and to.group(1)))
    return resolve(found, places)


def parse_ptx(text):
    found, places = [], {}
    for line in text.splitlines():
        label = re.match(r"(\$\w+):", line)
        if label:
            places[label.group(1)] = len(found)
        match = re.match(r"\s+(@!?%p\d+ )?\s*([a-z]\S*)\s+(.*);", line) or re.match(r"\s+()([a-z]\S*)();", line)
        if match:
            to = re.search(r"(\$\w+)$", match.group(3)) if match.group(2).startswith("bra") else None
            always = bool(to) and not match.group(1)
            found.append((Instruction(match.group(2), line.strip(), None, always), to and to.group(1)))
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
            to = re.findall(r"\bL\d+\b", rest) if name in ("goto", "goto.b", "jmpi", "while") else []
            always = bool(to) and "f" not in (when or "")
            target = to and to[-1 if name == "goto.b" else 0]  # .b, backward: by its second place
            found.append((Instruction(f"{name}({lanes or 1})", line.strip(), None, always), target or None))
    return resolve(found, places)


PARSERS = {"amd": parse_amd, "sass": parse_sass, "ptx": parse_ptx, "intel": parse_intel}


# ---- Loops --------------------------------------------------------------------------------------


@dataclass
class Block:
    """Instructions that are only ever executed together, and the blocks that may follow."""

    instructions: list
    after: list


def blocks_of(instructions):
    firsts = {0} | {i.to for i in instructions if i.to is not None}
    firsts |= {n + 1 for n, i in enumerate(instructions) if i.to is not None}
    starts = sorted(n for n in firsts if n < len(instructions))
    number = {start: b for b, start in enumerate(starts)}
    blocks = []
    for b, start in enumerate(starts):
        own = instructions[start:starts[b + 1] if b + 1 < len(starts) else len(instructions)]
        after = [] if own[-1].always or b + 1 == len(starts) else [b + 1]
        if own[-1].to is not None:
            after.append(number[own[-1].to])
        blocks.append(Block(own, after))
    return blocks


def walk(blocks):
    """Depth first: the blocks in the order in which they are left, and the edges that go back."""
    order, back, state = [], set(), {}
    for root in range(len(blocks)):
        stack = [] if root in state else [(root, iter(blocks[root].after))]
        state.setdefault(root, "open")
        while stack:
            b, after = stack[-1]
            following = next(after, None)
            if following is None:
                state[b] = "left"
                order.append(b)
                stack.pop()
            elif state.get(following) == "open":
                back.add((b, following))
            elif following not in state:
                state[following] = "open"
                stack.append((following, iter(blocks[following].after)))
    return order, back


def body(blocks, head, ends):
    """The loop's blocks: all from which one of its ends is reached without passing its head."""
    before = {}
    for b, block in enumerate(blocks):
        for following in block.after:
            before.setdefault(following, []).append(b)
    found, waiting = {head}, list(ends)
    while waiting:
        b = waiting.pop()
        if b not in found:
            found.add(b)
            waiting += before.get(b, [])
    return found


def steady_turn(instructions, weigh, enough):
    """One turn, in its steady state, of the loop that does the work: the smallest that holds the most
    wanted instructions.  weigh(instruction) gives (wanted, bytes that it fetches, worth).  Of the ways
    through the loop those with the most wanted ones; of these those that fetch enough bytes, or come next
    to it; of these those of the most worth, and the shortest.  A loop within is gone through once.  None
    if no wanted instruction is in a loop."""
    blocks = blocks_of(instructions)
    weights = [[sum(column) for column in zip(*map(weigh, block.instructions))] for block in blocks]
    order, back = walk(blocks)
    loops = []
    for head in {to for _, to in back}:
        inside = body(blocks, head, [b for b, to in back if to == head])
        held = sum(weights[b][0] for b in inside)
        loops.append((held, -sum(len(blocks[b].instructions) for b in inside), head, inside))
    held, _, head, inside = max(loops, default=(0, 0, 0, 0))
    if not held:
        return None
    # Of a block, by the bytes fetched from there to the end of the turn: wanted, worth, -length of the
    # best way, and where that goes on.
    best = {}
    for b in order:
        if b not in inside:
            continue
        wanted, fetched, worth = weights[b]
        ways = [(0, (0, 0, 0), None)] if (b, head) in back else []
        for a in blocks[b].after:
            if a in best and (b, a) not in back:
                ways += [(rest, way[:3], (a, rest)) for rest, way in best[a].items()]
        best[b] = {}
        for rest, way, goes_on in ways:
            own = way[0] + wanted, way[1] + worth, way[2] - len(blocks[b].instructions), goes_on
            key = min(rest + fetched, enough)
            if key not in best[b] or own[:3] > best[b][key][:3]:
                best[b][key] = own
    way = max((own[0], key, own[1:3]) for key, own in best[head].items())
    path, at = [], (head, way[1])
    while at:
        path += blocks[at[0]].instructions
        at = best[at[0]][at[1]][3]
    return path
