"""A second reading of the screening rules: canonical forms, issuers, types, entries, tiers, lists.

Written from the rules' text alone, plain and slow, so that a fault would have to be made twice.
It shares nothing with the program but the data files.
"""

import os
import unicodedata

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
TYPES = ["PASSPORT", "ID_CARD", "VISA", "CREW", "OTHER", "ANY"]
WHITE = b"\x09\x0a\x0b\x0c\x0d\x20"
PLACEHOLDERS = [
    "APPLIED", "APPLIEDFOR", "NONE", "NOTAVAILABLE", "NOTKNOWN", "NULL", "PASSPORT", "PENDING",
    "TBA", "TBD", "TEST", "UNKNOWN", "1234567", "12345678", "123456789", "1234567890",
]
COUNTERPARTS = {
    "O": "0", "Q": "0", "D": "0", "I": "1", "L": "1", "Z": "2", "S": "5", "B": "8", "G": "6",
}

CYRILLIC = {
    "A": "A", "VE": "B", "IE": "E", "KA": "K", "EM": "M", "EN": "H", "O": "O", "ER": "P", "ES": "C",
    "TE": "T", "U": "Y", "HA": "X", "BYELORUSSIAN-UKRAINIAN I": "I", "JE": "J", "DZE": "S",
}
GREEK = {
    "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K",
    "MU": "M", "NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "UPSILON": "Y", "CHI": "X",
}
LOOK_ALIKES = {unicodedata.lookup("CYRILLIC CAPITAL LETTER " + n): c for n, c in CYRILLIC.items()}
LOOK_ALIKES.update({unicodedata.lookup("GREEK CAPITAL LETTER " + n): c for n, c in GREEK.items()})


class Refused(Exception):
    """A number, issuer or entry the rules do not take; its text is the reason."""


# --- section 2 ---


def step_2(character):
    code = ord(character)
    if 0xFF01 <= code <= 0xFF5E:
        return chr(code - 0xFEE0)
    for first, last in ((0x0660, 0x0669), (0x06F0, 0x06F9), (0x0966, 0x096F)):
        if first <= code <= last:
            return DIGITS[code - first]
    return character


def step_3(character):
    code = ord(character)
    if 0x61 <= code <= 0x7A or 0x430 <= code <= 0x44F:
        return chr(code - 0x20)
    if 0x3B1 <= code <= 0x3C9 and code != 0x3C2:
        return chr(code - 0x20)
    if 0x450 <= code <= 0x45F:
        return chr(code - 0x50)
    return character


def fold(number):
    return "".join(COUNTERPARTS.get(c, c) for c in number)


def is_placeholder(number):
    if len(set(number)) == 1:
        return True
    rest = number.lstrip(LETTERS)
    if rest != number and len(rest) >= 3 and set(rest) == {"0"}:
        return True
    return fold(number) in [fold(word) for word in PLACEHOLDERS]


def canonical_number(sent, refuse_placeholders):
    """The number and whether step 4 changed it; Refused with the reason."""
    try:
        text = (sent or b"").decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise Refused("number_invalid") from None
    number = ""
    is_homoglyph = False
    for character in text:
        character = step_3(step_2(character))
        if character in LOOK_ALIKES:
            character = LOOK_ALIKES[character]
            is_homoglyph = True
        if character in LETTERS or character in DIGITS:
            number += character
        elif unicodedata.category(character)[0] in "LNM":
            raise Refused("number_invalid")
    if number == "":
        raise Refused("number_missing")
    if len(number) < 3 or len(number) > 24:
        raise Refused("number_invalid")
    if refuse_placeholders and is_placeholder(number):
        raise Refused("number_placeholder")
    return number, is_homoglyph


# --- section 3 ---


def read_rows(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    rows = [line.split(",") for line in lines if line and not line.startswith("#")]
    return rows[1:]


def read_template(text):
    """A list of the characters allowed at each position."""
    positions = []
    while text:
        if text[0] == "[":
            allowed, text = text[1:].split("]", 1)
        else:
            allowed = {"L": LETTERS, "D": DIGITS, "A": LETTERS + DIGITS}[text[0]]
            text = text[1:]
        times = 1
        if text.startswith("{"):
            count, text = text[1:].split("}", 1)
            times = int(count)
        positions += [allowed] * times
    return positions


class Data:
    def __init__(self, folder):
        self.aliases = dict(read_rows(folder, "country_aliases.csv"))
        self.countries = {}
        for alpha_2, alpha_3 in read_rows(folder, "iso_3166.csv"):
            self.countries[alpha_2] = alpha_3
            self.countries[alpha_3] = alpha_3
        self.personal = [row[0] for row in read_rows(folder, "personal_number_issuers.csv")]
        self.templates = {}
        for issuer, kind, text in read_rows(folder, "document_templates.csv"):
            of_issuer = self.templates.setdefault(issuer, [])
            of_issuer.append((canonical_type(kind.encode()), read_template(text)))


def canonical_issuer(data, sent):
    """(kind, code): known with its code; none, unknown and specimen with None."""
    trimmed = (sent or b"").strip(WHITE)
    if trimmed.upper() in (b"N/A", b"N.A.", b"NIL", b"NONE"):
        return "none", None
    code = trimmed.upper()
    for dropped in (b" ", b"-", b".", b"<"):
        code = code.replace(dropped, b"")
    if code == b"":
        return "none", None
    code = code.decode("latin-1")
    if any(c not in LETTERS for c in code):
        return "unknown", None
    if code in data.aliases:
        value = data.aliases[code]
        if value == "-":
            return "none", None
        if value == "SPECIMEN":
            return "specimen", None
        return "known", value
    if code in data.countries:
        return "known", data.countries[code]
    return "unknown", None


def canonical_type(sent):
    trimmed = (sent or b"").strip(WHITE)
    if any(byte > 0x7F for byte in trimmed):
        return "ANY"
    word = trimmed.decode("ascii").upper()
    if word in TYPES:
        return word
    code = "".join(c for c in word if c in LETTERS)
    if len(code) not in (1, 2):
        return "ANY"
    if code == "AC":
        return "CREW"
    if code[0] in "ACI":
        return "ID_CARD"
    return {"P": "PASSPORT", "V": "VISA"}.get(code[0], "ANY")


def are_compatible(a, b):
    return a == b or "ANY" in (a, b)


class Document:
    def __init__(self, data, number, issuer, kind, nationality):
        self.unscreenable = None
        self.number, self.is_homoglyph = "", False
        try:
            self.number, self.is_homoglyph = canonical_number(number, True)
        except Refused as reason:
            self.unscreenable = str(reason)
        self.type = canonical_type(kind)
        self.issuer_kind, self.issuer = canonical_issuer(data, issuer)
        self.nationality_kind, self.nationality = canonical_issuer(data, nationality)
        self.is_specimen = self.unscreenable is None and self.issuer_kind == "specimen"


def shape(number):
    return "".join("L" if c in LETTERS else "D" for c in number)


def place(number):
    """The number's place among all of its shape, as a number of mixed radix."""
    value = 0
    for character in number:
        symbols = LETTERS if character in LETTERS else DIGITS
        value = value * len(symbols) + symbols.index(character)
    return value


class Entry:
    """Refused with the first reason in the order id, number, issuer, range."""

    def __init__(self, data, entry_id, number, number_to, issuer, kind):
        if not entry_id or len(entry_id) > 64:
            raise Refused("id_invalid")
        if any(byte in b";=:" or byte < 0x20 or byte == 0x7F for byte in entry_id):
            raise Refused("id_invalid")
        self.is_range = bool(number_to)
        self.number, _ = canonical_number(number, not self.is_range)
        if self.is_range:
            self.number_to, _ = canonical_number(number_to, False)
        found, self.issuer = canonical_issuer(data, issuer)
        if found != "known":
            raise Refused({"none": "issuer_missing"}.get(found, "issuer_" + found))
        self.type = canonical_type(kind)
        if self.is_range:
            self.check_range()

    def check_range(self):
        if len(self.number) != len(self.number_to):
            raise Refused("range_length")
        if shape(self.number) != shape(self.number_to):
            raise Refused("range_shape")
        if self.number > self.number_to:
            raise Refused("range_order")
        if place(self.number_to) - place(self.number) + 1 > 1000000:
            raise Refused("range_too_wide")


# --- section 4 ---

TO_LETTER = {"0": "O", "1": "I", "2": "Z", "5": "S", "8": "B", "6": "G"}


def fits(number, template):
    return len(number) == len(template) and all(c in t for c, t in zip(number, template))


def applying(data, document):
    """The templates that apply to the document."""
    return [template for kind, template in data.templates.get(document.issuer, [])
            if document.type in (kind, "ANY", "OTHER")]


def repaired(data, document):
    templates = applying(data, document)
    if any(fits(document.number, template) for template in templates):
        return set()
    results = set()
    for template in templates:
        if len(template) != len(document.number):
            continue
        result = ""
        for character, allowed in zip(document.number, template):
            other = COUNTERPARTS.get(character) or TO_LETTER.get(character)
            if character in allowed:
                result += character
            elif other and other in allowed:
                result += other
        if len(result) == len(template):
            results.add(result)
    return results


def check_digit(number):
    total = 0
    for i, character in enumerate(number):
        value = int(character) if character in DIGITS else LETTERS.index(character) + 10
        total += value * [7, 3, 1][i % 3]
    return str(total % 10)


def stripped(data, document):
    """Stripped(n), or None."""
    rest, last = document.number[:-1], document.number[-1]
    if last not in DIGITS or check_digit(rest) != last:
        return None
    templates = applying(data, document)
    if not templates:
        return rest if len(document.number) == 10 else None
    if any(fits(document.number, template) for template in templates):
        return None
    return rest if any(fits(rest, template) for template in templates) else None


def is_foldable(data, document, number):
    templates = applying(data, document)
    if fold(document.number) != fold(number) or document.number == number:
        return False
    fitting = [template for template in templates if fits(document.number, template)]
    return not fitting or any(fits(number, template) for template in fitting)


# --- section 5 ---


def is_inside(number, entry):
    return shape(number) == shape(entry.number) and entry.number <= number <= entry.number_to


def judge_point(data, document, entry, gate_is_open):
    """(tier, class before the rule of personal numbers), or None."""
    n, m = document.number, entry.number
    same_issuer = document.issuer is not None and document.issuer == entry.issuer
    compatible = are_compatible(document.type, entry.type)
    if same_issuer and n == m and document.type == entry.type != "ANY":
        return "EXACT", "page"
    if same_issuer and n == m:
        is_page = compatible or shape(n).count("L") >= 2
        return "TYPE_DIFFERS", "page" if is_page else "review"
    if same_issuer and m in repaired(data, document):
        return "REPAIRED", "page" if compatible else "review"
    if same_issuer and m == stripped(data, document):
        return "CHECK_DIGIT", "review"
    if same_issuer and is_foldable(data, document, m):
        return "OCR_FOLD", "review"
    if not same_issuer and document.nationality == entry.issuer and n == m:
        return "ISSUER_INFERRED", "review"
    if not same_issuer and n == m and gate_is_open:
        return "NUMBER_ONLY", "review"
    return None


def judge_range(data, document, entry):
    same_issuer = document.issuer is not None and document.issuer == entry.issuer
    if same_issuer and is_inside(document.number, entry):
        compatible = are_compatible(document.type, entry.type)
        return "RANGE", "page" if compatible else "review"
    rest = stripped(data, document)
    if same_issuer and rest and is_inside(rest, entry):
        return "CHECK_DIGIT", "review"
    same_country = document.nationality == entry.issuer and not same_issuer
    if same_country and is_inside(document.number, entry):
        return "ISSUER_INFERRED", "review"
    return None


def judge(data, document, entry, gate_is_open=False):
    """(tier, class), or None."""
    if document.unscreenable or document.is_specimen:
        return None
    if entry.is_range:
        judged = judge_range(data, document, entry)
    else:
        judged = judge_point(data, document, entry, gate_is_open)
    if judged and entry.issuer in data.personal and entry.type in ("ID_CARD", "ANY", "OTHER"):
        return judged[0], "review"
    return judged


class List:
    """Entries as they are loaded, in order; every one is judged that could be found at all."""

    def __init__(self, data):
        self.data = data
        self.entries = {}

    def load(self, entry_id, number, number_to, issuer, kind):
        """The reason when it is rejected; an earlier one then stays."""
        try:
            self.entries[entry_id] = Entry(self.data, entry_id, number, number_to, issuer, kind)
        except Refused as reason:
            return str(reason)
        return None

    def close(self):
        """No more entries: what is found by what."""
        self.by_fold, self.ranges, self.live = {}, {}, {}
        for entry_id, entry in self.entries.items():
            if entry.is_range:
                self.ranges.setdefault(entry.issuer, []).append(entry_id)
                continue
            self.by_fold.setdefault(fold(entry.number), []).append(entry_id)
            self.live[shape(entry.number)] = self.live.get(shape(entry.number), 0) + 1

    def gate_is_open(self, number):
        of_shape = 1
        for character in shape(number):
            of_shape *= 26 if character == "L" else 10
        return self.live.get(shape(number), 0) * 10**6 < of_shape

    def candidates(self, document):
        """Every tier is among numbers of one fold, or of the stripped number's."""
        found = list(self.by_fold.get(fold(document.number), []))
        found += self.by_fold.get(fold(document.number[:-1]), [])
        for issuer in {document.issuer, document.nationality}:
            found += self.ranges.get(issuer, [])
        return found

    def answer(self, document):
        """As in section 6."""
        if document.unscreenable:
            return "unscreenable:" + document.unscreenable
        if document.is_specimen:
            return "specimen"
        hits = []
        is_open = self.gate_is_open(document.number)
        for entry_id in sorted(set(self.candidates(document))):
            judged = judge(self.data, document, self.entries[entry_id], is_open)
            if judged:
                hits.append("%s=%s:%s" % (entry_id.decode(), *judged))
        return ";".join(hits) or "none"
