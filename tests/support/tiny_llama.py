"""Small models of the llama architecture, with random weights: as GGUF files, and computed in plain Python.

The formulas are those of tests/conformance/llama_numpy.py, without numpy, with a few things more that a
file may have: biases, heads of another size, rotary positions on part of a head.
"""

import math
import random
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
from corpus import F32, STRING, U32, entry, gguf, gguf_tensor, vocabulary  # noqa: E402

WORDS = 265  # of the vocabulary with all bytes

# Types by their numbers in a file.
PLAIN, HALF, Q4_0, Q4_1, Q8_0, BFLOAT = 0, 1, 2, 3, 8, 30


def half(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def bfloat(x):
    return struct.unpack("<f", b"\0\0" + struct.pack("<f", x)[2:])[0]


class Weights:
    """Random numbers of a type: as the file has them, and as floats."""

    def __init__(self, sizes, kind, source, size=0.15, mean=0.0):
        self.sizes, self.kind = sizes, kind
        count = math.prod(sizes)
        if kind in (PLAIN, HALF, BFLOAT):
            rounded = {PLAIN: lambda x: struct.unpack("<f", struct.pack("<f", x))[0], HALF: half, BFLOAT: bfloat}[kind]
            self.values = [rounded(source.gauss(mean, size)) for _ in range(count)]
            self.data = b"".join(
                struct.pack("<f", x)[2:] if kind == BFLOAT else struct.pack("<e" if kind == HALF else "<f", x)
                for x in self.values
            )
        else:
            blocks = [self.block(kind, source, size) for _ in range(count // 32)]
            self.data = b"".join(data for data, _ in blocks)
            self.values = [x for _, values in blocks for x in values]

    @staticmethod
    def block(kind, source, size):
        if kind == Q8_0:
            scale, numbers = half(size / 74), [source.randrange(-127, 128) for _ in range(32)]
            return struct.pack("<e32b", scale, *numbers), [scale * number for number in numbers]
        numbers = [source.randrange(16) for _ in range(32)]
        scale = half(size / 4.6)
        least = half(-7 * scale) if kind == Q4_1 else -8 * scale
        packed = bytes(low | high << 4 for low, high in zip(numbers[:16], numbers[16:]))
        head = struct.pack("<ee", scale, least) if kind == Q4_1 else struct.pack("<e", scale)
        return head + packed, [scale * number + least for number in numbers]

    def rows(self):
        columns = self.sizes[0]
        return [self.values[i : i + columns] for i in range(0, len(self.values), columns)]


def norm(x, weight):
    size = math.sqrt(sum(a * a for a in x) / len(x) + 1e-5)
    return [a / size * w for a, w in zip(x, weight)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def cached(heads):
    """As the cache of `clattn generate` keeps them."""
    return [[half(x) for x in head] for head in heads]


class TinyLlama:
    DIM, HIDDEN, LAYERS, CONTEXT = 64, 96, 2, 64

    def __init__(self, kinds=(PLAIN,), tied=True, heads=4, groups=2, head_dim=None, rotary=None, biases=False, seed=1):
        self.heads, self.groups, self.head_dim = heads, groups, head_dim or self.DIM // heads
        self.rotary = rotary or self.head_dim
        source, kinds = random.Random(seed), list(kinds)
        q, kv = heads * self.head_dim, groups * self.head_dim
        self.tensors = {}
        self.shares = {}  # of the last logits: weights and norms of the values by (layer, position, head)

        def matrix(name, columns, rows):
            kinds.append(kinds.pop(0))  # in turns
            self.tensors[name + ".weight"] = Weights((columns, rows), kinds[-1], source)

        def vector(name, size, mean):
            self.tensors[name] = Weights((size,), PLAIN, source, 0.3, mean)

        matrix("token_embd", self.DIM, WORDS)
        for layer in range(self.LAYERS):
            parts = {"attn_q": (self.DIM, q), "attn_k": (self.DIM, kv), "attn_v": (self.DIM, kv),
                     "attn_output": (q, self.DIM), "ffn_gate": (self.DIM, self.HIDDEN),
                     "ffn_up": (self.DIM, self.HIDDEN), "ffn_down": (self.HIDDEN, self.DIM)}  # fmt: skip
            for part, (columns, rows) in parts.items():
                matrix(f"blk.{layer}.{part}", columns, rows)
                if biases:
                    vector(f"blk.{layer}.{part}.bias", rows, 0)
            vector(f"blk.{layer}.attn_norm.weight", self.DIM, 1)
            vector(f"blk.{layer}.ffn_norm.weight", self.DIM, 1)
        vector("output_norm.weight", self.DIM, 1)
        if not tied:
            matrix("output", self.DIM, WORDS)
        self.keys = {
            "general.architecture": (STRING, "llama"),
            "llama.block_count": (U32, self.LAYERS),
            "llama.embedding_length": (U32, self.DIM),
            "llama.feed_forward_length": (U32, self.HIDDEN),
            "llama.attention.head_count": (U32, heads),
            "llama.attention.head_count_kv": (U32, groups),
            "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
            "llama.context_length": (U32, self.CONTEXT),
        }
        if head_dim:
            self.keys["llama.attention.key_length"] = (U32, head_dim)
        if rotary:
            self.keys["llama.rope.dimension_count"] = (U32, rotary)

    def file(self, **of_vocabulary):
        """The bytes; what is changed in keys and tensors before is in them."""
        listed, data = [], b""
        for name, weights in self.tensors.items():
            listed.append(gguf_tensor(name, weights.sizes, weights.kind, len(data)))
            data += weights.data + bytes(-len(weights.data) % 32)
        entries = [entry(key, *value) for key, value in self.keys.items()]
        return gguf([*entries, *vocabulary(all_bytes=True, **of_vocabulary)], listed, data)

    # ---- Computed ----

    def linear(self, name, x):
        bias = self.tensors.get(name + ".bias")
        sums = [dot(row, x) for row in self.tensors[name + ".weight"].rows()]
        return [a + b for a, b in zip(sums, bias.values)] if bias else sums

    def split(self, x, position=None):
        """Heads of a row; with a position, rotated by it."""
        heads = [x[i : i + self.head_dim] for i in range(0, len(x), self.head_dim)]
        for head in heads if position is not None else ():
            for c in range(0, self.rotary, 2):
                angle = position * 10000.0 ** (-c / self.rotary)
                a, b = head[c], head[c + 1]
                head[c] = a * math.cos(angle) - b * math.sin(angle)
                head[c + 1] = a * math.sin(angle) + b * math.cos(angle)
        return heads

    def attend(self, place, query, keys, values):
        scores = [dot(query, key) / math.sqrt(self.head_dim) for key in keys]
        shares = [math.exp(score - max(scores)) for score in scores]
        shares = [share / sum(shares) for share in shares]
        self.shares[place] = shares, [math.sqrt(dot(value, value)) for value in values]
        return [dot(shares, column) for column in zip(*values)]

    def layer(self, number, rows):
        def weight(part):
            return self.tensors[f"blk.{number}.{part}.weight"].values

        keys, values, out = [], [], []
        for position, x in enumerate(rows):
            normed = norm(x, weight("attn_norm"))
            queries = self.split(self.linear(f"blk.{number}.attn_q", normed), position)
            keys.append(cached(self.split(self.linear(f"blk.{number}.attn_k", normed), position)))
            values.append(cached(self.split(self.linear(f"blk.{number}.attn_v", normed))))
            joined = []
            for head, query in enumerate(queries):
                group = head * self.groups // self.heads
                place = number, position, head
                joined += self.attend(place, query, [row[group] for row in keys], [row[group] for row in values])
            x = [a + b for a, b in zip(x, self.linear(f"blk.{number}.attn_output", joined))]
            normed = norm(x, weight("ffn_norm"))
            gate, up = (self.linear(f"blk.{number}.{part}", normed) for part in ("ffn_gate", "ffn_up"))
            hidden = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)]
            out.append([a + b for a, b in zip(x, self.linear(f"blk.{number}.ffn_down", hidden))])
        return out

    def logits(self, tokens):
        table = self.tensors["token_embd.weight"].rows()
        rows = [list(table[token]) for token in tokens]
        for number in range(self.LAYERS):
            rows = self.layer(number, rows)
        output = self.tensors.get("output.weight", self.tensors["token_embd.weight"]).rows()
        normed = [norm(x, self.tensors["output_norm.weight"].values) for x in rows]
        return [[dot(row, x) for row in output] for x in normed]
