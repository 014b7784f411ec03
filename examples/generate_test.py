#!/usr/bin/env python3
"""generate_test.py PROGRAM...: each of them, examples/generate.c compiled in some way, answers as plain Python does."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/fuzz")]
from corpus import U32  # noqa: E402
from tiny_llama import Q8_0, TinyLlama  # noqa: E402

START, ENDS, NAMES = 260, (261, 262), {260: b"<|im_start|>", 261: b"<|im_end|>", 262: b"<|endoftext|>"}
MERGES = [(98, 99, 257), (97, 98, 256), (256, 99, 258), (32, 97, 259)]
PIECES = {256: b"ab", 257: b"bc", 258: b"abc", 259: b" a", 263: b"<<user>>", 264: "\u65e5".encode(), **NAMES}


def ids(text):
    """Merges in the order of their ranks: enough for texts where no piece holds two of them."""
    found = list(text.encode())
    for left, right, joined in MERGES:
        for i in range(len(found) - 1, 0, -1):
            if found[i - 1 : i + 1] == [left, right]:
                found[i - 1 : i + 1] = [joined]
    return found


def prompt(question):
    turns = [("system", "You are it."), ("user", question)]
    read = [id for role, text in turns for id in [START, *ids(f"{role}\n{text}"), ENDS[0], 10]]
    return [*read, START, *ids("assistant\n")]


def answer(tiny, read):
    """The most likely token each time, until one ends the text or there is no room."""
    new = []
    while len(read) + len(new) <= tiny.CONTEXT:
        logits = tiny.logits(read + new)[-1]
        token = logits.index(max(logits))
        if token in ENDS:
            break
        new.append(token)
    return new


def text_of(tokens):
    return b"".join(PIECES.get(token) or bytes([token]) for token in tokens)


def run(*words):
    return subprocess.run(words, capture_output=True)


with tempfile.TemporaryDirectory() as folder:
    model = Path(folder) / "a model.gguf"
    tiny = TinyLlama(kinds=[Q8_0])
    tiny.CONTEXT = len(prompt("abc")) + 10
    tiny.keys["llama.context_length"] = (U32, tiny.CONTEXT)
    model.write_bytes(tiny.file())
    expected = text_of(answer(tiny, prompt("abc"))) + b"\n"
    assert len(expected) > 4, expected
    for program in sys.argv[1:]:
        told = run(program, model, "abc")
        assert told.returncode == 0 and told.stdout == expected, (program, told, expected)
        told = run(program, f"{folder}/none.gguf", "abc")
        assert told.returncode == 1 and b"No such file" in told.stderr, (program, told)
        told = run(program)
        assert told.returncode == 1 and b"path is NULL" in told.stderr, (program, told)
