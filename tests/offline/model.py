"""How busy the matrix units are: the loop that does the work, pipe by pipe.

The model counts, for one turn of the loop in its steady state and one wave, the cycles that each pipe of a
SIMD is taken: matrix, vector (NVIDIA: float and the rest apart), special functions, scalar, issue, local
memory, and the first cache for what comes from far.  Rates are those of targets.py; a pipe that the SIMDs
of a core share counts at one's share.  With enough waves pipes overlap, and the busiest one decides: matrix
cycles / its cycles is the efficiency that can be reached.  Matrix cycles / the sum of all is what is left if
nothing overlaps at all.  Latency, bank conflicts and misses of the cache are not in it."""

from dataclasses import dataclass, field

import listing
from pipes import bytes_of, cycles_of, kind, matrix_flops


@dataclass
class Loop:
    shared: bool  # matrix and vector instructions take the same unit
    counts: dict = field(default_factory=dict)  # instructions by pipe
    cycles: dict = field(default_factory=dict)
    flops: float = 0  # of matrix instructions, a wave and turn
    far_bytes: float = 0

    def busiest(self):
        """(pipe, cycles)"""
        pipes = dict(self.cycles)
        if self.shared:
            pipes["matrix+vector"] = pipes.pop("matrix") + pipes.pop("vector", 0)
        return max(pipes.items(), key=lambda pair: pair[1])

    def together(self):
        """% of the target's peak if pipes overlap."""
        return 100 * self.cycles["matrix"] / self.busiest()[1]

    def apart(self):
        return 100 * self.cycles["matrix"] / sum(c for pipe, c in self.cycles.items() if pipe != "issue")


@dataclass
class Tile:
    """What one wave does in a round: with a tile of keys, or of columns that a product sums over."""

    flops: float
    bytes: float  # fetched
    busy: bool  # matrix units must not wait


def tile_of(program):
    """None for kernels whose tiles are not known."""
    tiles = {"attention/matrix": attention_tile, "gemm/matrix": product_tile, "gemm/matrix_few": product_tile}
    if program.kernel not in tiles:
        return None
    macros = dict(word[2:].split("=") for word in program.options.split() if word.startswith("-D"))
    return tiles[program.kernel](program, lambda name: int(macros[name]))


def rows_of_block(of):
    return 8 if of("ENGINE") == 5 else 16  # Intel's with 8 lanes is narrower


def attention_tile(program, of):
    """As kernels/attention/matrix.h says."""
    head, value = (-(-of(name) // 16) * 16 for name in ("HEAD_DIM", "VALUE_DIM"))
    sums = 2 if of("OUT_TYPE") == 0 else 1  # f32 results take weights in two parts
    flops = 2 * of("BLOCKS") * rows_of_block(of) * of("TILE_K") * (head + sums * value)
    return Tile(flops, 2 * of("TILE_K") * (head + value) / of("TEAMS"), head == 128)


def product_tile(program, of):
    """As kernels/gemm/matrix.h says; for few rows, reading the weights is what takes the time."""
    columns, rows, weights = 16 * of("STEPS"), of("ROW_BLOCKS") * rows_of_block(of), 16 * of("COLUMN_BLOCKS")
    fetched = 2 * columns * (of("ROW_TEAMS") * rows + of("COLUMN_TEAMS") * weights)
    return Tile(2 * rows * weights * columns, fetched / (of("ROW_TEAMS") * of("COLUMN_TEAMS")),
                program.kernel == "gemm/matrix")


def steady_turn(code, target, instructions, tile):
    """Tiles on their way go at least 8 bytes a lane at once; rows that are not aligned, in pieces."""

    def weigh(instruction):
        what = kind(code.language, instruction)
        moved = bytes_of(code, target, instruction) if what in ("far", "local") else 0
        whole = moved >= 8 * code.wave
        return what == "matrix", moved if what == "far" and whole else 0, what == "local" and whole

    return listing.steady_turn(instructions, weigh, tile.bytes if tile else float("inf"))


def model(code, target, instructions, tile):
    """Of a kernel with matrix instructions in a loop; None for others."""
    turn = steady_turn(code, target, instructions, tile)
    if not turn:
        return None
    loop = Loop(target.rates["shared"])
    for instruction in turn:
        pipe = kind(code.language, instruction)
        loop.counts[pipe] = loop.counts.get(pipe, 0) + 1
        if pipe == "free":
            continue
        for taken in (pipe, "issue") if "issue" in target.rates else (pipe,):
            loop.cycles[taken] = loop.cycles.get(taken, 0) + cycles_of(code, target, instruction, taken)
        loop.flops += matrix_flops(instruction) if pipe == "matrix" else 0
        loop.far_bytes += bytes_of(code, target, instruction) if pipe == "far" else 0
    return loop
