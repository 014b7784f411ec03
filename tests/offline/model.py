"""How busy the matrix units are: the loop that does the work, pipe by pipe.

The model counts, for one turn of the loop in its steady state and one wave, the cycles that each pipe of
a SIMD is taken: matrix, vector (NVIDIA: float and the rest apart), special functions, scalar, issue, local
memory, and the first cache for what comes from far.  Rates are those of targets.py; a pipe that a core's SIMDs share counts at their share.
With enough waves pipes overlap and the busiest one decides: matrix cycles / busiest pipe is the efficiency
that can be reached; matrix cycles / sum of all is what is left if nothing overlaps at all.  Latency, bank
conflicts and misses of the cache are not in it."""

import re
from dataclasses import dataclass, field

import listing


@dataclass
class Loop:
    counts: dict = field(default_factory=dict)  # instructions by pipe
    cycles: dict = field(default_factory=dict)
    flops: float = 0  # of matrix instructions, a wave and turn
    far_bytes: float = 0
    local_bytes: float = 0

    def share(self, of):
        return 100 * self.cycles.get("matrix", 0) / of if of else 0

    shared: bool = False  # matrix and vector instructions take the same unit

    def busiest(self):
        """(pipe, cycles)"""
        pipes = dict(self.cycles)
        if self.shared:
            pipes["matrix+vector"] = pipes.pop("matrix", 0) + pipes.pop("vector", 0)
        return max(pipes.items(), key=lambda pair: pair[1])

    def together(self):
        """Share of the target's peak if pipes overlap."""
        return self.share(self.busiest()[1])

    def apart(self):
        return self.share(sum(self.cycles.values()))


# ---- What an instruction is ---------------------------------------------------------------------

# Of each language: pipe by the first pattern that fits a name.  "free" ones are issued beside others.
KINDS = {
    "amd": [
        ("matrix", r"v_(wmma|mfma|smfmac)_"),
        ("special", r"v_(exp|log|rcp|rsq|sqrt|sin|cos)_"),
        ("free", r"buffer_(gl[01]_inv|wbl2|wbinvl1|inv)|global_(wb|inv)\b"),
        ("far", r"(global|buffer|flat|scratch)_"),
        ("local", r"ds_"),
        ("free", r"s_(waitcnt|wait_|nop|delay_alu|clause|barrier|set_inst_prefetch|sleep|code_end|endpgm|setprio)"),
        ("scalar", r"s_"),
        ("vector", r"v_"),
    ],
    "sass": [
        ("matrix", r"[HBID]MMA"),
        ("special", r"MUFU"),
        ("far", r"(LDG|STG|LDGSTS|LDL|STL|RED|ATOMG)\b"),
        ("local", r"(LDS|STS|LDSM|STSM|SHFL|ATOMS)"),
        ("free", r"(NOP|DEPBAR|LDGDEPBAR|BAR|WARPSYNC|BSSY|BSYNC|YIELD|BRA|EXIT|S2R|CS2R|MEMBAR|ERRBAR)"),
        ("scalar", r"(U[A-Z]|R2UR)"),
        ("float", r"(FADD|FMUL|FFMA|IMAD|HADD2|HMUL2|HFMA2)"),
        ("vector", r""),
    ],
    "ptx": [
        ("matrix", r"mma\."),
        ("special", r"(ex2|lg2|rcp|rsqrt|sqrt|sin|cos)\."),
        ("far", r"(ld|st)\.(global|local)|cp\.async\.c[ag]\."),
        ("local", r"(ld|st)\.shared|ldmatrix|shfl"),
        ("free", r"(bra|bar|cp\.async|mov|ret|cvta|barrier)"),
        ("float", r"(add|sub|mul|fma)\.\S*f32"),
        ("vector", r""),
    ],
    "intel": [
        ("matrix", r"dpas"),
        ("special", r"math\."),
        ("local", r"(send\w*|load\w*|store\w*)\.(slm)"),
        ("far", r"(send|load|store)"),
        ("free", r"(sync|nop|goto|join|jmpi|endif|if|else|while)"),
        ("vector", r""),
    ],
}


def kind(language, instruction):
    name = instruction.name
    if language == "intel" and name.startswith("send"):
        return "local" if ".slm" in name or "slm" in instruction.text else intel_send(instruction)
    return next(pipe for pipe, pattern in KINDS[language] if re.match(pattern, name))


def intel_send(instruction):
    """Messages to gateway and thread control move nothing; surface 254 of the old data port is local."""
    if re.match(r"send\w*\.(gtwy|ts|null|urb)", instruction.name):
        return "free"
    port = re.match(r"send\w*\.dc", instruction.name)
    descriptor = re.search(r"0x([0-9A-Fa-f]{4,8})\b(?=[^0]*(?:\{|//|$))", instruction.text)
    return "local" if port and descriptor and int(descriptor.group(1), 16) & 0xff == 0xfe else "far"


def bytes_of(code, target, instruction):
    """That one wave's instruction moves."""
    name, text = instruction.name.lower(), instruction.text
    if code.language == "intel":
        payload = [int(n) for n in re.findall(r"(?:wr|rd):\d+h?\+?(\d+)?", text) if n]
        read = re.search(r"rd:(\d+)", text)
        written = re.search(r"wr:\d+h?\+(\d+)", text)
        registers = max(int(read.group(1)) if read else 0, int(written.group(1)) if written else 0)
        return registers * target.register_bytes
    lanes = code.wave
    if code.language == "amd":
        wide = re.search(r"b(\d+)|dword(?:x(\d+))?|(u16|i16|short|d16)|(ubyte|u8|i8|byte)", name)
        if not wide:
            return 4 * lanes
        bits, words, half, byte = wide.groups()
        one = int(bits) // 8 if bits else 2 if half else 1 if byte else 4 * int(words or 1)
        return one * lanes * (2 if re.search(r"read2|write2|2addr", name) else 1)
    if "ldsm" in name or "ldmatrix" in name:
        matrices = re.search(r"(?:\.x|88\.)(\d)", name)
        return 128 * int(matrices.group(1) if matrices else 1)
    wide = re.search(r"\.v(\d)\.\w(\d+)|\.(?:b|u|s|f)?(\d{1,3})(?:\.|$)", name)
    if name.startswith("cp.async") or name.startswith("ldgsts"):
        return 16 * lanes if "128" in name or name.startswith("cp.async") else 4 * lanes
    if wide and wide.group(1):
        return int(wide.group(1)) * int(wide.group(2)) // 8 * lanes
    return (int(wide.group(3)) // 8 if wide else 4) * lanes


# M * N * K of one instruction.
def matrix_flops(instruction):
    name = instruction.name.lower()
    dpas = re.match(r"dpas\.8x(\d)\((\d+)\)", name)
    if dpas:
        return 2 * int(dpas.group(1)) * int(dpas.group(2)) * 16
    amd = re.search(r"_(\d+)x(\d+)x(\d+)", name)
    ptx = re.search(r"m(\d+)n(\d+)k(\d+)", name)
    if amd or ptx:
        m, n, k = (int(x) for x in (amd or ptx).groups())
        return 2 * m * n * k
    sass = re.search(r"\.(16)(8)(16|8|32)\b", name)
    m, n, k = (int(x) for x in sass.groups())
    return 2 * m * n * k


def cycles_of(code, target, instruction, pipe):
    rates = target.rates
    if pipe == "matrix":
        return matrix_flops(instruction) / target.matrix_flops
    if pipe in ("local", "far"):
        return bytes_of(code, target, instruction) / rates[pipe]
    wide = re.search(r"\((\d+)\)$", instruction.name)
    if code.language == "intel" and wide:
        # 8 float lanes a clock on DG2, 16 on PVC.
        return max(1, int(wide.group(1)) / (target.register_bytes / 4)) * rates[pipe]
    return rates[pipe]


def worth(code, target):
    """What the steady state is known by: matrix instructions before all, then tiles on their way, at least
    8 bytes a lane at once: rows that are not aligned go another way, in smaller pieces."""

    def of(instruction):
        what = kind(code.language, instruction)
        if what in ("far", "local") and bytes_of(code, target, instruction) >= 8 * code.wave:
            return 1
        return 1000 if what == "matrix" else 0

    return of


def main_path(code, target):
    """The instructions, the loop's (first, last), and those of one turn; None without such a loop."""
    instructions = listing.parse(code)
    loop = listing.main_loop(instructions, lambda i: kind(code.language, i) == "matrix")
    return loop and (instructions, loop, listing.steady_path(instructions, loop, worth(code, target)))


def model(code, target):
    """Of a kernel with matrix instructions in a loop; None for others."""
    found = main_path(code, target)
    if not found:
        return None
    loop = Loop(shared=target.rates["shared"])
    for instruction in found[2]:
        pipe = kind(code.language, instruction)
        loop.counts[pipe] = loop.counts.get(pipe, 0) + 1
        if pipe == "free":
            continue
        if "issue" in target.rates:
            loop.cycles["issue"] = loop.cycles.get("issue", 0) + target.rates["issue"]
        loop.cycles[pipe] = loop.cycles.get(pipe, 0) + cycles_of(code, target, instruction, pipe)
        if pipe == "matrix":
            loop.flops += matrix_flops(instruction)
        if pipe == "far":
            loop.far_bytes += bytes_of(code, target, instruction)
        if pipe == "local":
            loop.local_bytes += bytes_of(code, target, instruction)
    return loop
