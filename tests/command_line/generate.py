"""generate_test.py CLATTN: what `clattn generate` computes, prints, takes and refuses, on small models."""
import ast
import json
import math
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from tiny_llama import BFLOAT, HALF, PLAIN, Q4_0, Q4_1, Q8_0, WORDS, TinyLlama  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))
from corpus import ARRAY, F32, STRING, U32, byte_alphabet  # noqa: E402

CLOSE = 1e-3  # logits, of 5 at most: a key that is rounded to f16 the other way moves them by 1e-4


def clattn(*words, status=0, stdout=subprocess.PIPE):
    answer = subprocess.run([sys.argv[1], *words], stdout=stdout, stderr=subprocess.PIPE)
    clattn.said = answer.stderr.decode()
    assert answer.returncode == status, (words, answer.returncode, clattn.said)
    assert status == 0 or clattn.said.count("\n") == 1, clattn.said
    return answer.stdout and answer.stdout.decode()


def generate(*options, **how):
    return clattn("generate", "--model", str(model), *options, **how)


def told(*options):
    return json.loads(generate("--json", *options))


def refuses(words, *options, status=1):
    """One line, no text, and not even part of a file."""
    before = sorted(folder.iterdir())
    assert not clattn("generate", *options, status=status), options
    assert words in clattn.said, (words, clattn.said)
    assert sorted(folder.iterdir()) == before, options


def refuses_model(words, data):
    model.write_bytes(data)
    refuses(words, "--model", str(model), "--prompt", "ab", "--quiet", "--dump-logits", str(folder / "never.npy"))
    assert f"--model {model}: " in clattn.said, clattn.said


def read_npy(path):
    data = path.read_bytes()
    length = struct.unpack_from("<H", data, 8)[0]
    header = ast.literal_eval(data[10 : 10 + length].decode())
    assert data[:6] == b"\x93NUMPY" and header["descr"] == "<f4" and not header["fortran_order"]
    rows, columns = header["shape"]
    values = struct.unpack_from(f"<{rows * columns}f", data, 10 + length)
    return [values[i : i + columns] for i in range(0, len(values), columns)]


def token_ids(*options):
    return json.loads(clattn("tokenize", "--model", str(model), "--json", *options))["texts"][0]["ids"]


def text_of(ids):
    """Control tokens are not shown; what is no text is U+FFFD."""
    shown = [str(token) for token in ids if token not in (260, 261, 262)]
    words = [sys.argv[1], "tokenize", "--model", str(model), "--decode", *shown]
    return subprocess.run(words, capture_output=True, check=True).stdout.decode(errors="replace") if shown else ""


def check_logits(tiny, prompt="ab 12cab"):
    """Of the prompt's tokens at once and of new ones one by one, beside plain Python."""
    model.write_bytes(tiny.file())
    told_ids = told("--prompt", prompt, "-n", "4", "--dump-logits", str(dump))["ids"]
    ids = token_ids(prompt) + told_ids
    got, expected = read_npy(dump), tiny.logits(ids)
    assert len(got) == len(ids) and len(got[0]) == WORDS
    apart = max(abs(a - b) for rows in zip(got, expected) for a, b in zip(*rows))
    assert apart <= CLOSE, (apart, max(map(max, expected)))
    for row, token in zip(got[-5:], told_ids):
        assert token == row.index(max(row))
    return got


def check_models():
    plain = check_logits(TinyLlama())
    untied = TinyLlama()
    untied.tensors["output.weight"] = untied.tensors["token_embd.weight"]
    assert check_logits(untied) == plain
    check_logits(TinyLlama([Q8_0], tied=False, heads=2, groups=1))
    check_logits(TinyLlama([Q4_1], heads=2, groups=2))
    check_logits(TinyLlama([HALF, Q4_0, Q8_0, BFLOAT, Q4_1, PLAIN], tied=False))
    check_logits(TinyLlama([Q8_0, PLAIN], heads=3, groups=3, head_dim=32, rotary=8, biases=True))


def check_texts():
    tiny = TinyLlama(seed=3)
    model.write_bytes(tiny.file())
    one = told("--prompt", "ab", "-n", "6")
    assert one["prompt_tokens"] == len(token_ids("ab")) and one["answer_tokens"] == len(one["ids"]) == 6
    assert one["stopped"] == "length" and one["device"] and one["text"] == text_of(one["ids"])
    assert all(one[key] > 0 for key in ("prompt_ms", "answer_ms", "first_token_ms", "prompt_tokens_per_second",
                                        "answer_tokens_per_second"))  # fmt: skip
    assert generate("--prompt", "ab", "-n", "6") == "ab" + one["text"] + "\n"
    assert generate("--prompt", "ab", "-n", "6", "--quiet") == one["text"] + "\n" and clattn.said == ""
    generate("--prompt", "ab", "-n", "6", "--stats")
    assert clattn.said.count("tokens/s") == 2 and one["device"] in clattn.said
    assert told("--prompt", "ab", "-n", "1")["ids"] == one["ids"][:1]

    # The choice of tokens
    assert told("--prompt", "ab", "-n", "6", "--temp", "0")["ids"] == one["ids"]
    assert told("--prompt", "ab", "-n", "6", "--temp", "3", "--top-k", "1")["ids"] == one["ids"]
    assert told("--prompt", "ab", "-n", "6", "--temp", "3", "--min-p", "1")["ids"] == one["ids"]
    drawn = [told("--prompt", "ab", "-n", "20", "--temp", "2", "--top-p", "0.9", "--seed", seed)["ids"] for seed in "556"]
    assert drawn[0] == drawn[1] != drawn[2]

    # The end of the text
    last = next(n for n, token in enumerate(one["ids"]) if n and token not in one["ids"][:n])
    model.write_bytes(tiny.file(eos_token_id=(U32, one["ids"][last])))
    ended = told("--prompt", "ab", "-n", "6", "--dump-logits", str(dump))
    assert ended["ids"] == one["ids"][:last] and ended["stopped"] == "end"
    assert len(read_npy(dump)) == ended["prompt_tokens"] + last

    # A byte of value 0 is SUBSTITUTE in JSON, and does not end the text
    letters = byte_alphabet()
    zero = letters.index("\u0100")
    letters[one["ids"][0]], letters[zero] = letters[zero], letters[one["ids"][0]]
    names = [*letters, "ab", "bc", "abc", "\u0120a", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<<user>>", "\u65e5"]
    model.write_bytes(tiny.file(tokens=((ARRAY, STRING), names)))
    assert told("--prompt", "ab", "-n", "1")["text"] == "\x1a"

    # What it reads at most
    model.write_bytes(tiny.file())
    long = told("--prompt", "a" * 59, "-n", "100")
    assert long["prompt_tokens"] + long["answer_tokens"] == TinyLlama.CONTEXT and "64 tokens at most" in clattn.said
    assert told("--prompt", "a" * 62, "-n", "1")["answer_tokens"] == 1 and clattn.said == ""
    refuses("the prompt has 64 tokens, the model takes 1 to 63", "--model", str(model), "--prompt", "a" * 63)


def check_prompts():
    model.write_bytes(TinyLlama(seed=3).file())
    text, more = folder / "text", folder / "more"
    text.write_text("bc\n1\n\n")
    more.write_text("")
    alike = told("--prompt", "bc\n1\n\n\n\nab", "-n", "3")
    both = told("--context", str(text), "--context", str(more), "--prompt", "ab", "-n", "3")
    assert both["ids"] == alike["ids"] and both["prompt_tokens"] == alike["prompt_tokens"]
    chat = told("--chat", "--prompt", "ab", "-n", "3", "--system", "a")
    assert chat["prompt_tokens"] == len(token_ids("--chat", "--system", "a", "ab"))
    assert generate("--chat", "--prompt", "ab", "-n", "3", "--system", "a") == "ab\n\n" + chat["text"] + "\n"
    use = ("--model", str(model), "--prompt", "ab")
    refuses(f"--context {folder}/none: No such file", *use, "--context", f"{folder}/none")
    refuses(f"--context {folder}: not a regular file", *use, "--context", str(folder))
    text.write_bytes(b"a\0b")
    refuses(f"--context {text}: not a text", *use, "--context", str(text))
    text.unlink(), more.unlink()


def check_usage():
    use = ("--model", str(model), "--prompt", "ab")
    refuses("--model is needed", "--prompt", "ab", status=2)
    refuses("--prompt is needed", "--model", str(model), status=2)
    refuses("--prompt", "--model", str(model), "--prompt", "", status=2)
    refuses("--system is for --chat", *use, "--system", "a", status=2)
    refuses("--tepm", *use, "--tepm", "1", status=2)
    refuses("'more'", *use, "more", status=2)
    for option, wrong in (("--temp", ("-1", "nan", "x")), ("--top-p", ("-0.1", "1.1", "nan")), ("--min-p", ("2", "")),
                          ("--top-k", ("0", "-3", "1.5")), ("-n", ("0", "-1", "99999999999")), ("--seed", ("-1", "x"))):  # fmt: skip
        for value in wrong:
            refuses(option, *use, "--temp", "1", option, value, status=2)
    for option in ("--top-k", "--seed"):
        refuses("for a --temp above 0", *use, option, "5", status=2)
    refuses("for a --temp above 0", *use, "--top-p", "0.5", status=2)
    refuses("--device", *use, "--device", "no such device")
    refuses("never", *use, "--dump-logits", str(folder / "never" / "file.npy"))
    refuses("is a directory", *use, "--dump-logits", str(folder))
    with open("/dev/full", "w") as full:
        generate("--prompt", "ab", status=1, stdout=full)
        assert "cannot write to stdout" in clattn.said


def check_files():
    """Files cut off anywhere, and such as say what cannot be."""
    whole = TinyLlama().file()
    head = whole.index(b"token_embd.weight")
    for length in (*range(0, head, 411), *range(head, head + 1500, 37), len(whole) - 32, len(whole) - 9000):
        refuses_model("", whole[:length])
    refuses_model("truncated: tensor 'output_norm.weight'", whole[: len(whole) - 1])
    refuses_model("not a GGUF file", b"GGML" + whole[4:])
    refuses_model("not a GGUF file", b"")
    refuses_model("version 9", whole[:4] + struct.pack("<I", 9) + whole[8:])
    at = whole.index(b"blk.0.attn_q.weight") + len("blk.0.attn_q.weight") + 4 + 16 + 4
    refuses_model("truncated: tensor 'blk.0.attn_q.weight'", whole[:at] + struct.pack("<Q", 2**40) + whole[at + 8 :])
    refuses_model("'blk.0.attn_q.weight' begins at byte 33", whole[:at] + struct.pack("<Q", 33) + whole[at + 8 :])
    refuses("No such file", "--model", str(folder / "none.gguf"), "--prompt", "a")
    refuses("not a regular file", "--model", str(folder), "--prompt", "a")


def check_refusals():
    def with_key(words, key, *value):
        tiny = TinyLlama()
        tiny.keys[key] = value
        refuses_model(words, tiny.file())

    def with_tensor(words, name, change):
        tiny = TinyLlama(tied=False)
        change(tiny.tensors, name)
        refuses_model(words, tiny.file())

    def turned(tensors, name):
        tensors[name].sizes = tensors[name].sizes[::-1]

    def of_no_known_type(tensors, name):
        tensors[name].kind = 13

    with_key("general.architecture is 'qwen2'; only llama", "general.architecture", STRING, "qwen2")
    with_key("'llama.block_count' is 0", "llama.block_count", U32, 0)
    with_key("there is no tensor 'blk.2.attn_q.weight'", "llama.block_count", U32, 3)
    with_key("head_count_kv is 3, which does not divide 4", "llama.attention.head_count_kv", U32, 3)
    with_key("tensor 'blk.0.attn_k.weight' is 32 x 64, 64 x 64", "llama.attention.head_count_kv", U32, 4)
    with_key("head_count is 10, which does not divide 64", "llama.attention.head_count", U32, 10)
    with_key("layer_norm_rms_epsilon is", "llama.attention.layer_norm_rms_epsilon", F32, math.nan)
    with_key("layer_norm_rms_epsilon is -1", "llama.attention.layer_norm_rms_epsilon", F32, -1)
    with_key("llama.rope.scaling.type is 'linear'", "llama.rope.scaling.type", STRING, "linear")
    with_key("rotary_dim", "llama.rope.dimension_count", U32, 7)
    for name in ("token_embd.weight", "blk.1.ffn_norm.weight", "blk.1.ffn_down.weight", "output_norm.weight"):
        with_tensor(f"there is no tensor '{name}'", name, dict.pop)
    for name in ("blk.0.attn_v.weight", "blk.1.ffn_up.weight", "output.weight"):
        with_tensor(f"tensor '{name}' is ", name, turned)
        with_tensor(f"tensor '{name}' is of type Q5_K (13)", name, of_no_known_type)
    for name in ("blk.0.attn_norm.weight", "output_norm.weight"):
        with_tensor("logits are not numbers", name, lambda tensors, name: set_data(tensors[name], math.nan))
    refuses_model("'tokenizer.ggml.tokens' is missing", TinyLlama().file(tokens=None))


def set_data(weights, value):
    weights.data = struct.pack("<f", value) * (len(weights.data) // 4)


with tempfile.TemporaryDirectory() as directory:
    folder = Path(directory)
    model, dump = folder / "model.gguf", folder / "logits.npy"
    check_models()
    check_texts()
    check_prompts()
    check_usage()
    check_files()
    check_refusals()
