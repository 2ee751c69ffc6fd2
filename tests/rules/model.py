"""A second reading of the screening rules: canonical forms, issuers, types, entries, two tiers.

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


class Data:
    def __init__(self, folder):
        self.aliases = dict(read_rows(folder, "country_aliases.csv"))
        self.countries = {}
        for alpha_2, alpha_3 in read_rows(folder, "iso_3166.csv"):
            self.countries[alpha_2] = alpha_3
            self.countries[alpha_3] = alpha_3
        self.personal = [row[0] for row in read_rows(folder, "personal_number_issuers.csv")]


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


# --- section 5: the first two tiers ---


def judge(data, document, entry):
    """(tier, class), or None."""
    if document.unscreenable or document.is_specimen or entry.is_range:
        return None
    if document.issuer is None or document.issuer != entry.issuer:
        return None
    if document.number != entry.number:
        return None
    if document.type == entry.type and document.type != "ANY":
        tier, is_page = "EXACT", True
    else:
        tier = "TYPE_DIFFERS"
        letters = shape(document.number).count("L")
        is_page = are_compatible(document.type, entry.type) or letters >= 2
    if entry.issuer in data.personal and entry.type in ("ID_CARD", "ANY", "OTHER"):
        is_page = False
    return tier, "PAGE" if is_page else "REVIEW"
