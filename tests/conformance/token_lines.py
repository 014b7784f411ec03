"""Lines of text in which tokenizers go wrong, made of a seed."""

import random
import unicodedata

SCRIPTS = {
    "latin": [(0x61, 0x7A)] * 6 + [(0xC0, 0xFF), (0x100, 0x17F), (0x1E00, 0x1EFF)],
    "greek": [(0x391, 0x3A1), (0x3B1, 0x3C9), (0x1F00, 0x1F15)],
    "cyrillic": [(0x410, 0x44F)],
    "arabic": [(0x621, 0x63A), (0x641, 0x652)],
    "hebrew": [(0x5D0, 0x5EA), (0x5B0, 0x5BC)],
    "devanagari": [(0x905, 0x939), (0x93E, 0x94D)],
    "thai": [(0xE01, 0xE3A), (0xE40, 0xE4E)],
    "chinese": [(0x4E00, 0x9FA5)],
    "japanese": [(0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5)],
    "korean": [(0xAC00, 0xD7A3), (0x1100, 0x1112), (0x1161, 0x1175)],
    "rare ideographs": [(0x20000, 0x2A6D6), (0xF900, 0xFA6D), (0x3400, 0x4DB5)],
}
SPACES = [" ", "  ", "   ", "\t", " \t ", "\u00a0", "\u3000", "\u2009", "\u2028", "\r", "\x0b", "\x85", "\u1680"]
NUMBERS = ["0", "7", "42", "1234567", "3.14159", "1e-5", "½", "²", "Ⅷ", "٣٤٥", "१२३", "一二三", "0x1F", "①②", "㉈"]
CODE = [
    "for (int i = 0; i < n; i++) {", "    return x->y[3] ** 2;", "\tif not a:  # why", "#include <stdio.h>",
    "SELECT * FROM t WHERE a >= 'b';", "std::vector<std::string>&& v", "</div><br/>", "$HOME/.config/*.json",
    "a = b if c else d", "\\frac{1}{2}\\alpha_{i}", "https://example.org/?q=a%20b&c=d#e", "{{ '<|' }}{% endif %}",
    "==================", "--------", "/* ...... */", "//////", "!!!???", "...", "([{}])", "\"'`´’‘“”«»",
]
SHORT_FORMS = [
    "I'm", "you're", "we've", "he'll", "she'd", "it's", "don't", "I'M", "YOU'RE", "WE'VE", "IT'S", "'s", "''s", "'", "'re",
    "o'clock", "rock'n'roll", "'1'", "' s", "x'sy", "l'été", "dogs'",
]
EMOJI = [
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "❤️", "🏴‍☠️", "🧑🏿‍🚀", "✨", "1️⃣", "🫠", "♾", "☃", "\ufe0f", "\u200d",
]
WORDS = """the quick brown fox jumps over a lazy dog attention is all you need tokenization unbelievable
    antidisestablishmentarianism don't know what we had Straße Éclair naïve İstanbul ΣΊΣΥΦΟΣ ﬁnance Ǆ
    HELLO World iPhone eBay McDonald GPT2 x86_64 3D""".split()
MARKS = "\u0301\u0300\u0327\u0323\u0345\u20dd\u0338\u1d165\u302e\u05b0\u0e38\u093c\u0316\u035c"


def assigned():
    """Every character but surrogates and private ones."""
    return [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


class Lines:
    """Lines without line ends, and texts that have some."""

    def __init__(self, seed, special):
        self.random = random.Random(seed)
        self.special = special
        self.assigned = assigned()

    def word(self):
        r = self.random
        ranges = SCRIPTS[r.choice(list(SCRIPTS))]
        word = "".join(chr(r.randint(*r.choice(ranges))) for _ in range(r.randint(1, 9)))
        return r.choice((word, word, word.upper(), word.capitalize(), unicodedata.normalize("NFD", word)))

    def marked(self):
        return "".join(c + "".join(self.random.choices(MARKS, k=self.random.randint(0, 4))) for c in self.word())

    def anything(self):
        return "".join(self.random.choices(self.assigned, k=self.random.randint(1, 12)))

    def ascii(self):
        return "".join(chr(self.random.randint(1, 127)) for _ in range(self.random.randint(1, 20))).replace("\n", " ")

    def control(self):
        return chr(self.random.choice((*range(1, 10), *range(11, 32), 127, *range(128, 160), 0xAD, 0x200B, 0xFEFF, 0xFFFD)))

    def part(self):
        r = self.random
        lists = (SPACES, NUMBERS, CODE, SHORT_FORMS, EMOJI, WORDS, WORDS, WORDS)
        makers = (self.word, self.word, self.word, self.marked, self.anything, self.ascii, self.control)
        return r.choice((*(lambda l=l: r.choice(l) for l in lists), *makers))()

    def special_part(self):
        """A special token, whole or cut off, or with its case changed."""
        r = self.random
        token = r.choice(self.special)
        return r.choice((token, token, token[:-1], token[1:], token.upper(), token + token))

    def line(self, special=True):
        r = self.random
        parts = [self.part() for _ in range(r.randint(1, 12))]
        if special and r.random() < 0.3:
            parts.insert(r.randrange(len(parts) + 1), self.special_part())
        return r.choice(("", "", " ", "  ", "\t")).join(parts).replace("\n", " ")

    def text(self):
        """With line ends of all kinds, and nothing a command line cannot hold."""
        ends = ("\n", "\n\n", "\r\n", " \n", "\n  ", "\n\n\n\t", "\r", "\n \n")
        parts = [part for _ in range(self.random.randint(1, 6)) for part in (self.line(), self.random.choice(ends))]
        return "".join(parts[self.random.randint(0, 1) :])

    def fixed(self):
        """What every run must have."""
        yield from ("", " ", "  ", "a", "'", "ab  ", "  ab", "x" * 100, "x" * 101, "é" * 100, "é" * 101, "1" * 40)
        yield from ("a" * 300, " " * 300, "-" * 300, "\u0301" * 120, "ab" + "\u302e\U0001d165" * 60, "！" * 50)
        yield from self.special
        yield from (f"a{token}b {token} c" for token in self.special)
        yield from (*NUMBERS, *CODE, *SHORT_FORMS, *EMOJI, *WORDS)
        yield from (f"a{space}b{space}{space}c" for space in SPACES)
        yield from ("".join(self.special), "\0", "a\0b")
