"""The fuzz targets' first inputs.

usage: corpus.py FOLDER             writes them to FOLDER/npy and FOLDER/safetensors
       corpus.py KIND PROGRAM       runs PROGRAM with every file of that kind
"""
import json
import os
import struct
import subprocess
import sys
import tempfile


def npy(descr="'<f4'", fortran="False", shape="(2, 3)", data=bytes(24), version=1, header=None, pad=64):
    if header is None:
        header = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)
    lead = 10 if version == 1 else 12
    text = header.encode("utf-8") + b" " * (-(lead + len(header) + 1) % pad) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text + data


def npy_files():
    yield "f4", npy()
    for descr, size in (("<f2", 2), ("<f8", 8), ("|i1", 1), ("<i4", 4), ("<i8", 8), ("|u1", 1), ("|b1", 1)):
        yield descr[1:], npy("'%s'" % descr, data=bytes(range(6 * size)))
    yield "version2", npy(version=2)
    yield "version3", npy(version=3)
    yield "version9", npy(version=9)
    yield "scalar", npy(shape="()", data=bytes(4))
    yield "one_axis", npy(shape="(3,)", data=bytes(12))
    yield "no_elements", npy(shape="(0, 5)", data=b"")
    yield "eight_axes", npy(shape="(1, 1, 1, 1, 1, 1, 1, 1)", data=bytes(4))
    yield "nine_axes", npy(shape="(1, 1, 1, 1, 1, 1, 1, 1, 1)", data=bytes(4))
    yield "fortran", npy(fortran="True")
    yield "big_endian", npy("'>f4'")
    yield "objects", npy("'|O'")
    yield "structured", npy("[('a', '<f4'), ('b', '<i4')]")
    yield "negative", npy(shape="(-2, 3)")
    yield "huge_size", npy(shape="(99999999999999999999, 3)")
    yield "overflow", npy(shape="(4294967296, 4294967296)")
    yield "wraps_to_fit", npy(shape="(4611686018427387905, 4)", data=bytes(16))
    yield "zero_times_huge", npy(shape="(0, 9223372036854775807)", data=b"")
    yield "too_short", npy(data=bytes(23))
    yield "too_long", npy(data=bytes(25))
    yield "no_shape", npy(header="{'descr': '<f4', 'fortran_order': False, }")
    yield "twice", npy(header="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}")
    yield "unknown_key", npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}")
    yield "double_quotes", npy(header='{"descr":"<f4","fortran_order":False,"shape":(2,3)}')
    yield "unpadded", npy(pad=1)
    yield "unclosed", npy(header="{'descr': '<f4")
    yield "nothing_after_colon", npy(header="{'descr':")
    yield "empty_header", npy(header="")
    yield "long_descr", npy("'%s'" % ("f" * 300))
    yield "header_past_end", b"\x93NUMPY\x01\x00\xff\xff{"
    yield "huge_header", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{"
    yield "magic", b"\x93NUMPY"
    yield "empty", b""
    yield "text", b"1.0 2.0 3.0\n"


def safetensors(header, data=bytes(24)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8")
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype="F32", shape=(2, 3), offsets=(0, 24)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors_files():
    yield "f32", safetensors({"x": tensor()})
    yield "f16", safetensors({"x": tensor("F16", offsets=(0, 12))}, bytes(12))
    yield "bf16", safetensors({"x": tensor("BF16", offsets=(12, 24))})
    yield "metadata", safetensors({"__metadata__": {"format": "pt"}, "x": tensor()})
    yield "two", safetensors({"x": tensor(), "q.weight": tensor(offsets=(24, 48))}, bytes(48))
    yield "many", safetensors({"layer.%d" % i: tensor() for i in range(9)})
    yield "scalar", safetensors({"x": tensor(shape=(), offsets=(0, 4))}, bytes(4))
    yield "no_elements", safetensors({"x": tensor(shape=(0, 3), offsets=(0, 0))}, b"")
    yield "i64", safetensors({"x": tensor("I64")})
    yield "no_dtype", safetensors({"x": {"shape": [2, 3], "data_offsets": [0, 24]}})
    yield "dtype_number", safetensors({"x": tensor(7)})
    yield "no_shape", safetensors({"x": {"dtype": "F32", "data_offsets": [0, 24]}})
    yield "shape_of_text", safetensors({"x": tensor(shape=("2", 3))})
    yield "negative", safetensors({"x": tensor(shape=(-2, 3))})
    yield "fraction", safetensors({"x": tensor(shape=(2.5, 3))})
    yield "huge", safetensors({"x": tensor(shape=(9007199254740992, 9007199254740992))})
    yield "wraps_to_fit", safetensors({"x": tensor(shape=(4503599627370496, 4096, 1), offsets=(0, 0))})
    yield "nine_axes", safetensors({"x": tensor(shape=(1,) * 9, offsets=(0, 4))})
    yield "offsets_backwards", safetensors({"x": tensor(offsets=(24, 0))})
    yield "offsets_outside", safetensors({"x": tensor(offsets=(1000, 1024))})
    yield "offsets_of_three", safetensors({"x": tensor(offsets=(0, 8, 24))})
    yield "offsets_negative", safetensors({"x": tensor(offsets=(-24, 0))})
    yield "offsets_too_few_bytes", safetensors({"x": tensor(offsets=(0, 20))})
    yield "truncated_data", safetensors({"x": tensor()}, bytes(20))
    yield "not_an_object", safetensors([1, 2])
    yield "tensor_of_text", safetensors({"x": "F32"})
    yield "null", safetensors({"x": None})
    yield "no_json", safetensors(b"{\"x\": {\"dtype\": \"F32\",")
    yield "deep", safetensors(b"[" * 2000)
    yield "repeated_name", safetensors(b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{}}')
    yield "escaped_name", safetensors(b'{"\\u0078":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}')
    yield "bad_escape", safetensors(b'{"\\ud800":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}')
    yield "huge_number", safetensors(b'{"x":{"dtype":"F32","shape":[1e999],"data_offsets":[0,24]}}')
    yield "empty_header", safetensors(b"")
    yield "header_past_end", struct.pack("<Q", 1000) + b"{}"
    yield "huge_header", struct.pack("<Q", 2**63) + b"{}"
    yield "short", b"\x02\x00"
    yield "empty", b""


KINDS = {"npy": npy_files, "safetensors": safetensors_files}


def write(kind, folder):
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, data in KINDS[kind]():
        paths.append(os.path.join(folder, name))
        with open(paths[-1], "wb") as file:
            file.write(data)
    return paths


def main():
    if len(sys.argv) == 2:
        for kind in KINDS:
            write(kind, os.path.join(sys.argv[1], kind))
        return 0
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([sys.argv[2], *write(sys.argv[1], folder)]).returncode


if __name__ == "__main__":
    sys.exit(main())
