"""The fuzz targets' first inputs.

usage: corpus.py FOLDER             writes them to FOLDER/npy, FOLDER/safetensors and so on
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


# ---- Models' files and texts ----

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10
FIXED = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", 5: "i", F32: "f", BOOL: "?", U64: "Q", 11: "q", 12: "d"}


def string(text):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def value(kind, data):
    return string(data) if kind == STRING else struct.pack("<" + FIXED[kind], data)


def entry(key, kind, data):
    """Of an array the kind is (ARRAY, kind of its elements)."""
    if isinstance(kind, tuple):
        elements = b"".join(value(kind[1], element) for element in data)
        return string(key) + struct.pack("<IIQ", ARRAY, kind[1], len(data)) + elements
    return string(key) + struct.pack("<I", kind) + value(kind, data)


def gguf_tensor(name="w", sizes=(8,), kind=0, offset=0):
    return string(name) + struct.pack("<I", len(sizes)) + struct.pack("<%dQIQ" % len(sizes), *sizes, kind, offset)


def gguf(entries=(), tensors=(), data=b"", version=3, counts=None, alignment=32):
    tensor_count, entry_count = counts or (len(tensors), len(entries))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, entry_count) + b"".join(entries) + b"".join(tensors)
    return head + bytes(-len(head) % alignment if tensors else 0) + data


def byte_alphabet():
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return [chr(byte) if byte in shown else chr(0x100 + hidden.index(byte)) for byte in range(0x100)]


CHAT = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are it.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + role + '\\n' + content + '<|im_end|>\\n' }}{{ '<|im_start|>assistant\\n' }}"
)


def vocabulary(**changes):
    """Entries of a small vocabulary: the bytes of "abc 12<|im_end|>", or all, and what is made of them."""
    letters = byte_alphabet() if changes.pop("all_bytes", False) else ["a", "b", "c", "\u0120", "1", "2", "<", "|", ">"]
    tokens = [*letters, "ab", "bc", "abc", "\u0120a", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<<user>>", "\u65e5"]
    kinds = [1] * (len(letters) + 4) + [3, 3, 3, 4, 1]
    values = {
        "model": (STRING, "gpt2"), "pre": (STRING, "smollm"), "tokens": ((ARRAY, STRING), tokens),
        "token_type": ((ARRAY, 5), kinds), "merges": ((ARRAY, STRING), ["b c", "a b", "ab c", "\u0120 a"]),
        "bos_token_id": (U32, len(tokens) - 5), "eos_token_id": (U32, len(tokens) - 4), "add_bos_token": (BOOL, True),
    }
    values.update(changes)
    entries = [entry("tokenizer.ggml." + key, *item) for key, item in values.items() if item]
    return [*entries, entry("tokenizer.chat_template", STRING, CHAT)]


def gguf_files():
    yield "empty", b""
    yield "magic", b"GGUF"
    yield "nothing", gguf()
    yield "version2", gguf(version=2)
    yield "version1", gguf(version=1)
    yield "big_endian", gguf(version=3 << 24)
    yield "many_entries", gguf(counts=(0, 2**64 - 1))
    yield "many_tensors", gguf(counts=(2**63, 0))
    for kind in FIXED:
        yield "value%d" % kind, gguf([entry("value", kind, 1)])
        yield "array%d" % kind, gguf([entry("value", (ARRAY, kind), [0, 1, 1])])
    yield "text", gguf([entry("value", STRING, "text")])
    yield "texts", gguf([entry("value", (ARRAY, STRING), ["one", "", "three"])])
    yield "no_texts", gguf([entry("value", (ARRAY, STRING), [])])
    yield "no_such_type", gguf([string("value") + struct.pack("<IQ", 13, 0)])
    yield "nested", gguf([string("value") + struct.pack("<IIQ", ARRAY, ARRAY, 1)])
    yield "long_array", gguf([string("value") + struct.pack("<IIQ", ARRAY, 12, 2**61 + 1)])
    yield "long_text", gguf([string("value") + struct.pack("<IQ", STRING, 2**64 - 1)])
    yield "long_key", gguf([struct.pack("<Q", 2**40) + b"value"])
    yield "twice", gguf([entry("value", U32, 1)] * 2)
    yield "empty_key", gguf([entry("", U32, 1)])
    yield "alignment64", gguf([entry("general.alignment", U32, 64)], [gguf_tensor()], bytes(32), alignment=64)
    yield "alignment0", gguf([entry("general.alignment", U32, 0)])
    yield "alignment24", gguf([entry("general.alignment", U32, 24)])
    for kind, size, length in ((0, 5, 20), (1, 5, 10), (2, 32, 18), (3, 32, 20), (8, 32, 34), (12, 256, 144), (14, 256, 210), (30, 5, 10)):
        yield "type%d" % kind, gguf([], [gguf_tensor(sizes=(size, 2), kind=kind)], bytes(2 * length))
    yield "type13", gguf([], [gguf_tensor(sizes=(256,), kind=13)], bytes(176))
    yield "type99", gguf([], [gguf_tensor(kind=99)], bytes(32))
    yield "two", gguf([], [gguf_tensor(), gguf_tensor("v", offset=32)], bytes(64))
    yield "two_alike", gguf([], [gguf_tensor(), gguf_tensor()], bytes(64))
    yield "scalar", gguf([], [gguf_tensor(sizes=())], bytes(4))
    yield "four_axes", gguf([], [gguf_tensor(sizes=(2, 2, 2, 1))], bytes(32))
    yield "five_axes", gguf([], [gguf_tensor(sizes=(1, 1, 1, 1, 1))], bytes(4))
    yield "no_elements", gguf([], [gguf_tensor(sizes=(32, 0), kind=8)])
    yield "overflow", gguf([], [gguf_tensor(sizes=(2**32, 2**32))], bytes(32))
    yield "wraps_to_fit", gguf([], [gguf_tensor(sizes=(2**62 + 1, 4))], bytes(32))
    yield "part_of_a_block", gguf([], [gguf_tensor(sizes=(33,), kind=8)], bytes(68))
    yield "unaligned", gguf([], [gguf_tensor(offset=8)], bytes(64))
    yield "outside", gguf([], [gguf_tensor(offset=64)], bytes(64))
    yield "far_outside", gguf([], [gguf_tensor(offset=2**64 - 32)], bytes(64))
    yield "short", gguf([], [gguf_tensor(sizes=(17,))], bytes(64))
    yield "vocabulary", gguf(vocabulary())
    yield "all_bytes", gguf(vocabulary(all_bytes=True))
    yield "llama_bpe", gguf(vocabulary(pre=(STRING, "llama-bpe")))
    yield "other_model", gguf(vocabulary(model=(STRING, "llama")))
    yield "other_rules", gguf(vocabulary(pre=(STRING, "none")))
    yield "no_types", gguf(vocabulary(token_type=None))
    yield "few_types", gguf(vocabulary(token_type=((ARRAY, 5), [1, 2, 3])))
    yield "no_tokens", gguf(vocabulary(tokens=((ARRAY, STRING), [])))
    yield "no_pair", gguf(vocabulary(merges=((ARRAY, STRING), ["ab"])))
    yield "no_such_pair", gguf(vocabulary(merges=((ARRAY, STRING), ["a zz"])))
    yield "no_bos", gguf(vocabulary(bos_token_id=None))
    yield "eos_outside", gguf(vocabulary(eos_token_id=(U32, 2**32 - 1)))


def texts():
    yield "empty", b""
    yield "words", b"It's 12 abc  abcabc\tab\n\n don't STOP a1b2"
    yield "special", b"a<|im_start|>b<|im_end|><|im<<user>> [CLS][SEP][sep"
    yield "unicode", "\u00e9e\u0301 \u65e5\u672c \uac00 \u0627\u0644 \u2028\u3000\u00a0x \U0001f600\u200d \u0130\u01c5 \ufb01".encode()
    yield "marks", ("a" + "\u302e\U0001d165\u0301\u0345" * 40).encode()
    yield "no_utf8", bytes(range(128, 256)) + b"\xc3\xe2\x82\xf0\x9f\xed\xa0\x80\xc0\x80"
    yield "control", bytes(range(33)) + b"\x7f\xc2\x85"
    yield "long", b"ab" * 60 + b" " * 40 + b"-" * 40 + b"1" * 40
    yield "signs", b"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~'s'LL're\r\n \r"


def wordpiece_files():
    yield from texts()
    vocabulary = b"[UNK]\n[CLS]\n[SEP]\nab\n##c\r\n\n##\n\xe6\x97\xa5\xff"
    yield "vocabulary", vocabulary + b"abc ab [SEP] \xe6\x97\xa5ab"
    yield "no_special", b"ab\n##c\xffabc"
    yield "no_vocabulary", b"\xffabc"


KINDS = {
    "npy": npy_files,
    "safetensors": safetensors_files,
    "gguf": gguf_files,
    "bpe": texts,
    "wordpiece": wordpiece_files,
}


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
