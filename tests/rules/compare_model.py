#!/usr/bin/env python3
"""Compares the program's canonical forms and answers with the model's, on random cases.

compare_model.py --dump build/canonical_dump --rules config/rules [--seed N]
                 [--documents N] [--pairs N]

Prints the seed; the same seed gives the same cases. Exit code 1 when an answer differs.
"""

import argparse
import collections
import random
import subprocess
import sys
import unicodedata

import model

NONE_WORDS = [b"N/A", b"N.A.", b"NIL", b"NONE", b"n/a", b"nil", b"N-I-L", b"N.A", b"N/A/"]
FORMATS = [
    "DDDDDDDDD", "LLDDDDDDD", "LDDDDDDD", "LLDDDDDD", "DDLLDDDDD", "DDDDDDD", "LDDDDDDDL", "LLL",
    "DDD",
]
ODD_BYTES = [0x80, 0xBF, 0xC0, 0xC1, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]
BAD_IDS = [None, b"", b"a;b", b"a=b", b"a:b", b"\x1f", b"\x7f", b"x" * 65]


def stable_characters():
    """Those every Unicode version since 3.2 puts in the same category: whichever the program and
    this interpreter have, they must agree. Noncharacters never change. Of the many private ones a
    few do; surrogates cannot be encoded."""
    old = unicodedata.ucd_3_2_0
    for code in range(0x110000):
        character = chr(code)
        category = unicodedata.category(character)
        is_noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        if category == "Cs" or category == "Co" and code % 997:
            continue
        if is_noncharacter or (category != "Cn" and category == old.category(character)):
            yield character


STABLE = list(stable_characters())
STABLE_SET = frozenset(STABLE)
DROPPED = [
    c
    for c in STABLE
    if unicodedata.category(c)[0] not in "LNM" and not 0xFF00 < ord(c) < 0xFF5F
]
BEHIND_LATIN = collections.defaultdict(list)
for alike, latin in model.LOOK_ALIKES.items():
    BEHIND_LATIN[latin].append(alike)
TO_LOWER = {
    model.step_3(chr(code)): chr(code)
    for code in range(0x3B1, 0x460)
    if model.step_3(chr(code)) != chr(code)
}
BACK = collections.defaultdict(list)
for letter, digit in model.COUNTERPARTS.items():
    BACK[digit].append(letter)
    BACK[letter].append(digit)


class Cases:
    def __init__(self, data, seed):
        self.random = random.Random(seed)
        self.data = data
        self.codes = sorted(data.aliases) + sorted(data.countries)

    def pick(self, choices):
        return choices[self.random.randrange(len(choices))]

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    # --- numbers ---

    def plain(self):
        form = self.pick(FORMATS)
        if self.chance(8):
            form = "".join(self.pick("LD") for _ in range(self.random.randrange(0, 28)))
        return "".join(self.pick(model.LETTERS if c == "L" else model.DIGITS) for c in form)

    def near_placeholder(self):
        word = self.pick(model.PLACEHOLDERS)
        kind = self.random.randrange(6)
        if kind == 0:
            return self.pick(model.LETTERS + model.DIGITS) * self.random.randrange(1, 27)
        if kind == 1:
            zeros = "0" * self.random.randrange(1, 6)
            letters = "".join(self.pick(model.LETTERS) for _ in range(self.random.randrange(0, 20)))
            return letters + zeros + self.pick(["", "", "0O", "1", "A"])
        if kind == 2:
            return word + self.pick(["", "1", "A"])
        if kind == 3:
            return word[self.random.randrange(2) : len(word) - self.random.randrange(2)]
        return "".join(self.pick(BACK[c]) if c in BACK and self.chance(2) else c for c in word)

    def disguise(self, character):
        """Another way of writing the same character, as often as not."""
        kind = self.random.randrange(8)
        if kind == 0:
            return chr(ord(character) + 0xFEE0)
        if kind == 1 and character in model.DIGITS:
            return chr(self.pick([0x660, 0x6F0, 0x966]) + int(character))
        if kind == 2 and BEHIND_LATIN[character]:
            alike = self.pick(BEHIND_LATIN[character])
            return TO_LOWER.get(alike, alike) if self.chance(2) else alike
        return character.lower() if kind == 3 else character

    def written(self, number):
        """The number with noise that changes nothing, or nearly."""
        text = ""
        is_disguised = self.chance(2)
        for character in number:
            text += self.disguise(character) if is_disguised else character
            if self.chance(12):
                text += self.pick([" ", "-", "<", "/", ".", "\0", self.pick(DROPPED)])
        if self.chance(10):
            at = self.random.randrange(len(text) + 1)
            text = text[:at] + self.pick(STABLE) + text[at:]
        return text.encode("utf-8")

    def broken(self, sent):
        """A byte changed, cut off or put in: seldom UTF-8 any more."""
        at = self.random.randrange(len(sent) + 1)
        byte = bytes([self.pick(ODD_BYTES + [self.random.randrange(256)])])
        kept = self.pick([at, at + 1, len(sent) + 1])
        return sent[:at] + (byte + sent[kept:] if kept <= len(sent) else b"")

    def number(self):
        kind = self.random.randrange(20)
        if kind == 0:
            return self.pick([None, b"", b" -<"])
        if kind == 1:
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(8)))
        if kind == 2:
            few = [self.pick(STABLE) for _ in range(self.random.randrange(6))]
            return "".join(few).encode("utf-8")
        sent = self.written(self.near_placeholder() if kind < 7 else self.plain())
        if kind == 7:
            sent = self.pick([b" " * 40, b"-" * 21, b"\xc2\xa0"]) + sent
        return self.broken(sent) if kind in (8, 9) else sent

    def comparable_number(self):
        """Without characters whose category depends on the Unicode version."""
        while True:
            sent = self.number()
            try:
                if STABLE_SET.issuperset((sent or b"").decode("utf-8")):
                    return sent
            except UnicodeDecodeError:
                return sent

    # --- issuers and types ---

    def noise(self, text, around):
        out = b""
        for byte in text:
            out += bytes([byte])
            if self.chance(10):
                out += self.pick(around)
        if self.chance(5):
            out = self.pick([b" ", b"\t", b"\r\n", b"\v\f", b"\x1c", b"\0", b"\xc2\xa0"]) + out
        if self.chance(5):
            out += self.pick([b" ", b"\t", b"\r\n", b"\v\f", b"\x85", b"\0"])
        return out.lower() if self.chance(4) else out

    def issuer(self):
        kind = self.random.randrange(12)
        if kind == 0:
            return None
        if kind == 1:
            return self.noise(self.pick(NONE_WORDS), [b" ", b"."])
        if kind == 2:
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(5)))
        if kind == 3:
            letters = [self.pick(model.LETTERS) for _ in range(self.random.randrange(5))]
            return "".join(letters).encode()
        return self.noise(self.pick(self.codes).encode(), [b" ", b"-", b".", b"<", b"/", b"1"])

    def type(self):
        kind = self.random.randrange(8)
        if kind == 0:
            return None
        if kind < 4:
            word = self.pick(model.TYPES).encode()
            return self.noise(word, [b"<"]) if self.chance(3) else word
        if kind == 4:
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(5)))
        letters = [self.pick("PVACIBX") for _ in range(self.random.randrange(1, 4))]
        return self.noise("".join(letters).encode(), [b"<", b"1", b" ", b"\xc3\xa9"])

    # --- cases: lists of fields as the dump takes them ---

    def document(self):
        return [self.comparable_number(), self.issuer(), self.type(), self.issuer()]

    def id(self):
        if self.chance(10):
            return self.pick(BAD_IDS + [bytes([self.random.randrange(256)])])
        return self.pick([b"E-1", b"x" * 64, b"\xc3\xa9", b"w 1"])

    def range_end(self, number):
        """Absent mostly; else near enough to be a range now and then."""
        if number is None or not self.chance(3):
            return self.pick([None, b""])
        try:
            start, _ = model.canonical_number(number, False)
        except model.Refused:
            return self.comparable_number()
        if self.chance(4):
            return self.written(self.plain())
        width = self.pick([0, 1, 1000, 999998, 999999, 1000000, self.random.randrange(2000000)])
        return self.written(self.after(start, width if not self.chance(8) else -1))

    def after(self, start, width):
        """The number of start's shape that comes so many later; start itself when there is none."""
        value = model.place(start) + width
        out = ""
        for character in reversed(start):
            symbols = model.LETTERS if character in model.LETTERS else model.DIGITS
            out = symbols[value % len(symbols)] + out
            value //= len(symbols)
        return out if value == 0 else start

    def of_template(self, template):
        return "".join(self.pick(allowed) for allowed in template)

    def misread(self, number):
        """A character or a few taken for their counterparts; or a check digit more, or less."""
        kind = self.random.randrange(8)
        if kind == 0:
            return number + model.check_digit(number)
        if kind == 1:
            return number + self.pick(model.DIGITS)
        if kind == 2:
            return number[:-1]
        if kind == 3:
            return number
        places = [i for i, c in enumerate(number) if c in BACK]
        for _ in range(self.random.randrange(1, 4)):
            if places:
                at = self.pick(places)
                number = number[:at] + self.pick(BACK[number[at]]) + number[at + 1 :]
                places = [i for i, c in enumerate(number) if c in BACK]
        return number

    def base(self):
        """A number and an issuer, by one of its templates as often as not."""
        if self.chance(3):
            return self.plain(), self.pick(self.codes + self.data.personal * 20)
        issuer = self.pick(sorted(self.data.templates) + self.data.personal)
        of_issuer = self.data.templates.get(issuer)
        if not of_issuer or self.chance(8):
            return self.plain(), issuer
        return self.of_template(self.pick(of_issuer)[1]), issuer

    def pair(self):
        """A document and an entry that have much in common."""
        sent = self.document()
        plain, issuer = self.base()
        issuer = issuer.encode()
        sent[2] = self.pick([sent[2], b"PASSPORT", b"P", b"ID_CARD", b"ANY"])
        if not self.chance(4):
            sent[0], sent[1] = self.written(self.misread(plain)), issuer
        if self.chance(6):
            sent[1], sent[3] = self.issuer(), issuer
        number = self.written(plain) if not self.chance(6) else self.comparable_number()
        if self.chance(4):
            number = self.written(self.misread(plain))
        entry_issuer = issuer if not self.chance(6) else self.issuer()
        entry_type = sent[2] if self.chance(2) else self.type()
        return sent + [self.id(), number, self.range_end(number), entry_issuer, entry_type]


# --- the model's answers, written as the dump writes them ---


def answer_document(data, fields):
    form = model.Document(data, *fields)
    flags = (
        1 * form.is_homoglyph
        + 2 * form.is_specimen
        + 4 * (form.issuer_kind == "unknown")
        + 8 * (form.nationality_kind == "unknown")
    )
    letters = sum(1 << i for i, c in enumerate(form.number) if c in model.LETTERS)
    number = form.number or "-"
    return "%s %d %s %s %d %s %s %s" % (
        form.unscreenable or "no", flags, number, model.fold(number),
        len(form.number) << 24 | letters, form.type, form.issuer or "-", form.nationality or "-",
    )


def answer_pair(data, kind, fields):
    document = model.Document(data, *fields[:4])
    try:
        entry = model.Entry(data, *fields[4:])
    except model.Refused as reason:
        return "rejected:" + str(reason)
    hit = model.judge(data, document, entry, kind == "open")
    if not hit:
        return "none"
    tier, page_or_review = hit
    flags = ":HOMOGLYPH" * document.is_homoglyph
    if tier == "ISSUER_INFERRED" and document.issuer:
        flags += ":ISSUER_DIFFERS"
    return f"{tier}:{page_or_review.upper()}{flags}"


def line_of(kind, fields):
    return "\t".join([kind] + ["-" if field is None else field.hex() for field in fields])


def kind_of(answer):
    """What a run must have met at least once, so that it cannot pass by chance of its cases."""
    return answer.split(" ")[0] if " " in answer else answer


MUST_MEET = [
    "no", "number_missing", "number_invalid", "number_placeholder", "none", "EXACT:PAGE",
    "EXACT:REVIEW", "EXACT:PAGE:HOMOGLYPH", "TYPE_DIFFERS:PAGE", "TYPE_DIFFERS:REVIEW",
    "REPAIRED:PAGE", "REPAIRED:REVIEW", "CHECK_DIGIT:REVIEW", "OCR_FOLD:REVIEW", "RANGE:PAGE",
    "RANGE:REVIEW", "ISSUER_INFERRED:REVIEW",
    "ISSUER_INFERRED:REVIEW:ISSUER_DIFFERS", "NUMBER_ONLY:REVIEW",
    "rejected:id_invalid", "rejected:number_missing", "rejected:number_invalid",
    "rejected:number_placeholder", "rejected:issuer_missing", "rejected:issuer_unknown",
    "rejected:issuer_specimen", "rejected:range_length", "rejected:range_shape",
    "rejected:range_order", "rejected:range_too_wide",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True)
    parser.add_argument("--rules", required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--documents", type=int, default=200000)
    parser.add_argument("--pairs", type=int, default=50000)
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)

    data = model.Data(options.rules)
    cases = Cases(data, options.seed)
    lines, expected = [], []
    for _ in range(options.documents):
        fields = cases.document()
        lines.append(line_of("document", fields))
        expected.append(answer_document(data, fields))
    for _ in range(options.pairs):
        kind, fields = cases.pick(["pair", "open"]), cases.pair()
        lines.append(line_of(kind, fields))
        expected.append(answer_pair(data, kind, fields))

    ran = subprocess.run(
        [options.dump, options.rules],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    answers = ran.stdout.splitlines()
    if ran.returncode != 0 or len(answers) != len(expected):
        counts = (ran.returncode, len(answers), len(expected))
        sys.exit("exit code %d, %d answers to %d cases\n" % counts + ran.stderr)
    different = [i for i in range(len(lines)) if answers[i] != expected[i]]
    for i in different[:10]:
        print("%s\n  program %s\n  model   %s" % (lines[i], answers[i], expected[i]))
    met = collections.Counter(kind_of(answer) for answer in expected)
    for kind in sorted(met):
        print("%8d %s" % (met[kind], kind))
    missing = [kind for kind in MUST_MEET if kind not in met]
    if missing:
        print("no case led to: " + ", ".join(missing))
    print("%d cases, %d answered otherwise" % (len(lines), len(different)))
    sys.exit(1 if different or missing else 0)


if __name__ == "__main__":
    main()
