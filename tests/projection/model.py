"""What the headers say of paths and values (pipeline/mapping.h, operators/support/projection.h),
written a second time, over values that fastavro has read.

fastavro gives a value of a union without its branch, and one value for each key of a map. So it
reads under a schema with the same bytes that hides nothing (Reference): branches become records of
one field, maps become arrays of records, logical types go.
"""

import datetime
import re

import fastavro

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
ABSENT, FOUND, UNFITTING = 0, 1, 2
DOCUMENT, NUMBER, TEXT, TIME, DATE, INTEGER, FLAG = range(7)
NESTING_MAX = 64
DAY_MS = 86400000


class Type:
    """A type of the schema; names are resolved by fastavro."""

    def __init__(self, kind):
        self.kind = kind
        self.name = kind  # what a branch is called by
        self.logical = None
        self.fields = []  # of a record: (name, Type)
        self.branches = []
        self.items = None  # of an array or map
        self.symbols = []
        self.size = 0

    def is_named(self, name):
        return name in (self.name, self.name.rsplit(".", 1)[-1])

    def is_empty(self, open_types=()):
        """Takes no bytes, whatever the value."""
        if self.kind == "record":
            if self in open_types:
                return False
            return all(t.is_empty(open_types + (self,)) for _, t in self.fields)
        return self.kind == "null" or (self.kind == "fixed" and self.size == 0)


def read_schema(text_json):
    named = {}
    parsed = fastavro.parse_schema(text_json, named)
    types = {}

    def read(json):
        if isinstance(json, list):
            union = Type("union")
            union.branches = [read(branch) for branch in json]
            return union
        if isinstance(json, str):
            return Type(json) if json in PRIMITIVES else read(named[json])
        kind = json["type"]
        if "name" in json and json["name"] in types:
            return types[json["name"]]
        made = Type("record" if kind == "error" else kind)
        made.logical = json.get("logicalType")
        if "name" in json:
            made.name = json["name"]
            types[made.name] = made
        if kind == "record":
            made.fields = [(field["name"], read(field["type"])) for field in json["fields"]]
        elif kind in ("array", "map"):
            made.items = read(json["items" if kind == "array" else "values"])
        elif kind == "enum":
            made.symbols = json["symbols"]
        elif kind == "fixed":
            made.size = json["size"]
        return made

    return read(parsed)


class Reference:
    """The schema fastavro reads with. enums False: an enum is the number of its symbol, so that a
    symbol that does not exist refuses nothing."""

    def __init__(self, root, enums):
        self.enums = enums
        self.count = 0
        self.records = {}
        self.branch_of = {}
        self.parsed = fastavro.parse_schema(self.make(root))

    def name(self):
        self.count += 1
        return "T%d" % self.count

    def make(self, t):
        if t.kind == "record":
            if t in self.records:
                return self.records[t]
            self.records[t] = self.name()
            types = [self.make(field) for _, field in t.fields]
            fields = [{"name": "f%d" % i, "type": made} for i, made in enumerate(types)]
            return {"type": "record", "name": self.records[t], "fields": fields}
        if t.kind == "union":
            return [self.make_branch(i, branch) for i, branch in enumerate(t.branches)]
        if t.kind == "array":
            return {"type": "array", "items": self.make(t.items)}
        if t.kind == "map":
            fields = [{"name": "k", "type": "string"}, {"name": "v", "type": self.make(t.items)}]
            pair = {"type": "record", "name": self.name(), "fields": fields}
            return {"type": "array", "items": pair}
        if t.kind == "fixed":
            return {"type": "fixed", "name": self.name(), "size": t.size}
        if t.kind == "enum":
            enum = {"type": "enum", "name": self.name(), "symbols": t.symbols}
            return enum if self.enums else "long"
        return t.kind

    def make_branch(self, index, branch):
        name = self.name()
        self.branch_of[name] = index
        fields = [{"name": "v", "type": self.make(branch)}]
        return {"type": "record", "name": name, "fields": fields}

    def read(self, file):
        return fastavro.schemaless_reader(
            file,
            self.parsed,
            None,
            return_record_name=True,
            handle_unicode_errors="surrogateescape",
        )


# --- paths ---


def parse_path(text):
    """Alternatives, each a list of steps: ("field", name), ("items",), ("values",) or
    ("branch", name)."""
    if text is None:
        return []
    step = re.compile(r"\[\]|\{([^{}]*)\}|\.?([^.\[\]{}|]+)")
    alternatives = []
    for whole in text.split("|"):
        steps = []
        for found in step.finditer(whole.strip()):
            if found.group() == "[]":
                steps.append(("items",))
            elif found.group().startswith("{"):
                steps.append(("branch", found.group(1)) if found.group(1) else ("values",))
            else:
                steps.append(("field", found.group(2)))
        alternatives.append(steps)
    return alternatives


class Want:
    def __init__(self, kind, steps, row=None):
        self.kind, self.steps, self.row = kind, steps, row

    def next(self):
        return Want(self.kind, self.steps[1:], self.row)

    def past_branches(self):
        steps = self.steps
        while steps and steps[0][0] == "branch":
            steps = steps[1:]
        return Want(self.kind, steps, self.row)


DOCUMENT_FIELDS = [("number", NUMBER), ("issuer", TEXT), ("type", TEXT), ("nationality", TEXT)]


class Row:
    """A document mapping."""

    def __init__(self, mapping):
        self.width = mapping.get("number_width", 0)
        self.paths = [parse_path(mapping["path"])]
        self.fields = [
            [Want(kind, steps, self) for steps in parse_path(mapping.get(name))]
            for name, kind in DOCUMENT_FIELDS
        ]


def fits(t, want):
    is_integer = t.kind in ("int", "long")
    is_decimal = t.kind in ("bytes", "fixed") and t.logical == "decimal"
    is_text = t.kind in ("string", "enum", "bytes", "fixed") and not is_decimal
    time_of_day = (t.kind, t.logical) in (("int", "time-millis"), ("long", "time-micros"))
    is_time = t.kind == "string" or (is_integer and not time_of_day)
    if want.kind == NUMBER:
        return is_text or (is_integer and want.row.width > 0)
    if want.kind in (TEXT, FLAG):
        return is_text
    if want.kind == INTEGER:
        return is_integer
    if want.kind == DATE:
        return is_time
    return is_time and (t.kind != "int" or t.logical == "date")


def resolve(t, want):
    steps = want.steps
    if t.kind == "union":
        if steps and steps[0][0] == "branch":
            inner = [resolve(b, want.next()) for b in t.branches if b.is_named(steps[0][1])]
        else:
            inner = [resolve(b, want) for b in t.branches if b.kind != "null"]
        return max(inner, default=ABSENT)
    if not steps:
        if want.kind == DOCUMENT:
            return max((resolve(t, number) for number in want.row.fields[0]), default=ABSENT)
        return FOUND if fits(t, want) else UNFITTING
    if steps[0][0] == "branch":
        return resolve(t, want.next()) if t.is_named(steps[0][1]) else ABSENT
    if t.kind == "record" and steps[0][0] == "field":
        found = [resolve(field, want.next()) for name, field in t.fields if name == steps[0][1]]
        return found[0] if found else ABSENT
    if (t.kind, steps[0][0]) in (("array", "items"), ("map", "values")):
        return resolve(t.items, want.next())
    return ABSENT


def split_wants(t, wants):
    """Of a type that is no union: the rows it is a document of, and what is wanted inside it."""
    rows, inner = [], []
    for want in (want.past_branches() for want in wants):
        if want.kind == DOCUMENT and not want.steps:
            rows.append(want.row)
            for alternatives in want.row.fields:
                inner += [a.past_branches() for a in alternatives if resolve(t, a) == FOUND]
        else:
            inner.append(want)
    return rows, inner


def into_branch(branch, wants):
    return [want for want in wants if resolve(branch, want) == FOUND]


def into_field(name, wants):
    return [w.next() for w in wants if w.steps and w.steps[0] == ("field", name)]


def has_unfitting_field(t, want):
    """Whether a document that the path leads to has an issuer, type or nationality that is no
    text."""
    if t.kind == "union":
        return any(has_unfitting_field(b, w) for b in t.branches for w in into_branch(b, [want]))
    want = want.past_branches()
    if not want.steps:
        alternatives = [field for fields in want.row.fields for field in fields]
        return any(resolve(t, field) == UNFITTING for field in alternatives)
    if t.kind == "record":
        return any(has_unfitting_field(f, w) for n, f in t.fields for w in into_field(n, [want]))
    return has_unfitting_field(t.items, want.next())


# --- values ---


def parse_time(text):
    """ISO 8601 text as milliseconds, or None."""
    date = r"(\d{4})-(\d\d)-(\d\d)"
    clock = r"[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?"
    found = re.fullmatch(date + "(?:" + clock + ")?", text, re.ASCII)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        days = datetime.date(int(year), int(month), int(day)).toordinal() - 719163
    except ValueError:
        return None
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    ms = ((days * 24 + hours) * 60 + minutes) * 60000 + seconds * 1000
    ms += int(((fraction or "") + "000")[:3])
    if zone and zone not in "Zz":
        offset_hours, offset_minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
        if offset_hours > 23 or offset_minutes > 59:
            return None
        offset = (offset_hours * 60 + offset_minutes) * 60000
        ms += offset if zone[0] == "-" else -offset
    return ms


def time_of(t, value):
    if t.kind == "string":
        ms = parse_time(value)
    elif t.kind == "int":
        ms = value * DAY_MS
    else:
        ms = value // {"micros": 1000, "nanos": 1000000}.get(str(t.logical).rsplit("-", 1)[-1], 1)
    return ms if ms is not None and -62135596800000 <= ms <= 253402300799999 else None


def leaf(t, value, want):
    """The value as it is compared: bytes for texts, milliseconds for times (False: a text that is
    no time), the number itself where that is asked for."""
    if want.kind in (TIME, DATE) and value != "":
        ms = time_of(t, value)
        return False if ms is None else ms
    if want.kind == INTEGER:
        return value
    if t.kind in ("int", "long"):
        digits = str(abs(value)).rjust(want.row.width, "0").encode()
        return b"\xff" + digits if value < 0 else digits
    if t.kind == "enum" and isinstance(value, int):
        value = t.symbols[value]
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def values_of(reference, t, value, want):
    """Every value at the end of a path, in the order of the datum."""
    if t.kind == "union":
        index = reference.branch_of[value[0]]
        for passed in into_branch(t.branches[index], [want]):
            yield from values_of(reference, t.branches[index], value[1]["v"], passed)
        return
    want = want.past_branches()
    if not want.steps:
        yield leaf(t, value, want)
    elif t.kind == "record":
        for i, (name, field) in enumerate(t.fields):
            if want.steps[0] == ("field", name):
                yield from values_of(reference, field, value["f%d" % i], want.next())
    else:
        for item in value:
            item = item["v"] if t.kind == "map" else item
            yield from values_of(reference, t.items, item, want.next())


def choose(reference, t, value, wants):
    """The first value of the first alternative that holds something; an empty text is nothing."""
    firsts = []
    for want in wants:
        if resolve(t, want) == FOUND:
            firsts += list(values_of(reference, t, value, want))[:1]
    return next((first for first in firsts if first != b""), firsts[-1] if firsts else None)


def documents(reference, t, value, wants, out):
    """Rows in the order of the datum; one stands behind those inside it."""
    if not wants:
        return
    if t.kind == "union":
        index = reference.branch_of[value[0]]
        branch = t.branches[index]
        documents(reference, branch, value[1]["v"], into_branch(branch, wants), out)
        return
    wants = [want.past_branches() for want in wants]
    deeper = [want for want in wants if want.steps]
    if t.kind == "record":
        for i, (name, field) in enumerate(t.fields):
            documents(reference, field, value["f%d" % i], into_field(name, deeper), out)
    elif t.kind in ("array", "map") and deeper:
        for item in value:
            item = item["v"] if t.kind == "map" else item
            documents(reference, t.items, item, [want.next() for want in deeper], out)
    for want in reversed([want for want in wants if not want.steps]):
        out.append([choose(reference, t, value, alternatives) for alternatives in want.row.fields])


# --- what a comparison has to know of the bytes ---


class Huge(Exception):
    """So many items of no bytes that reading them would take for ever."""


class Walk:
    """Reads a datum for one question: whether what the paths do not go through can be skipped."""

    ITEMS_MAX = 2000

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.depth = 0
        self.is_deep = False
        self.is_false = False  # a skipped block is not as many bytes as it says
        self.empty_items = 0

    def run(self, t, wants):
        try:
            self.walk(t, [want for want in wants if resolve(t, want) == FOUND])
        except IndexError:
            pass
        return self

    def long(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << (shift & 63)
            shift += 7
            if byte < 0x80:
                value &= 2**64 - 1
                value = value >> 1 ^ (-(value & 1) & (2**64 - 1))
                return value - 2**64 if value >= 2**63 else value

    def bytes(self, size):
        if size < 0 or size > len(self.data) - self.at:
            raise IndexError
        self.at += size

    def walk(self, t, wants):
        self.depth += 1
        self.is_deep |= self.depth > NESTING_MAX
        if self.depth > 3 * NESTING_MAX:
            raise IndexError
        if t.kind == "union":
            branch = t.branches[self.long()]
            self.walk(branch, into_branch(branch, wants))
        elif t.kind == "record":
            inner = split_wants(t, wants)[1]
            for name, field in t.fields:
                self.walk(field, into_field(name, inner))
        elif t.kind in ("array", "map"):
            self.blocks(t, [want.next() for want in split_wants(t, wants)[1]])
        elif t.kind in ("string", "bytes"):
            self.bytes(self.long())
        elif t.kind in ("int", "long", "enum"):
            self.long()
        else:
            sizes = {"null": 0, "boolean": 1, "float": 4, "double": 8, "fixed": t.size}
            self.bytes(sizes[t.kind])
        self.depth -= 1

    def blocks(self, t, wants):
        is_empty = t.kind == "array" and t.items.is_empty()
        count = self.long()
        while count != 0:
            size = self.long() if count < 0 else None
            start = self.at
            number = 0 if count == -(2**63) else abs(count)
            self.empty_items += number if is_empty else 0
            if self.empty_items > self.ITEMS_MAX:
                raise Huge
            try:
                for _ in range(number):
                    if t.kind == "map":
                        self.bytes(self.long())
                    self.walk(t.items, wants)
            except IndexError:
                self.is_false |= size is not None and not wants
                raise
            self.is_false |= size is not None and not wants and self.at - start != size
            count = self.long()
