"""A model of the llama architecture (Touvron et al. 2023) in numpy: its formulas, one after the other.

Weights are widened to f32 by the package gguf, llama.cpp's own.  All sums are numpy's, in f32.
"""

import struct

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


def normalized(x, weight, epsilon):
    """RMSNorm (Zhang and Sennrich 2019)."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(epsilon)) * weight


def rotated(x, base):
    """Rotary positions (Su et al. 2021) of x {rows, heads, columns}: columns 2c and 2c + 1 are a pair."""
    rows, _, columns = x.shape
    angles = np.outer(np.arange(rows), base ** (-np.arange(0, columns, 2) / columns))[:, None]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)


def attention(q, k, v):
    """Causal; q {rows, heads, columns}, and groups of heads share k and v."""
    rows, heads, columns = q.shape
    out = np.empty_like(q)
    later = np.triu(np.ones((rows, rows), bool), 1)
    for head in range(heads):
        group = head * k.shape[1] // heads
        scores = q[:, head] @ k[:, group].T / np.float32(np.sqrt(columns))
        scores[later] = -np.inf
        share = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head] = share / share.sum(-1, keepdims=True) @ v[:, group]
    return out


def silu(x):
    return x / (1 + np.exp(-x))


class Llama:
    def __init__(self, path):
        reader = GGUFReader(path)
        self.header = bytes(reader.data[: reader.tensors[0].field.offset])  # all before the list of tensors
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.fields = {name.removeprefix("llama."): field.contents() for name, field in reader.fields.items()}
        self.widened = {}

    def weight(self, name):
        if name not in self.widened:
            tensor = self.tensors[name + ".weight"]
            self.widened[name] = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        return self.widened[name]

    def layer(self, x, number):
        def linear(part, rows):
            return rows @ self.weight(f"blk.{number}.{part}").T

        def norm(part, x):
            return normalized(x, self.weight(f"blk.{number}.{part}"), self.fields["attention.layer_norm_rms_epsilon"])

        heads, groups = self.fields["attention.head_count"], self.fields["attention.head_count_kv"]
        base = self.fields["rope.freq_base"]
        rows = norm("attn_norm", x)
        q = rotated(linear("attn_q", rows).reshape(len(x), heads, -1), base)
        k = rotated(linear("attn_k", rows).reshape(len(x), groups, -1), base)
        v = linear("attn_v", rows).reshape(len(x), groups, -1)
        x = x + linear("attn_output", attention(q, k, v).reshape(len(x), -1))
        rows = norm("ffn_norm", x)
        return x + linear("ffn_down", silu(linear("ffn_gate", rows)) * linear("ffn_up", rows))

    def logits(self, tokens):
        """{tokens, vocabulary}: what the model makes of each with those before it."""
        embeddings = self.weight("token_embd")
        x = embeddings[tokens]
        for number in range(self.fields["block_count"]):
            x = self.layer(x, number)
        x = normalized(x, self.weight("output_norm"), self.fields["attention.layer_norm_rms_epsilon"])
        return x @ (self.weight("output") if "output.weight" in self.tensors else embeddings).T

    def write(self, path):
        """A GGUF file of the same model, all its weights in f32."""
        tensors, offset = [], 0
        for name, tensor in self.tensors.items():
            sizes = [int(size) for size in tensor.shape]
            text = name.encode()
            tensors.append(struct.pack("<Q", len(text)) + text + struct.pack("<I", len(sizes)))
            tensors.append(struct.pack(f"<{len(sizes)}QIQ", *sizes, 0, offset))
            offset += -(-4 * tensor.n_elements // 32) * 32
        with open(path, "wb") as file:
            file.write(self.header + b"".join(tensors))
            for name in self.tensors:
                file.write(bytes(-file.tell() % 32))
                file.write(self.weight(name.removesuffix(".weight")).tobytes())
            file.write(bytes(-file.tell() % 32))
