"""The makers' compilers, and what they say of the code they made."""

import ctypes
import os
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
AMD_LIBRARY, NVIDIA_LIBRARY = "amdgcn--amdhsa.bc", "nvptx64--nvidiacl.bc"  # of libclc


class Failed(Exception):
    """A program that does not compile, or does not hold what it must."""


@dataclass
class Code:
    """A kernel's machine code; text is its disassembly, or assembly where there is no more."""

    registers: int = 0
    accumulators: int = 0  # of the registers, those that are AMD's AGPRs
    scalars: int = 0
    scratch: int = 0  # bytes of a work-item (Intel: of a thread) in memory
    local: int = 0
    wave: int = 32
    text: str = ""
    language: str = ""  # "amd", "ptx", "sass", "intel"


def tool(name):
    """Where a file is: what ci/lanes/offline has fetched, PATH, NVIDIA's toolkit; else None."""
    fetched = HERE.parent.parent / "build/ci"
    folders = [*fetched.glob("cuda/lib/python3*/site-packages/nvidia/cu13/bin"), fetched / "libclc-19/usr/lib/clc",
               *os.get_exec_path(), "/usr/local/cuda/bin"]
    return next((str(path) for path in (Path(folder) / name for folder in folders) if path.is_file()), None)


def call(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line] or [f"{command[0]} failed"]
        raise Failed("; ".join(said[:3]))
    return done.stdout + done.stderr


def clang(program, triple, library, *more):
    return call(
        tool("clang-19"), "-x", "cl", *program.options.split(), "-target", triple, "-nogpulib", "-O3",
        "-include", HERE / "workitem.h", "-Wno-linker-warnings", "-ferror-limit=3",
        "-Xclang", "-mlink-builtin-bitcode", "-Xclang", tool(library), *more, program.source)


def number(pattern, text, otherwise=None):
    found = re.search(pattern, text, re.MULTILINE)
    if found:
        return int(found.group(1))
    if otherwise is None:
        raise Failed(f"there is no '{pattern}' in what the compiler says")
    return otherwise


# ---- AMD ----------------------------------------------------------------------------------------


def amd(target, program, folder):
    made = folder / "code.o"
    clang(program, "amdgcn-amd-amdhsa", AMD_LIBRARY, f"-mcpu={target.name}", "-o", made)
    notes = call(tool("llvm-readelf-19"), "--notes", made)
    # A kernel's numbers surround its arguments; the next begins with its own first key.
    kernels = re.split(r"(?m)^  - (?=\.(?:agpr_count|args):)", notes)
    mine = next((k for k in kernels if re.search(rf"^ +\.name: +{program.function}$", k, re.MULTILINE)), None)
    if not mine:
        raise Failed(f"there is no kernel {program.function} in the code object")
    text = call(tool("llvm-objdump-19"), "-d", "--no-leading-addr", f"--disassemble-symbols={program.function}", made)
    # A few bytes may be set aside for scalar registers that went to lanes of vector registers instead.
    used = re.search(r"^\s+(scratch|buffer)_(load|store)", text, re.MULTILINE)
    return Code(
        registers=number(r"\.vgpr_count: +(\d+)", mine),
        accumulators=number(r"\.agpr_count: +(\d+)", mine, 0),
        scalars=number(r"\.sgpr_count: +(\d+)", mine),
        scratch=number(r"\.private_segment_fixed_size: +(\d+)", mine) if used else 0,
        local=number(r"\.group_segment_fixed_size: +(\d+)", mine),
        wave=number(r"\.wavefront_size: +(\d+)", mine),
        text=text,
        language="amd")


# ---- NVIDIA -------------------------------------------------------------------------------------


def nvidia(target, program, folder):
    made, assembled = folder / "code.ptx", folder / "code.cubin"
    clang(program, "nvptx64--nvidiacl", NVIDIA_LIBRARY, "-Xclang", "-target-cpu", "-Xclang", target.name,
          "-Xclang", "-target-feature", "-Xclang", "+ptx80", "-S", "-o", made)
    ptx = made.read_text()
    unknown = re.findall(r"\.extern \.func .*?(\w+)\s*$", ptx, re.MULTILINE)
    if unknown:
        raise Failed("undefined: " + ", ".join(unknown))
    if not tool("ptxas"):
        return Code(text=ptx, language="ptx")
    said = call(tool("ptxas"), f"-arch={target.name}", "-v", "-o", assembled, made)
    mine = said.split(f"Compiling entry function '{program.function}'")[1].split("Compiling entry function")[0]
    text, language = ptx, "ptx"
    if tool("nvdisasm"):
        text, language = call(tool("nvdisasm"), "-c", assembled), "sass"
        text = text.split(f".text.{program.function}:")[1].split("//-----")[0]
    return Code(
        registers=number(r"Used (\d+) registers", mine),
        scratch=number(r"(\d+) bytes stack frame", mine, 0) + number(r"(\d+) bytes spill stores", mine, 0),
        local=number(r"(\d+) bytes smem", mine, 0),
        text=text,
        language=language)


# ---- Intel --------------------------------------------------------------------------------------


def sections(elf):
    """Contents by name, and the names of undefined symbols, of a 64-bit ELF file."""
    at, = unpack("Q", elf, 40)
    size, count, names = unpack("HHH", elf, 58)
    headers = [unpack("IIQQQQIIQQ", elf, at + i * size) for i in range(count)]
    text = lambda table, offset: elf[table[4] + offset:elf.index(b"\0", table[4] + offset)].decode()
    contents = {text(headers[names], h[0]): elf[h[4]:h[4] + h[5]] for h in headers if h[1]}
    undefined = []
    for h in headers:
        if h[1] == 2:  # symbols
            symbols = [unpack("IBBHQQ", elf, h[4] + i) for i in range(24, h[5], 24)]
            undefined += [text(headers[h[6]], s[0]) for s in symbols if s[3] == 0]
    return contents, undefined


def unpack(kinds, data, at):
    return struct.unpack_from("<" + kinds, data, at)


class Iga:
    """Intel's disassembler, by the C interface that its library has had since its first version."""

    GENERATION = {"dg2": 1 << 24 | 2, "pvc": 1 << 24 | 4}

    class ContextOptions(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_size_t), ("generation", ctypes.c_uint32)]

    class Options(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint32) for name in ("bytes", "format", "zero", "zero_too", "decoder", "base")]

    @classmethod
    def text(cls, code, target):
        iga = ctypes.CDLL("libiga64.so.1")
        context, text = ctypes.c_void_p(), ctypes.c_char_p()
        of_context = cls.ContextOptions(ctypes.sizeof(cls.ContextOptions), cls.GENERATION[target])
        options = cls.Options(ctypes.sizeof(cls.Options))
        if iga.iga_context_create(ctypes.byref(of_context), ctypes.byref(context)):
            raise Failed("libiga64 does not know the target")
        if iga.iga_context_disassemble(context, ctypes.byref(options), code, len(code), None, None, ctypes.byref(text)):
            raise Failed("libiga64 could not disassemble the kernel")
        listing = text.value.decode()
        iga.iga_context_release(context)
        return listing


def intel(target, program, folder):
    call(tool("ocloc"), "compile", "-file", program.source, "-device", target.name,
                "-options", program.options, "--format", "zebin", "-out_dir", folder, "-output", "code")
    binaries = list(folder.glob("code*.bin"))
    if not binaries:
        raise Failed("ocloc wrote no binary")
    contents, undefined = sections(binaries[0].read_bytes())
    if undefined:  # ocloc has said "Build succeeded"
        raise Failed("undefined: " + ", ".join(undefined))
    info = contents[".ze_info"].decode()
    kernels = re.split(r"(?m)^  - (?=name: )", info.split("kernels_misc_info:")[0])
    mine = next(k for k in kernels if re.match(rf"name: +{program.function}\b", k))
    return Code(
        registers=number(r"grf_count: +(\d+)", mine, 128),
        # size follows usage: spills, private arrays, or both in one.
        scratch=sum(int(n) for n in re.findall(r"usage: +\w+\n +size: +(\d+)", mine)),
        local=number(r"slm_size: +(\d+)", mine, 0),
        wave=number(r"simd_size: +(\d+)", mine),
        text=Iga.text(contents[".text." + program.function], target.name),
        language="intel")


COMPILERS = {"amd": amd, "nvidia": nvidia, "intel": intel}
NEEDED = {"amd": ("clang-19", "llvm-readelf-19", "llvm-objdump-19", AMD_LIBRARY),
          "nvidia": ("clang-19", NVIDIA_LIBRARY), "intel": ("ocloc",)}


def compile(target, program, folder):
    return COMPILERS[target.vendor](target, program, folder)
