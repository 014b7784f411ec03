"""What an instruction is for: the pipe it takes, the bytes it moves, the sums it makes."""

import re
from functools import lru_cache

# Of each language: pipe by the first pattern that fits a name.  "free" ones are issued beside others.
KINDS = {
    "amd": [
        ("matrix", r"v_(wmma|mfma)_"),
        ("special", r"v_(exp|log|rcp|rsq|sqrt|sin|cos)_"),
        ("free", r"buffer_(gl[01]_inv|wbl2|wbinvl1|inv)|global_(wb|inv)$"),
        ("far", r"(global|buffer|flat|scratch)_"),
        ("local", r"ds_"),
        ("free", r"s_(wait|nop|delay_alu|clause|barrier|set|sleep|code_end|endpgm)"),
        ("scalar", r"s_"),
        ("vector", r""),
    ],
    "sass": [
        ("matrix", r"HMMA"),
        ("special", r"MUFU"),
        ("free", r"(NOP|DEPBAR|LDGDEPBAR|BAR|WARPSYNC|BSSY|BSYNC|YIELD|BRA|EXIT|S2R|CS2R|MEMBAR|ERRBAR)"),
        ("far", r"(LDG|STG|LDGSTS|LDL|STL|RED|ATOMG)"),
        ("local", r"(LDS|STS|LDSM|SHFL|ATOMS)"),
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
        ("special", r"math"),
        ("free", r"(sync|nop|goto|join|jmpi|endif|if|else|while)|send\w*\.(gtwy|ts|null|urb)"),
        ("local", r"send\w*\.slm"),
        ("far", r"send"),
        ("vector", r""),
    ],
}


@lru_cache(maxsize=None)
def kind_of_name(language, name):
    return next(pipe for pipe, pattern in KINDS[language] if re.match(pattern, name))


def kind(language, instruction):
    found = kind_of_name(language, instruction.name)
    if language == "intel" and found in ("far", "local"):
        return intel_kind(instruction, found)
    return found


def intel_kind(instruction, found):
    """A fence moves nothing; of the data ports before LSC, surface 254 is local memory."""
    message, _, about = instruction.text.partition("//")
    descriptor = int(re.findall(r"0x([0-9A-Fa-f]+)", message)[-1], 16)
    local = re.match(r"send\w*\.dc", instruction.name) and descriptor & 0xff == 0xfe
    return "free" if "fence" in about else "local" if local else found


# ---- Bytes that one wave's instruction moves ------------------------------------------------------


def amd_bytes(name, lanes):
    """ds_read2_b64, global_load_dwordx4, global_load_ushort"""
    bits, words, half, byte = re.search(r"_b(\d+)|dword(?:x(\d+))?|(16|short)|(8|byte)|$", name).groups()
    one = int(bits) // 8 if bits else 2 if half else 1 if byte else 4 * int(words or 1)
    return one * lanes * (2 if re.search(r"read2|write2|2addr", name) else 1)


def nvidia_bytes(name, lanes):
    """LDG.E.128, LDSM.16.M88.4 and LDGSTS.E.BYPASS.128; ld.shared.v4.u32, ldmatrix.sync.aligned.m8n8.x4"""
    matrices = re.search(r"ldsm.*\.(\d)$|ldmatrix.*\.x(\d)", name)
    if matrices:
        return 128 * int(matrices.group(1) or matrices.group(2))
    if name.startswith("cp.async"):
        return 16 * lanes
    count, bits = re.search(r"(?:\.v(\d))?\.[busf]?(8|16|32|64|128)(?:\.|$)|$", name).groups()
    return int(count or 1) * int(bits or 32) // 8 * lanes


def intel_bytes(text, register_bytes):
    """A comment tells registers sent and received: "wr:2+4, rd:0"; the first of those sent are addresses."""
    sent, received = re.search(r"wr:\d+h?\+(\d+), rd:(\d+)|$", text).groups()
    return max(int(sent or 0), int(received or 0)) * register_bytes


def bytes_of(code, target, instruction):
    name = instruction.name.lower()
    if code.language == "intel":
        return intel_bytes(instruction.text, target.register_bytes)
    return amd_bytes(name, code.wave) if code.language == "amd" else nvidia_bytes(name, code.wave)


# ---- Cycles -------------------------------------------------------------------------------------


def matrix_flops(instruction):
    """v_mfma_f32_16x16x16f16, mma.sync.aligned.m16n8k16, HMMA.16816.F32, dpas.8x8(16), dpasw.8x8(8)"""
    name = instruction.name.lower()
    intel = re.match(r"dpasw?\.8x(\d)\((\d+)\)", name)
    if intel:
        return 2 * int(intel.group(1)) * int(intel.group(2)) * 16
    shape = re.search(r"_(\d+)x(\d+)x(\d+)|m(\d+)n(\d+)k(\d+)|\.(16)(8)(\d+)", name)
    m, n, k = (int(part) for part in shape.groups() if part)
    return 2 * m * n * k


def cycles_of(code, target, instruction, pipe):
    """Of one SIMD."""
    if pipe == "matrix":
        return matrix_flops(instruction) / target.matrix_flops
    if pipe in ("local", "far"):
        return bytes_of(code, target, instruction) / target.rates[pipe]
    if code.language == "intel":  # an engine has as many float lanes as a register holds
        lanes = int(re.search(r"\((\d+)\)$", instruction.name).group(1))
        return max(1, lanes * 4 / target.register_bytes) * target.rates[pipe]
    return target.rates[pipe]
