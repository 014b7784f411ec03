"""tokenize_test.py CLATTN: what `clattn tokenize` prints, takes and refuses."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
from corpus import gguf, vocabulary  # noqa: E402


def run(*options, status=0, binary=False):
    answer = subprocess.run([sys.argv[1], "tokenize", *options], capture_output=True)
    said = answer.stderr.decode()
    assert answer.returncode == status, (options, answer.returncode, said)
    assert status == 0 or said.count("\n") == 1, said
    run.said = said
    return answer.stdout if binary else answer.stdout.decode()


def refuses(words, *options, status=1):
    assert run(*options, status=status) == ""
    assert words in run.said, (words, run.said)


def ids(*options):
    return [one["ids"] for one in json.loads(run("--json", *options))["texts"]]


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    model, other, bert, text = (folder / name for name in ("model.gguf", "other.gguf", "bert", "text"))
    model.write_bytes(gguf(vocabulary(all_bytes=True)))
    other.write_bytes(gguf(vocabulary()))  # has few letters
    bert.mkdir()
    (bert / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\na\nb\n##b\n,\n")
    start, end = 260, 261
    use = ("--model", str(model))

    # Tokens of texts
    assert run(*use, "ab 1") == '    260  "<|im_start|>"\n    256  "ab"\n     32  " "\n     49  "1"\n'
    assert run(*use, "--quiet", "ab", "", "--plain", "\n") == "260 256\n260\n260 10\n"
    assert json.loads(run(*use, "--json", "a\u65e5\n\\")) == {
        "texts": [{
            "ids": [260, 97, 230, 151, 165, 10, 92],
            "pieces": ["<|im_start|>", "a", "\\xe6", "\\x97", "\\xa5", "\\n", "\\\\"],
            "lost": 0,
        }]
    }  # fmt: skip
    assert ids(*use, "a<|im_end|>") == [[start, 97, end]]
    assert ids(*use, "--plain", "<|") == [[start, 60, 124]]
    assert len(ids(*use, "--plain", "<|im_end|>")[0]) == 11
    assert ids(*use, "--", "-1", "--json") == [[start, 45, 49], [start, *map(ord, "--json")]]
    assert run("--model", str(other), "--quiet", "xaxb") == "13 0 1\n" and "2 bytes have no token" in run.said
    assert json.loads(run("--model", str(other), "--json", "xax"))["texts"][0]["lost"] == 2

    # Files
    text.write_bytes(b"ab\n\na\0\xff")
    assert ids(*use, "--file", str(text)) == [[start, 256, 10, 10, 97, 0, 255]]
    assert ids(*use, "--file", str(text), "--lines") == [[start, 256], [start], [start, 97, 0, 255]]
    text.write_bytes(b"")
    assert ids(*use, "--file", str(text)) == [[start]] and ids(*use, "--file", str(text), "--lines") == []

    # The way back
    everything = bytes(range(256)) * 4
    text.write_bytes(everything)
    text.write_text(run(*use, "--quiet", "--file", str(text)).removeprefix("260 "))
    assert run(*use, "--decode", "--file", str(text), binary=True) == everything
    assert run(*use, "--decode", "97 98", "[256, 261]") == "abab<|im_end|>"

    # Chat
    turn = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    told = run(*use, "--quiet", "--chat", "hi").split()
    assert run(*use, "--decode", *told) == "<|im_start|>system\nYou are it.<|im_end|>\n" + turn
    told = run(*use, "--quiet", "--chat", "--system", "No.", "hi", "yes", "hi").split()
    turns = turn + "yes<|im_end|>\n" + turn
    assert run(*use, "--decode", *told) == "<|im_start|>system\nNo.<|im_end|>\n" + turns
    text.write_text("hi")
    told = run(*use, "--quiet", "--chat", "--system", "No.", "--file", str(text)).split()
    assert run(*use, "--decode", *told) == "<|im_start|>system\nNo.<|im_end|>\n" + turn

    # WordPiece
    assert run("--model", str(bert), "A, bb") == (
        '      1  "[CLS]"\n      3  "a"\n      6  ","\n      4  "b"\n      5  "##b"\n      2  "[SEP]"\n'
    )
    assert ids("--model", str(bert), "--max-length", "4", "a b a b", "x") == [[1, 3, 4, 2], [1, 0, 2]]

    # What is refused
    refuses("commands that use a device", *use, "--device", "0", "a", status=2)
    refuses("--model is needed", "a", status=2)
    refuses("TEXT or --file is needed", *use, status=2)
    refuses("not both", *use, "--file", str(text), "a", status=2)
    refuses("--lines is for --file", *use, "--lines", "a", status=2)
    refuses("--system is for --chat", *use, "--system", "a", "a", status=2)
    refuses("--chat goes with neither", *use, "--chat", "--plain", "a", status=2)
    refuses("--chat goes with neither", *use, "--chat", "--file", str(text), "--lines", status=2)
    refuses("--decode goes with none", *use, "--decode", "--json", "1", status=2)
    refuses("--max-length", *use, "--max-length", "0", "a", status=2)
    refuses("no more of them", *use, *["a"] * 257, status=2)
    refuses("none.gguf: No such file", "--model", str(folder / "none.gguf"), "a")
    refuses("not a GGUF file", "--model", str(text), "a")
    refuses("vocab.txt: No such file", "--model", str(folder), "a")
    refuses("--decode is for GGUF models", "--model", str(bert), "--decode", "1")
    refuses("--chat is for GGUF models", "--model", str(bert), "--chat", "1")
    refuses("--max-length is for WordPiece", *use, "--max-length", "5", "a")
    refuses("no room for [CLS]", "--model", str(bert), "--max-length", "1", "a")
    refuses("No such file", *use, "--file", str(folder / "none"))
    for number in ("265", "-1", "1x", "99999999999999999999"):
        refuses("is no token, they are 0 to 264", *use, "--decode", "--", number)
    data = model.read_bytes()
    for length in range(0, len(data), 97):
        other.write_bytes(data[:length])
        refuses(str(other), "--model", str(other), "a")
