"""all-MiniLM-L6-v2 as an ONNX model of the operators that ONNX Runtime fuses transformers into."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    entries = {name: one for name, one in json.loads(data[8:start]).items() if one.get("dtype") == "F32"}
    return {
        name: np.frombuffer(data, "<f4", (one["data_offsets"][1] - one["data_offsets"][0]) // 4,
                            start + one["data_offsets"][0]).reshape(one["shape"])
        for name, one in entries.items()
    }  # fmt: skip


class Graph:
    """Nodes and weights; every method returns the name of what it adds."""

    def __init__(self, directory):
        self.config = json.loads((directory / "config.json").read_text())
        self.weights = read_safetensors(directory / "model.safetensors")
        self.nodes, self.initializers = [], {}

    def constant(self, name, values):
        self.initializers.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, name, transpose=False):
        return self.constant(name, self.weights[name].T if transpose else self.weights[name])

    def node(self, kind, *inputs, domain="", **settings):
        out = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], domain=domain, **settings))
        return out

    def product(self, x, name):
        return self.node("MatMul", x, self.weight(name + ".weight", transpose=True))

    def add_and_norm(self, x, skip, name, bias):
        """norm(x + bias + skip)"""
        norm = [self.weight(f"{name}.LayerNorm.{part}") for part in ("weight", "bias")]
        return self.node("SkipLayerNormalization", x, skip, *norm, self.weight(bias), domain=MICROSOFT,
                         epsilon=self.config["layer_norm_eps"])  # fmt: skip

    def embeddings(self):
        words, places, types = (self.weights[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type"))
        rows = self.node("Gather", self.constant("words", words), "ids")
        places = self.node("Gather", self.constant("places", places + types[0]), "positions")
        norm = [self.weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
        return self.node("LayerNormalization", self.node("Add", rows, places), *norm,
                         epsilon=self.config["layer_norm_eps"])  # fmt: skip

    def layer(self, x, number):
        at = f"encoder.layer.{number}."
        names = [f"{at}attention.self.{name}." for name in ("query", "key", "value")]
        weight = self.constant(at + "w", np.concatenate([self.weights[n + "weight"].T for n in names], 1))
        bias = self.constant(at + "b", np.concatenate([self.weights[n + "bias"] for n in names]))
        attended = self.node("Attention", x, weight, bias, "lengths", domain=MICROSOFT,
                             num_heads=self.config["num_attention_heads"])  # fmt: skip
        out = self.product(attended, at + "attention.output.dense")
        x = self.add_and_norm(out, x, at + "attention.output", at + "attention.output.dense.bias")
        hidden = self.product(x, at + "intermediate.dense")
        hidden = self.node("BiasGelu", hidden, self.weight(at + "intermediate.dense.bias"), domain=MICROSOFT)
        out = self.product(hidden, at + "output.dense")
        return self.add_and_norm(out, x, at + "output", at + "output.dense.bias")

    def sentences(self, x):
        """share holds 1 / length for each token, and 0 for padding: a product that gives the mean."""
        mean = self.node("Squeeze", self.node("MatMul", "share", x), self.constant("axis", np.array([1])))
        return self.node("LpNormalization", mean, axis=-1, p=2)


def build(directory):
    """Inputs: ids {batch, n}, positions {n}, lengths {batch}, i32; share {batch, 1, n}, f32."""
    graph = Graph(directory)
    x = graph.embeddings()
    for number in range(graph.config["num_hidden_layers"]):
        x = graph.layer(x, number)
    out = graph.sentences(x)
    int32, float32 = TensorProto.INT32, TensorProto.FLOAT
    inputs = [("ids", int32, ["batch", "n"]), ("positions", int32, ["n"]), ("lengths", int32, ["batch"]),
              ("share", float32, ["batch", 1, "n"])]  # fmt: skip
    outputs = [(out, float32, ["batch", graph.config["hidden_size"]])]
    body = helper.make_graph(
        graph.nodes, "minilm",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        list(graph.initializers.values()),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)
