"""The table: what each program's code must be like, printed, kept in golden.tsv and compared with it."""

from pathlib import Path

from targets import occupancy

FILE = Path(__file__).resolve().parent / "golden.tsv"
COLUMNS = ("registers", "accumulators", "scratch", "local", "waves", "matrix", "ldmatrix", "async")


def values(target, program, code, loop, instructions):
    count = lambda *names: sum(i.name.lower().startswith(names) for i in instructions)
    items = program.local[0] * program.local[1] * program.local[2]
    return {
        "registers": code.registers,
        "accumulators": code.accumulators,
        "scratch": code.scratch,
        "local": code.local,
        "waves": round(occupancy(target, code.registers, code.local, items, code.wave), 2),
        "matrix": loop.counts["matrix"] if loop else 0,  # in a turn of the main loop
        "ldmatrix": count("ldsm", "ldmatrix"),
        "async": count("ldgsts", "cp.async.c"),
    }


# What must be, whatever the table says.
PEAK = 70  # % of the matrix units' peak in the steady state, with heads of 128 columns and in products
# Arc's 256 registers of 32 bytes hold the results of 8 queries: each operand from local memory serves
# one instruction, or with dpasw those of two engines, and local memory is half as fast as those.
PEAKS = {"dg2": 65}


def broken(row):
    v, loop, tile = row.values, row.loop, row.tile
    if not tile:
        return
    if not loop:
        yield "there are no matrix instructions in a loop"
        return
    if loop.flops != tile.flops:
        yield f"matrix instructions of a round are {loop.flops:g} FLOP, must be {tile.flops:g}"
    if v["scratch"]:
        yield f"{v['scratch']} bytes of registers are spilled to memory"
    peak = PEAKS.get(row.program.target, PEAK)
    if tile.busy and row.code.language != "ptx" and loop.together() < peak:
        yield f"matrix units are busy {loop.together():.0f}% of the time, must be {peak}%"


def name(row):
    return f"{row.program.target}\t{row.program.label}"


def show(rows):
    print(f"{'target':8} {'program':48} {'regs':>5} {'scratch':>7} {'local':>6} {'waves':>5}"
          f" {'matrix':>6} {'peak%':>6} {'apart%':>6} {'busiest':>14} {'B/FLOP':>7}")
    for row in rows:
        start = f"{row.program.target:8} {row.program.label[:48]:48}"
        if row.error:
            print(f"{start} {row.error.splitlines()[0][:100]}")
            continue
        v, loop = row.values, row.loop
        if v["registers"]:
            line = f"{start} {v['registers']:5} {v['scratch']:7} {v['local']:6} {v['waves']:5g} {v['matrix']:6}"
        else:
            line = f"{start} {'PTX alone: there is no ptxas':>26} {v['matrix']:6}"
        if loop:
            line += (f" {loop.together():6.0f} {loop.apart():6.0f} {loop.busiest()[0]:>14}"
                     f" {loop.far_bytes / loop.flops:7.4f}")
        print(line)


def read():
    if not FILE.exists():
        return {}
    head, *lines = FILE.read_text().splitlines()
    names = head.split("\t")[2:]
    table = {}
    for line in lines:
        target, label, *numbers = line.split("\t")
        table[f"{target}\t{label}"] = dict(zip(names, map(float, numbers)))
    return table


def write(rows, whole):
    """whole: the file holds these rows and no others; else those of before stay."""
    table = {} if whole else read()
    table.update({name(row): row.values for row in rows if not row.error and row.code.language != "ptx"})
    with open(FILE, "w") as file:
        file.write("\t".join(("target", "program") + COLUMNS) + "\n")
        for key, v in table.items():
            file.write("\t".join([key] + [f"{v[c]:g}" for c in COLUMNS]) + "\n")


# How a value may differ from the table's: below is worse, above is worse, by at most so much.
SLACK = {"registers": 8, "accumulators": 8, "scratch": 0, "local": 0}
NO_LESS = ("waves", "matrix", "ldmatrix", "async")


def regressions(row, before):
    found = []
    for column in COLUMNS:
        now = row.values[column]
        if row.code.language == "ptx":  # ptxas may unroll loops once more
            if bool(now) < bool(before[column]) and column in ("matrix", "ldmatrix", "async"):
                found.append(f"{column} was {before[column]:g}, is none in the PTX")
            continue
        if column in SLACK and now > before[column] + SLACK[column] or column in NO_LESS and now < before[column]:
            found.append(f"{column} was {before[column]:g}, is {now:g}")
    return found


def compare(rows, whole):
    """Prints and counts the rows that are worse than the table, or not in it."""
    table, failed = read(), 0
    for row in rows:
        before = table.get(name(row))
        found = [row.error] if row.error else list(broken(row))
        if before and not row.error:
            found += regressions(row, before)
        elif whole and not row.error:
            found.append("is not in golden.tsv")
        for reason in found:
            print(f"FAILED {row.program.target} {row.program.label}: {reason}")
        failed += bool(found)
    if whole:
        targets = {row.program.target for row in rows}
        for key in table.keys() - {name(row) for row in rows}:
            if key.split("\t")[0] in targets:
                print(f"FAILED {key}: is in golden.tsv, but not compiled any more")
                failed += 1
    return failed
