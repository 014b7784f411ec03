"""The short tier: the commands that should notice a fault in a kernel, the cheapest first.

The one place that knows which cases there are and how `clattn check` is told to run them.
"""

from table import ROOT

FILES = {"short": ("smoke", "ci"), "smoke": ("smoke",)}  # of tests/cases


def files_of(mutant, tier):
    """Attention on emulated engines has the smoke cases alone, but for one engine a day of the long tier."""
    smoke = mutant.kernel.startswith("emulated_") and mutant.op in ("attention", "cache")
    return FILES["smoke" if smoke else tier]


def cases_of(op, files, words):
    """Lines of an operation, without its name, that have all the words."""
    lines = []
    for name in files:
        for line in (ROOT / "tests" / "cases" / f"{name}.txt").read_text().splitlines():
            first, _, rest = line.partition(" ")
            if first == op and all(f" {word} " in f" {rest} " for word in words):
                lines.append(rest)
    return lines


def options_of(mutant, case=None):
    """`clattn check` with these runs one case, or the tier's own choice."""
    options = ["--op", mutant.op]
    if mutant.kernel:
        options += ["--kernel", mutant.kernel]
    if mutant.type:
        options += ["--type", mutant.type]
    return options + (["--case", case] if case else [])


def commands(mutant, tier, only_named=False):
    """Options of each command: first the cases that the mutant names, then all of the tier."""
    files = files_of(mutant, tier)
    named = cases_of(mutant.op, files, words_of(mutant.cases)) if mutant.cases else []
    smoke = ["--smoke"] if files == FILES["smoke"] else []
    whole = [] if only_named and named else [options_of(mutant) + smoke]
    return [options_of(mutant, case) for case in named] + whole


def words_of(cases):
    """"--nq 7 --lse" asks for two things: an option keeps its value."""
    words = []
    for word in cases.split():
        if word.startswith("--") or not words:
            words.append(word)
        else:
            words[-1] += " " + word
    return words
