"""attribute_test.py CLATTN: what `clattn generate --attribute` tells of where an answer came from."""
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from tiny_llama import TinyLlama  # noqa: E402

CLOSE = 2e-4  # of shares, beside plain Python
METHODS = ("attention", "value", "rollout")


def generate(*options, status=0):
    words = [sys.argv[1], "generate", "--model", model, *options]
    answer = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    generate.said = answer.stderr
    assert answer.returncode == status, (options, answer.returncode, answer.stderr)
    return answer.stdout


def report(*options):
    generate("--attribute", page, *options)
    return json.loads(page.with_suffix(".json").read_text())


def refuses(words, *options, status=1):
    before = sorted(folder.iterdir())
    assert not generate("--prompt", "ab", *options, status=status), options
    assert words in generate.said and generate.said.count("\n") == 1, (words, generate.said)
    assert sorted(folder.iterdir()) == before, options


def close(a, b, by=CLOSE):
    return abs(a - b) <= by


def tokens(*words):
    told = subprocess.run([sys.argv[1], "tokenize", "--model", model, "--json", *words], capture_output=True, check=True)
    return json.loads(told.stdout)["texts"][0]["ids"]


def check_sums(told):
    """Passages follow each other; shares add up to 1, however they are added."""
    passages, answer = told["passages"], told["tokens"]
    assert passages[0]["first_token"] == 0 and passages[0]["source"] == "sink" and passages[0]["end_token"] == 1
    assert all(a["end_token"] == b["first_token"] for a, b in zip(passages, passages[1:]))
    documents, other = told["documents"], told["other"]
    for token in answer:
        assert len(token["mass"]) == len(passages) and min(token["mass"]) >= 0
        assert close(sum(token["mass"]), 1, 1e-5), token
    means = [sum(token["mass"][i] for token in answer) / len(answer) for i in range(len(passages))]
    assert all(close(mean, p["share"], 1e-5) for mean, p in zip(means, passages))
    assert close(sum(d["share"] for d in documents) + sum(other.values()), 1, 1e-5)
    assert close(sum(d["share_of_documents"] for d in documents), 1, 1e-5)
    for i, document in enumerate(documents):
        own = sum(p["share"] for p in passages if p.get("document") == i)
        assert close(own, document["share"], 1e-6)
        assert close(document["share_of_documents"], own / sum(d["share"] for d in documents), 1e-5)
    for kind, share in other.items():
        assert close(share, sum(p["share"] for p in passages if p["source"] == kind), 1e-6)
    assert all(close(sum(row), 1, 1e-5) for row in told["share_of_documents_by_layer"])
    assert close(told["answer_logprob"], sum(token["logprob"] for token in answer), 1e-4)


def mass_of(tiny, position, span, value_weighted):
    """The mean over the second layer's heads, as of 2 layers it is the one taken, of what the row at that position
    had of the span."""
    means = []
    for layer in (1,):
        for head in range(tiny.heads):
            shares, norms = tiny.shares[layer, position, head]
            if value_weighted:
                shares = [share * norm for share, norm in zip(shares, norms)]
            means.append(sum(shares[span["first_token"] : span["end_token"]]) / sum(shares))
    return sum(means) / len(means)


def check_masses():
    """Beside plain Python, token by token and passage by passage."""
    tiny = TinyLlama(seed=3)
    model.write_bytes(tiny.file())
    (folder / "one").write_text("bc 12 ab")
    (folder / "two").write_text("abc")
    documents = ("--context", folder / "one", "--context", folder / "two")
    for method in ("attention", "value"):
        told = report("--prompt", "ab c", "-n", "4", "--attribute-by", method, *documents)
        assert told["method"] == method and told["layers"] == tiny.LAYERS and told["prompt"] == "ab c"
        assert told["first_layer"] == told["last_layer"] == 1
        check_sums(told)
        sources = [p["source"] for p in told["passages"]]
        assert sources == ["sink", "document", "document", "prompt", "answer"], sources
        assert [p["text"] for p in told["passages"][:4]] == ["<|im_start|>", "bc 12 ab\n\n", "abc\n\n", "ab c"]
        ids = [token["id"] for token in told["tokens"]]
        prompt = tokens("bc 12 ab\n\nabc\n\nab c")
        logits = tiny.logits(prompt + ids)
        for n, token in enumerate(told["tokens"]):
            row = logits[len(prompt) - 1 + n]
            expected = row[token["id"]] - math.log(sum(math.exp(x) for x in row))
            assert close(token["logprob"], expected, 2e-3), (token["logprob"], expected)
            for mass, span in zip(token["mass"], told["passages"]):
                expected = mass_of(tiny, len(prompt) - 1 + n, span, method == "value")
                assert close(mass, expected), (method, n, span, mass, expected)


def check_rollout():
    """With so few tokens that most spans are one: beside the paper's formula, all spans as nodes."""
    tiny = TinyLlama(seed=3)
    model.write_bytes(tiny.file())
    told = report("--prompt", "ab c", "-n", "4", "--attribute-by", "rollout", "--context", folder / "one")
    check_sums(told)
    prompt = tokens("bc 12 ab\n\nab c")
    ids = prompt + [token["id"] for token in told["tokens"]]
    tiny.logits(ids)
    spans = told["passages"]
    rollout = [[float(a == b) for b in range(len(spans))] for a in range(len(spans))]
    for layer in range(tiny.LAYERS):
        mixed = []
        for a, span in enumerate(spans):
            rows = range(span["first_token"], min(span["end_token"], len(ids) - 1))
            masses = [0.0] * len(spans)
            for position in rows:
                for head in range(tiny.heads):
                    shares, _ = tiny.shares[layer, position, head]
                    for b, other in enumerate(spans):
                        masses[b] += sum(shares[other["first_token"] : other["end_token"]])
            whole = sum(masses)
            masses = [m / whole for m in masses] if whole else [float(a == b) for b in range(len(spans))]
            masses[a] += 1
            mixed.append([sum(m / 2 * row[b] for m, row in zip(masses, rollout)) for b in range(len(spans))])
        rollout = mixed
    for n, token in enumerate(told["tokens"]):
        row = next(i for i, span in enumerate(spans) if span["end_token"] > len(prompt) - 1 + n)
        assert spans[row]["end_token"] == len(prompt) + n
        assert all(close(a, b) for a, b in zip(token["mass"], rollout[row])), (token["mass"], rollout[row])


def check_answers():
    """--answer: its tokens, whatever the model would say."""
    told = report("--prompt", "ab", "--answer", "bc1", "--chat", "--context", folder / "one")
    check_sums(told)
    assert told["answer"] == "bc1" and [token["id"] for token in told["tokens"]] == tokens("bc1")[1:]
    assert [p["source"] for p in told["passages"]] == ["sink", "markup", "document", "prompt", "markup", "answer"]
    assert generate("--prompt", "ab", "--answer", "bc1", "--quiet") == "bc1\n"
    # Without documents, and one that is empty
    assert report("--prompt", "ab", "-n", "2")["documents"] == []
    (folder / "empty").write_text("")
    told = report("--prompt", "abab", "-n", "2", "--context", folder / "empty", "--context", folder / "one")
    check_sums(told)


def check_page():
    """One file, without scripts or anything from elsewhere; text is text."""
    (folder / "<b>&").write_text('1 <script>"x"</script>')
    generate("--prompt", "a<i>b&", "-n", "3", "--attribute", page, "--context", folder / "<b>&")
    text = page.read_text()
    assert "<script" not in text and "http" not in text and "<i>" not in text and "<b>" not in text
    assert "a&lt;i&gt;b&amp;" in text and "&lt;b&gt;&amp;" in text and "&lt;script&gt;&quot;x&quot;" in text
    assert "prefers-color-scheme" in text and "<svg" in text
    table = generate.said
    assert "where the answer came from, by attention" in table and "<b>&" in table and "first token (sink)" in table
    generate("--prompt", "ab", "-n", "2", "--attribute", folder / "named", "--json")
    assert (folder / "named").exists() and (folder / "named.json").exists() and generate.said == ""


def check_refusals():
    refuses("--attribute-by is for --attribute", "--attribute-by", "value", status=2)
    refuses("attention, value or rollout", "--attribute", page, "--attribute-by", "luck", status=2)
    refuses("--answer", "--answer", "a", "-n", "3", status=2)
    refuses("--answer", "--answer", "a", "--temp", "1", status=2)
    refuses("--answer: 70 tokens, the model takes 1 to", "--answer", "1" * 70)
    refuses("is a directory", "--attribute", folder)
    refuses("never", "--attribute", folder / "never" / "page.html")
    refuses("attribute", "--attribute", folder / "same.json", "--dump-logits", folder / "same.json")


with tempfile.TemporaryDirectory() as directory:
    folder = Path(directory)
    model, page = folder / "model.gguf", folder / "page.html"
    check_masses()
    check_rollout()
    check_answers()
    check_page()
    check_refusals()
