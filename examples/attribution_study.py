#!/usr/bin/env python3
"""attribution_study.py CLATTN MODEL.gguf [--sets N] [--seed N] [--out FILE.json]

Does attention tell which document an answer came from?  Each set is a question, its answer and 4 to 8
fables, the answer in one of them.  The truth is causal: by how much the answer's log-probability drops
when a document is left out.  Methods are judged by two numbers: how often the document they give most to
is the true one, and their rank correlation (Spearman) with the drops.

The model is given the answer (generate --answer), so that right and wrong answers do not mix in.
Results so far are kept in --out: a run that was cut off goes on.
"""
import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

METHODS = ("attention", "value", "rollout")
LEAST, MOST = 4, 8  # documents


def fables(path):
    """(question, answer, text) of each."""
    blocks = [b.strip().split("\n") for b in path.read_text().split("\n\n") if b.lstrip().startswith("?")]
    return [(question[2:], answer[2:], " ".join(text)) for question, answer, *text in blocks]


def make_set(all_fables, n, seed):
    """The n-th question, and documents in random order: (question, answer, texts, number of the true one)."""
    rng = random.Random(f"{seed} {n}")
    others = [i for i in range(len(all_fables)) if i != n]
    chosen = [n, *rng.sample(others, rng.randint(LEAST, MOST) - 1)]
    rng.shuffle(chosen)
    question, answer, _ = all_fables[n]
    return question, answer, [all_fables[i][2] for i in chosen], chosen.index(n)


def ask(options, question, answer, texts, method):
    """The JSON of generate --attribute."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, text in enumerate(texts):
            files.append(Path(folder) / f"{i}.txt")
            files[-1].write_text(text)
        report = Path(folder) / "report.html"
        command = [options.clattn, "generate", "--model", options.model, "--chat", "--quiet", "--prompt", question,
                   "--answer", answer, "--attribute", report, "--attribute-by", method]  # fmt: skip
        for file in files:
            command += ["--context", file]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(report.with_suffix(".json").read_text())


def measure(options, question, answer, texts, true):
    told = {method: ask(options, question, answer, texts, method) for method in METHODS}
    whole = told["attention"]["answer_logprob"]
    drops = []
    for i in range(len(texts)):
        rest = texts[:i] + texts[i + 1 :]
        drops.append(whole - ask(options, question, answer, rest, "attention")["answer_logprob"])
    return {
        "true": true,
        "logprob": whole,
        "drops": drops,
        **{m: told[m]["share_of_documents_by_layer"] for m in METHODS},
    }


# ---- Judging ----------------------------------------------------------------------------------------


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            out[order[k]] = (i + j) / 2
        i = j + 1
    return out


def spearman(a, b):
    x, y = ranks(a), ranks(b)
    if len(set(x)) < 2 or len(set(y)) < 2:
        return 0.0
    return statistics.correlation(x, y)


def judge(results, scores_of):
    """(how often the top one is the true one, mean rank correlation with the drops)"""
    hits, correlations = [], []
    for result in results:
        scores = scores_of(result)
        hits.append(max(range(len(scores)), key=scores.__getitem__) == result["true"])
        correlations.append(spearman(scores, result["drops"]))
    return statistics.mean(hits), statistics.mean(correlations)


def mean_of_layers(method, first, last):
    def scores_of(result):
        rows = result[method][first : last + 1]
        return [sum(column) / len(rows) for column in zip(*rows)]

    return scores_of


def layers_of(results, method):
    return len(results[0][method])


def show(name, judged):
    print(f"{name:44} {judged[0]:6.1%}  {judged[1]:+.2f}")


def tell(results):
    count = layers_of(results, "attention")
    chance = statistics.mean(1 / len(r["drops"]) for r in results)
    print(f"{len(results)} sets, {statistics.mean(len(r['drops']) for r in results):.1f} documents each\n")
    print(f"{'method':44} {'top':>6}  rank correlation with leaving out")
    print(f"{'chance':44} {chance:6.1%}   0.00")
    show("leaving one out itself", judge(results, lambda r: r["drops"]))
    show("position: the later the more", judge(results, lambda r: list(range(len(r["drops"])))))
    show("position: the earlier the more", judge(results, lambda r: list(range(len(r["drops"]), 0, -1))))
    show("rollout, all layers", judge(results, mean_of_layers("rollout", count - 1, count - 1)))
    for method in ("attention", "value"):
        show(f"{method}, mean of all layers", judge(results, mean_of_layers(method, 0, count - 1)))
        for part in range(3):
            first, last = part * count // 3, (part + 1) * count // 3 - 1
            show(f"{method}, layers {first + 1} to {last + 1}", judge(results, mean_of_layers(method, first, last)))
    # A choice of layers is made on one half and judged on the other.
    halves = results[::2], results[1::2]
    for method in ("attention", "value"):
        for chosen_on, judged_on in (halves, halves[::-1]):
            spans = [(a, b) for a in range(count) for b in range(a, count)]
            best = max(spans, key=lambda s: sum(judge(chosen_on, mean_of_layers(method, *s))))
            name = f"{method}, layers {best[0] + 1} to {best[1] + 1}, chosen on one half"
            show(name, judge(judged_on, mean_of_layers(method, *best)))
    print("\nby layer: attention top and correlation, value top and correlation")
    for layer in range(count):
        a, v = (judge(results, mean_of_layers(m, layer, layer)) for m in ("attention", "value"))
        print(f"  {layer + 1:2}   {a[0]:6.1%} {a[1]:+.2f}   {v[0]:6.1%} {v[1]:+.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clattn")
    parser.add_argument("model")
    parser.add_argument("--sets", type=int, default=1000, help="at most so many (default: one of each fable)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("attribution-study.json"))
    options = parser.parse_args()
    everything = fables(Path(__file__).parent / "attribution" / "fables.txt")
    results = json.loads(options.out.read_text()) if options.out.exists() else []
    for n in range(len(results), min(options.sets, len(everything))):
        results.append(measure(options, *make_set(everything, n, options.seed)))
        options.out.write_text(json.dumps(results))
        print(f"\r{n + 1} of {min(options.sets, len(everything))} sets", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    tell(results)


if __name__ == "__main__":
    main()
