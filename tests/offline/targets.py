"""What each target has, per core (AMD: compute unit, on gfx1x work-group processor; NVIDIA: SM; Intel: Xe core).

Registers, waves and local memory decide how many waves stay on a core; rates decide what the model
(model.py) takes for a pipe's cycles.  Sources:

gfx90a, gfx942   LLVM's AMDGPUUsage and AMDGPUBaseInfo: 512 VGPRs (arch and accumulation together) a
                 lane and SIMD, in blocks of 8, at most 8 waves.  Matrix: MI250X, 383 TFLOP/s f16 on 220
                 CUs at 1.7 GHz, is 1024 FLOP a clock and CU, 256 a SIMD, so 16x16x16 (8,192 FLOP) takes
                 32 cycles; MI300X, 1,307 TFLOP/s on 304 CUs at 2.1 GHz, is twice that: 16 cycles.
gfx1100, gfx1200 LLVM: 1,536 VGPRs a lane and SIMD in wave32, in blocks of 24, at most 16 waves.  Matrix:
                 RX 7900 XTX, 122.8 TFLOP/s on 96 CUs at 2.5 GHz, is 512 a CU, 256 a SIMD: 32 cycles;
                 RX 9070 XT, 195 TFLOP/s on 64 CUs at 2.97 GHz, is 1024 a CU: 16 cycles.
sm_80, sm_90     CUDA programming guide: 64 K registers and 64 warps an SM, 164 and 228 KiB of shared
                 memory, 1 KiB of it the system's for each block.  Matrix: A100, 312 TFLOP/s on 108 SMs at
                 1.41 GHz, is 2048 an SM, 512 a sub-partition, so m16n8k16 (4,096 FLOP) takes 8 cycles.
                 H100's peak, twice that, is reached by wgmma alone, which OpenCL cannot ask for; mma.sync
                 reaches 63% of it (Luo et al. 2024, Dissecting Hopper via Microbenchmarking), 6.4 cycles.
dg2, pvc         Intel's architecture guides: 128 registers and 8 threads a vector engine, or 256 and 4.
                 Matrix: A770, 137.6 TFLOP/s f16 on 512 engines at 2.1 GHz, is 128 FLOP a clock and engine,
                 so dpas.8x8 on 8 lanes (2,048 FLOP) takes 16 cycles; Max 1550, 839 TFLOP/s on 1,024
                 engines at 1.6 GHz, is 512, and dpas.8x8 on 16 lanes (4,096 FLOP) takes 8.

Local memory, bytes a clock: AMD 128 a compute unit, NVIDIA 128 an SM (32 banks of 4 bytes); dg2 128 a
core, as of earlier generations; pvc 512, as 105 TB/s on 128 cores at 1.6 GHz say.  From far, what the
next cache gives a core: 64, on gfx1x 128 to the two compute units of a processor."""

from dataclasses import dataclass, field

KIB = 1024


@dataclass(frozen=True)
class Target:
    name: str
    vendor: str  # "amd", "nvidia", "intel"
    simds: int  # parts of a core that issue by themselves
    waves: int  # at most, on each
    registers: int  # a lane, on each
    granule: int  # in which they are given out
    local_bytes: int  # of a core
    local_of_system: int = 0  # of each work-group's
    register_bytes: int = 4  # of Intel's whole registers
    matrix_flops: float = 0  # a clock, of one SIMD
    rates: dict = field(default_factory=dict)  # model.py


def amd(name, waves, registers, granule, local_kib, matrix_flops, **rates):
    return Target(name, "amd", 4, waves, registers, granule, local_kib * KIB, matrix_flops=matrix_flops, rates=rates)


def nvidia(name, local_kib, matrix_flops, **rates):
    return Target(name, "nvidia", 4, 16, 512, 8, local_kib * KIB, KIB, matrix_flops=matrix_flops, rates=rates)


def intel(name, simds, register_bytes, matrix_flops, **rates):
    return Target(name, "intel", simds, 8, 1024, 128, 128 * KIB, register_bytes=register_bytes,
                  matrix_flops=matrix_flops, rates=rates)


# Rates, in cycles of one SIMD: issue, any instruction; vector, one of those (NVIDIA: float, additions and
# multiplications, which have lanes of their own); special, exp2 and its like; scalar.  local, far: bytes
# a clock, one SIMD's share of its core's.  shared: the matrix unit is the vector unit's own, so their
# cycles add.
TARGETS = {target.name: target for target in (
    amd("gfx90a", 8, 512, 8, 64, 256, vector=4, special=16, scalar=4, local=32, far=16, shared=False),
    amd("gfx942", 8, 512, 8, 64, 512, vector=4, special=16, scalar=4, local=32, far=16, shared=False),
    amd("gfx1100", 16, 1536, 24, 128, 256, vector=1, special=4, scalar=1, local=64, far=32, shared=True),
    amd("gfx1200", 16, 1536, 24, 128, 512, vector=1, special=4, scalar=1, local=64, far=32, shared=True),
    nvidia("sm_80", 164, 512, issue=1, float=2, vector=2, special=8, scalar=1, local=32, far=16, shared=False),
    nvidia("sm_90", 228, 640, issue=1, float=1, vector=2, special=8, scalar=1, local=32, far=16, shared=False),
    intel("dg2", 16, 32, 128, vector=1, special=4, scalar=1, local=8, far=4, shared=False),
    intel("pvc", 8, 64, 512, vector=1, special=4, scalar=1, local=64, far=8, shared=False),
)}


def round_up(n, multiple):
    return -(-n // multiple) * multiple


def occupancy(target, registers, local, items, wave):
    """Waves of one SIMD that registers and local memory allow at once, of those there could be."""
    waves_of_group = -(-items // wave)
    by_registers = min(target.waves, target.registers // round_up(max(registers, 1), target.granule))
    groups = by_registers * target.simds // waves_of_group
    if local:
        groups = min(groups, target.local_bytes // (local + target.local_of_system))
    return min(groups * waves_of_group / target.simds, target.waves)
