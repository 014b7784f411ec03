#!/usr/bin/env python3
"""Bad input to `clattn attend`: each is refused in one clear line, with exit status 1 or 2, and
leaves no file behind.

    python3 tests/command_line/refusals.py --clattn build/tools/clattn

A case is a list of options and what its line must name.  Exit: 0 all passed, 1 one failed.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

# ---- Files ------------------------------------------------------------------
# Written by hand, so that they can be wrong in any way (and nothing but Python is needed).

SIZES = {"f4": 4, "i4": 4, "i8": 8, "b1": 1}


def npy_header(text, version=1):
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode()


def npy(shape, type="f4", fortran=False, data=None):
    """An array of zeros, or of the bytes given."""
    order = "|" if type == "b1" else "<"
    header = f"{{'descr': '{order}{type}', 'fortran_order': {fortran}, 'shape': {shape!r}, }}\n"
    if data is None:
        count = 1
        for size in shape:
            count *= size
        data = bytes(count * SIZES[type])
    return npy_header(header) + data


def ints(*values):
    return struct.pack(f"<{len(values)}i", *values)


def safetensors(entries, data=bytes(64), length=None):
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(shape, begin, end, type="F32"):
    return {"t": {"dtype": type, "shape": shape, "data_offsets": [begin, end]}}


Q = (1, 2, 3, 4)  # [B, H, N, D]
FILES = {
    "q.npy": npy(Q),
    "flat.npy": npy((1, 3, 8)),
    "rank2.npy": npy((6, 4)),
    "rank5.npy": npy((1, 1, 2, 3, 4)),
    "odd_heads.npy": npy((1, 3, 3, 4)),
    "other_dim.npy": npy((1, 2, 3, 5)),
    "other_batch.npy": npy((2, 2, 3, 4)),
    "wide.npy": npy((1, 1, 3, 600)),
    "complex.npy": npy(Q, "f4").replace(b"<f4", b"<c8"),
    "big_endian.npy": npy(Q, "f4").replace(b"<f4", b">f4"),
    "objects.npy": npy(Q, "f4").replace(b"<f4", b"|O8"),
    "fortran.npy": npy(Q, fortran=True),
    "truncated.npy": npy(Q)[:-1],
    "no_data.npy": npy(Q, data=b""),
    "longer.npy": npy(Q) + b"x",
    "empty.npy": b"",
    "magic.npy": b"\x93NUM",
    "text.npy": b"this is not an array\n",
    "header_cut.npy": npy(Q)[:40],
    "header_empty.npy": npy_header(""),
    "header_huge.npy": b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\xff" + b"{'descr'",
    "header_junk.npy": npy_header("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}"),
    "header_open.npy": npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2"),
    "version9.npy": b"\x93NUMPY\x09\x00" + npy(Q)[8:],
    "negative.npy": npy((1, -2, 3, 4), data=bytes(96)),
    "overflow.npy": npy((1 << 31, 1 << 31, 1 << 31, 4), data=b""),
    "beyond_int64.npy": npy((1, 2, 3, 99999999999999999999), data=b""),
    "length.npy": npy((1,), "i4", data=ints(2)),
    "length_long.npy": npy((1,), "i4", data=ints(4)),
    "length_negative.npy": npy((1,), "i4", data=ints(-1)),
    "length_two.npy": npy((2,), "i4", data=ints(1, 1)),
    "length_float.npy": npy((1,), data=struct.pack("<f", float("nan"))),
    "spans.npy": npy((3,), "i4", data=ints(0, 1, 3)),
    "spans_long.npy": npy((3,), "i8", data=struct.pack("<3q", 0, 1, 1 << 40)),
    "spans_short.npy": npy((3,), "i4", data=ints(0, 1, 2)),
    "spans_late.npy": npy((3,), "i4", data=ints(1, 2, 3)),
    "spans_before.npy": npy((3,), "i4", data=ints(-1, 2, 3)),
    "spans_falling.npy": npy((4,), "i4", data=ints(0, 2, 1, 3)),
    "spans_one.npy": npy((1,), "i4", data=ints(0)),
    "spans_pairs.npy": npy((2, 2), "i4", data=ints(0, 2, 1, 3)),
    "spans_float.npy": npy((2,), data=struct.pack("<2f", 0, 3)),
    "mask.npy": npy((3, 3), "b1"),
    "mask_wrong.npy": npy((3, 2), "b1"),
    "mask_rank5.npy": npy((1, 1, 1, 3, 3), "b1"),
    "bias_wrong.npy": npy((5, 1, 3, 3)),
    "slopes_wrong.npy": npy((3,)),
    "x.npy": npy((1, 3, 8)),
    "w.npy": npy((8, 8)),
    "w_wrong.npy": npy((8, 7)),
    "good.safetensors": safetensors(tensor([1, 1, 4, 4], 0, 64)),
    "cut.safetensors": safetensors(tensor([1, 1, 4, 4], 0, 64), data=bytes(63)),
    "short.safetensors": b"\x05\x00",
    "length.safetensors": safetensors(tensor([1], 0, 4), length=(1 << 64) - 1),
    "json.safetensors": safetensors(b'{"t": {"dtype": '),
    "list.safetensors": safetensors(b"[1, 2]"),
    "deep.safetensors": safetensors(b"[" * 100000),
    "fields.safetensors": safetensors({"t": {"dtype": 3, "shape": "x", "data_offsets": None}}),
    "outside.safetensors": safetensors(tensor([1, 1, 4, 4], 1 << 40, (1 << 40) + 64)),
    "backwards.safetensors": safetensors(tensor([1, 1, 4, 4], 64, 0)),
    "size.safetensors": safetensors(tensor([1, 1, 4, 3], 0, 64)),
    "negative.safetensors": safetensors(tensor([1, 1, -4, -4], 0, 64)),
    "overflow.safetensors": safetensors(tensor([1 << 40, 1 << 40, 4, 4], 0, 64)),
    "dtype.safetensors": safetensors(tensor([1, 1, 4, 4], 0, 64, "F8_E5M2")),
}

# ---- Cases ------------------------------------------------------------------

QKV = "--q q.npy --k q.npy --v q.npy"
BAD_NPY = """truncated no_data empty magic text header_cut header_empty header_huge header_junk
    header_open version9 negative overflow beyond_int64 fortran complex big_endian
    objects""".split()
BAD_SAFETENSORS = """cut short length json list deep fields outside backwards size negative
    overflow dtype""".split()

CASES = [
    # Options
    ("--q q.npy --k q.npy", "--v"),
    ("", "--q"),
    (f"{QKV} --no-such-option", "--no-such-option"),
    (f"{QKV} --scale", "--scale"),
    (f"{QKV} extra", "extra"),
    (f"{QKV} --scale nan", "--scale"),
    (f"{QKV} --scale inf", "--scale"),
    (f"{QKV} --scale 1x", "--scale"),
    (f"{QKV} --softcap nan", "--softcap"),
    (f"{QKV} --softcap -1", "softcap"),
    (f"{QKV} --window 3", "--window"),
    (f"{QKV} --window 3,nan", "--window"),
    (f"{QKV} --window 3,99999999999", "--window"),
    (f"{QKV} --offset sideways", "--offset"),
    (f"{QKV} --offset 99999999999", "--offset"),
    (f"{QKV} --layout hbnd", "--layout"),
    (f"{QKV} --type f64", "--type"),
    (f"{QKV} --repeat 0", "--repeat"),
    (f"{QKV} --weights-stage raw --weights w.out.npy", "--weights-stage"),
    (f"{QKV} --kernel nonsense", "nonsense"),
    (f"{QKV} --device nonsense", "nonsense"),
    (f"{QKV} --device 99", "99"),
    (f"{QKV} --device -1", "-1"),
    # Files
    ("--q nowhere.npy --k q.npy --v q.npy", "nowhere.npy"),
    ("--q . --k q.npy --v q.npy", ""),
    *[(f"--q {name}.npy --k q.npy --v q.npy", f"{name}.npy") for name in BAD_NPY],
    *[(f"--q {name}.safetensors:t --k q.npy --v q.npy", f"{name}.safetensors")
      for name in BAD_SAFETENSORS],
    ("--q good.safetensors:absent --k q.npy --v q.npy", "absent"),
    ("--q good.safetensors --k q.npy --v q.npy", "good.safetensors"),
    # Shapes that do not fit
    ("--q rank2.npy --k q.npy --v q.npy", "[6, 4]"),
    ("--q rank5.npy --k q.npy --v q.npy", "[1, 1, 2, 3, 4]"),
    ("--q odd_heads.npy --k q.npy --v q.npy", "heads"),
    ("--q q.npy --k other_dim.npy --v q.npy", ""),
    ("--q q.npy --k other_batch.npy --v q.npy", ""),
    ("--q q.npy --k q.npy --v other_batch.npy", ""),
    ("--q wide.npy --k wide.npy --v wide.npy", "512"),
    ("--q flat.npy --k flat.npy --v flat.npy", "--heads"),
    ("--q flat.npy --k flat.npy --v flat.npy --heads 3", "heads"),
    ("--q flat.npy --k flat.npy --v flat.npy --heads 4 --kv-heads 3", "heads"),
    ("--q flat.npy --k flat.npy --v flat.npy --heads 0", "--heads"),
    (f"{QKV} --mask mask_wrong.npy", "mask"),
    (f"{QKV} --mask mask_rank5.npy", "mask"),
    (f"{QKV} --bias bias_wrong.npy", "bias"),
    (f"{QKV} --alibi slopes_wrong.npy", "alibi"),
    (f"{QKV} --sinks slopes_wrong.npy", "sinks"),
    (f"{QKV} --kv-length length_long.npy", "kv-length"),
    (f"{QKV} --kv-length length_negative.npy", "kv-length"),
    (f"{QKV} --kv-length length_two.npy", "kv-length"),
    (f"{QKV} --kv-length length_float.npy", "kv-length"),
    (f"{QKV} --past-k q.npy", "past-v"),
    (f"{QKV} --past-k other_dim.npy --past-v q.npy", "past"),
    ("--x x.npy --wq w.npy --wk w.npy --wv w.npy", "--heads"),
    ("--x x.npy --wq w.npy --wk w.npy --heads 2", "--wv"),
    ("--x x.npy --wq w_wrong.npy --wk w.npy --wv w.npy --heads 2", "wq"),
    ("--x x.npy --wq w.npy --wk w.npy --wv w.npy --heads 3", "heads"),
    ("--x x.npy --q q.npy --wq w.npy --wk w.npy --wv w.npy --heads 2", "--q"),
    # Spans: a list of pairs, which may overlap, gaps at the ends, falling, no integers
    (f"{QKV} --spans spans.npy", "--mass"),
    (f"{QKV} --mass m.out.npy", "--spans"),
    (f"{QKV} --mass m.out.npy --spans nowhere.npy", "nowhere.npy"),
    (f"{QKV} --mass m.out.npy --spans spans_pairs.npy", "[2, 2]"),
    (f"{QKV} --mass m.out.npy --spans spans_one.npy", "two cut points"),
    (f"{QKV} --mass m.out.npy --spans spans_float.npy", "i4 or i8"),
    (f"{QKV} --mass m.out.npy --spans spans_falling.npy", "overlap"),
    (f"{QKV} --mass m.out.npy --spans spans_late.npy", "first cut point is 1"),
    (f"{QKV} --mass m.out.npy --spans spans_before.npy", "first cut point is -1"),
    (f"{QKV} --mass m.out.npy --spans spans_short.npy", "last cut point is 2"),
    (f"{QKV} --mass m.out.npy --spans spans_long.npy", "last cut point is 1099511627776"),
    (f"{QKV} --heatmap-mean", "--heatmap"),
    # Outputs
    (f"{QKV} --out no/such/folder/out.npy", "no/such/folder"),
    (f"{QKV} --out .", ""),
    (f"{QKV} --lse no/such/folder/lse.npy", "no/such/folder"),
    (f"{QKV} --spans spans.npy --mass no/such/folder/m.npy", "no/such/folder"),
    (f"{QKV} --heatmap no/such/folder/a.png", "no/such/folder"),
    (f"{QKV} --heatmap map.png --tokens nowhere.txt", "nowhere.txt"),
]  # fmt: skip


def why_wrong(clattn, folder, options, named):
    """None, or in what the program's answer to a case falls short."""
    command = [clattn, "attend", *options.split()]
    if "--out" not in command:
        command += ["--out", "result.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    lines = done.stderr.strip().splitlines()
    left = sorted(set(os.listdir(folder)) - set(FILES))
    for name in left:
        (folder / name).unlink()
    if done.returncode not in (1, 2):
        return f"exit status {done.returncode}: {' | '.join(lines[:8])}"
    if len(lines) != 1:
        return f"{len(lines)} lines instead of one: {' | '.join(lines)}"
    if named not in lines[0]:
        return f"the line does not name {named!r}: {lines[0]}"
    if left:
        return f"files were left behind: {', '.join(left)}"
    if done.stdout:
        return f"something was written to stdout: {done.stdout[:80]!r}"
    print(f"{options or '(nothing)'}\n    {lines[0]}")
    return None


def main():
    parser = argparse.ArgumentParser(description="Bad input to `clattn attend`.")
    parser.add_argument("--clattn", required=True, metavar="PATH", help="the program to test")
    clattn = os.path.abspath(parser.parse_args().clattn)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="clattn-refusals-") as folder:
        for name, content in FILES.items():
            (Path(folder) / name).write_bytes(content)
        for options, named in CASES:
            why = why_wrong(clattn, Path(folder), options, named)
            if why:
                failed += 1
                print(f"FAILED clattn attend {options}\n    {why}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
