"""embed_test.py CLATTN: what `clattn embed` gives for a small model of random weights, beside the
formulas in Python's own floats, and what it takes and refuses."""
import json
import math
import random
import struct
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

COLUMNS, HIDDEN, HEADS, LAYERS, POSITIONS = 12, 20, 3, 2, 16
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh", "##a", "##b", ",", "."]
CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-6, "vocab_size": len(VOCABULARY) + 2,
    "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "hidden_size": COLUMNS, "intermediate_size": HIDDEN,
    "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
}  # fmt: skip


# ---- A model ------------------------------------------------------------------------------


def shapes():
    def linear(name, rows, columns):
        return {name + ".weight": [rows, columns], name + ".bias": [rows]}

    def norm(name):
        return {name + ".LayerNorm.weight": [COLUMNS], name + ".LayerNorm.bias": [COLUMNS]}

    tables = {"word": CONFIG["vocab_size"], "position": POSITIONS, "token_type": 2}
    all = {f"embeddings.{name}_embeddings.weight": [rows, COLUMNS] for name, rows in tables.items()}
    all.update(norm("embeddings"))
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            all.update(linear(f"{at}attention.self.{name}", COLUMNS, COLUMNS))
        all.update(linear(at + "attention.output.dense", COLUMNS, COLUMNS) | norm(at + "attention.output"))
        all.update(linear(at + "intermediate.dense", HIDDEN, COLUMNS))
        all.update(linear(at + "output.dense", COLUMNS, HIDDEN) | norm(at + "output"))
    return all


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def half(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def random_weights(seed, rounded=single):
    source = random.Random(seed)
    return {name: [rounded(source.uniform(-1, 1)) for _ in range(math.prod(shape))] for name, shape in shapes().items()}


def safetensors(weights, shape_of, type="F32"):
    header, data = {}, b""
    for name, values in weights.items():
        packed = struct.pack(f"<{len(values)}{'f' if type == 'F32' else 'e'}", *values)
        header[name] = {"dtype": type, "shape": shape_of[name], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_model(folder, weights, type="F32", config=CONFIG, shape_of=None, vocabulary=VOCABULARY):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in vocabulary))
    (folder / "model.safetensors").write_bytes(safetensors(weights, shape_of or shapes(), type))
    return folder


# ---- The formulas --------------------------------------------------------------------------


class Bert:
    def __init__(self, weights):
        self.weights = weights

    def linear(self, name, x):
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        n = len(x[0])
        return [[b + sum(map(float.__mul__, row, weight[o * n : o * n + n])) for o, b in enumerate(bias)] for row in x]

    def norm(self, name, x):
        weight, bias = (self.weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        out = []
        for row in x:
            mean = sum(row) / COLUMNS
            inverse = (sum((a - mean) ** 2 for a in row) / COLUMNS + CONFIG["layer_norm_eps"]) ** -0.5
            out.append([(a - mean) * inverse * w + b for a, w, b in zip(row, weight, bias)])
        return out

    def attend(self, at, x):
        query, key, value = (self.linear(f"{at}attention.self.{n}", x) for n in ("query", "key", "value"))
        dim, out = COLUMNS // HEADS, [[] for _ in x]
        for first in range(0, COLUMNS, dim):
            head = slice(first, first + dim)
            for i, q in enumerate(query):
                share = [math.exp(sum(map(float.__mul__, q[head], k[head])) / math.sqrt(dim)) for k in key]
                total = sum(share)
                out[i] += [sum(p * v[c] for p, v in zip(share, value)) / total for c in range(first, first + dim)]
        return self.linear(at + "attention.output.dense", out)

    def __call__(self, ids):
        def row(table, number):
            return self.weights[f"embeddings.{table}_embeddings.weight"][number * COLUMNS : (number + 1) * COLUMNS]

        def add(a, b):
            return [list(map(float.__add__, *rows)) for rows in zip(a, b)]

        words = [row("word", number) for number in ids]
        places = [list(map(float.__add__, row("position", i), row("token_type", 0))) for i in range(len(ids))]
        x = self.norm("embeddings", add(words, places))
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            x = self.norm(at + "attention.output", add(x, self.attend(at, x)))
            up = self.linear(at + "intermediate.dense", x)
            up = [[a * (1 + math.erf(a / math.sqrt(2))) / 2 for a in row] for row in up]
            x = self.norm(at + "output", add(x, self.linear(at + "output.dense", up)))
        return x


def sentence(x):
    mean = [sum(column) / len(x) for column in zip(*x)]
    length = math.sqrt(sum(a * a for a in mean))
    return [a / length for a in mean]


def near(got, expected, allowed=2e-5):
    got = [a for row in got for a in row]
    expected = [a for row in expected for a in row]
    assert len(got) == len(expected), (len(got), len(expected))
    worst = max((abs(a - b) for a, b in zip(got, expected)), default=0)
    assert worst <= allowed, worst


# ---- The command ----------------------------------------------------------------------------


def run(*options, status=0):
    answer = subprocess.run([sys.argv[1], "embed", *map(str, options)], capture_output=True)
    run.said = answer.stderr.decode()
    assert answer.returncode == status, (options, answer.returncode, run.said)
    assert status == 0 or run.said.count("\n") == 1, run.said
    return answer.stdout.decode()


def refuses(words, *options, status=1):
    assert run(*options, status=status) == ""
    assert words in run.said, (words, run.said)


def printed(text):
    return [[float(number) for number in line.split()] for line in text.splitlines()]


def npy(path):
    data = path.read_bytes()
    start = 10 + int.from_bytes(data[8:10], "little")
    header = data[10:start].decode()
    assert "'descr': '<f4'" in header, header
    rows, columns = map(int, header.split("(")[1].split(")")[0].split(","))
    values = array("f", data[start:])
    assert len(values) == rows * columns
    return [values[i * columns : (i + 1) * columns] for i in range(rows)]


TEXTS = ["a b", "", "ab, aab.", "h g f e d c b a", "x a", "a"]
IDS = [
    [2, 4, 5, 3], [2, 3], [2, 4, 13, 14, 4, 12, 13, 15, 3], [2, 11, 10, 9, 8, 7, 6, 5, 4, 3], [2, 1, 4, 3], [2, 4, 3],
]  # fmt: skip


def check_numbers(folder):
    weights = random_weights(1)
    model, bert = write_model(folder / "model", weights), Bert(weights)
    text, out, states = folder / "texts", folder / "out.npy", folder / "tokens.npy"
    tokens = [bert(ids) for ids in IDS]
    expected = list(map(sentence, tokens))
    use = ("--model", model)

    near(printed(run(*use, *TEXTS)), expected)
    near(printed(run(*use, "--", "a")), expected[5:])
    text.write_bytes("\r\n".join(TEXTS).encode())  # the last line without an end
    near(printed(run(*use, "--file", text)), expected)
    told = run(*use, "--file", text, "--output", out, "--tokens", states)
    assert "output [6, 12] f4\ntokens [32, 12] f4\n32 tokens in " in told, told
    near(npy(out), expected)
    near(npy(states), [row for x in tokens for row in x])
    assert run(*use, "--quiet", "--repeat", "2", "--file", text, "--output", out) == ""
    near(npy(out), expected)
    told = json.loads(run(*use, "--json", *TEXTS))
    near(told["vectors"], expected)
    assert (told["texts"], told["tokens"], told["cut"], told["columns"]) == (6, 32, 0, 12) and told["ms"] > 0
    assert "vectors" not in json.loads(run(*use, "--json", "--output", out, "a"))
    text.write_bytes(b"")
    assert run(*use, "--file", text) == ""
    run(*use, "--file", text, "--output", out)
    assert npy(out) == []

    # Many texts: more than one batch, in any order of lengths
    source = random.Random(2)
    picks = [source.randrange(len(TEXTS)) for _ in range(1500)]
    text.write_text("".join(TEXTS[pick] + "\n" for pick in picks))
    run(*use, "--file", text, "--output", out, "--tokens", states)
    near(npy(out), [expected[pick] for pick in picks])
    near(npy(states), [row for pick in picks for row in tokens[pick]])

    # What is too long is cut off
    near(printed(run(*use, "--max-length", "4", "a b c d", "a b")), [expected[0]] * 2)
    assert "1 of 2 texts are longer than 4 tokens" in run.said
    near(printed(run(*use, "a " * 50)), [sentence(bert([2, *[4] * 14, 3]))])
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 3}')
    near(printed(run(*use, "a b c d")), expected[5:])
    (model / "sentence_bert_config.json").unlink()


def check_similar(folder):
    bert = Bert(random_weights(1))
    lines, use = folder / "lines", ("--model", folder / "model")
    lines.write_text("".join(line + "\n" for line in TEXTS))
    vectors = [sentence(bert(ids)) for ids in IDS]

    def ranks(text):
        cosines = [sum(map(float.__mul__, vectors[text], v)) for v in vectors]
        return sorted(((c, line) for line, c in enumerate(cosines)), reverse=True)

    expected = ranks(0)
    told = run(*use, "--similar", lines, "--top", "3", "a b").splitlines()
    assert [line[9:] for line in told] == [TEXTS[line] for _, line in expected[:3]], told
    assert told[0] == " 1.0000  a b", told
    told = run(*use, "--similar", lines, "--", "a b", "x a").splitlines()
    assert told[0] == "a b" and told[1] == "   1.0000  a b" and told[7:9] == ["x a", "   1.0000  x a"], told
    told = json.loads(run(*use, "--json", "--similar", lines, "a b", "x a"))["similar"]
    for text, got in zip((0, 4), told):
        assert [one["line"] for one in got] == [line + 1 for _, line in ranks(text)]
        near([[one["cosine"] for one in got]], [[c for c, _ in ranks(text)]])


def check_types(folder):
    weights = random_weights(3, half)
    model = write_model(folder / "half", weights, type="F16")
    near(printed(run("--model", model, *TEXTS)), [sentence(Bert(weights)(ids)) for ids in IDS])


# ---- What is refused ---------------------------------------------------------------------------


def check_usage(folder):
    use, text = ("--model", folder / "model"), folder / "lines"
    refuses("--model is needed", "a", status=2)
    refuses("TEXT or --file is needed", *use, status=2)
    refuses("not both", *use, "--file", text, "a", status=2)
    refuses("--similar goes with neither", *use, "--similar", text, "--output", folder / "x.npy", "a", status=2)
    refuses("--top is for --similar", *use, "--top", "2", "a", status=2)
    refuses("unknown option '--all'", *use, "--all", "a", status=2)
    refuses("--device 'none'", *use, "--device", "none", "a")
    refuses("no room for [CLS]", *use, "--max-length", "1", "a")
    refuses("has 16 positions", *use, "--max-length", "17", "a")
    refuses("No such file", *use, "--file", folder / "none")
    refuses("not a regular file", *use, "--file", folder)
    refuses("--similar", *use, "--similar", folder / "none", "a")
    refuses("two outputs", *use, "--output", folder / "x.npy", "--tokens", folder / "x.npy", "a")
    refuses("none/x.npy", *use, "--output", folder / "none/x.npy", "a")


def check_config(folder):
    weights, model = random_weights(1), folder / "bad"

    def refuses_model(words):
        refuses(words, "--model", model, "--output", folder / "bad.npy", "a")
        assert not list(folder.glob("bad.npy*")) and not list(folder.glob(".clattn*"))

    def with_config(**changes):
        config = {**CONFIG, **changes}
        write_model(model, weights, config={k: v for k, v in config.items() if v is not None})

    refuses_model("config.json: No such file")
    for changes, words in (
        ({"model_type": "llama"}, "config.json: model_type is llama, must be bert"),
        ({"model_type": None}, "model_type is missing"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is relative_key"),
        ({"hidden_act": "swish7"}, "hidden_act swish7 is not supported"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": 12.5}, "hidden_size is something else"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is something else"),
        ({"num_attention_heads": 5}, "num_attention_heads, 5, does not divide hidden_size, 12"),
        ({"layer_norm_eps": 0}, "layer_norm_eps must be a positive number"),
        ({"hidden_size": 1 << 20, "num_attention_heads": 1}, "its shape is"),
        ({"num_hidden_layers": 3}, "encoder.layer.2.attention.self.query.weight: no tensor"),
        ({"intermediate_size": 8}, "encoder.layer.0.intermediate.dense.weight: its shape is [20, 12], must be [8, 12]"),
        ({"vocab_size": 5}, "word_embeddings.weight: its shape is [18, 12], must be [5, 12]"),
    ):
        with_config(**changes)
        refuses_model(words)
    write_model(model, weights, vocabulary=VOCABULARY + ["i", "j", "k"])
    refuses_model("vocab.txt has 19 lines, the model knows 18 tokens")
    write_model(model, weights, vocabulary=["a"])
    refuses_model("vocab.txt: no line is [UNK]")
    (model / "config.json").write_text("[1")
    refuses_model("config.json: not a JSON object")
    write_model(model, weights)
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": "long"}')
    refuses_model("sentence_bert_config.json: max_seq_length is something else")
    (model / "sentence_bert_config.json").unlink()
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    refuses_model("1_Pooling/config.json: pooling_mode_cls_token is not supported")
    (model / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}')
    run("--model", model, "a")

    # Bytes of the checkpoint
    file, name = model / "model.safetensors", "encoder.layer.1.output.LayerNorm.bias"
    data = file.read_bytes()
    for length in (*range(0, len(data), 997), len(data) - 1):
        file.write_bytes(data[:length])
        refuses_model("model.safetensors: ")
    flat = {**shapes(), name: [1, COLUMNS]}
    write_model(model, weights, shape_of=flat)
    refuses_model(f"{name}: its shape is [1, 12], must be [12]")
    file.unlink()
    refuses_model("model.safetensors: No such file")


with tempfile.TemporaryDirectory() as temporary:
    place = Path(temporary)
    check_numbers(place)
    check_similar(place)
    check_types(place)
    check_usage(place)
    check_config(place)
