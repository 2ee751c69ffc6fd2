#!/usr/bin/env python3
"""Compares what a projection reads with what fastavro reads, on random schemas, paths and data.

compare_fastavro.py --dump build-dev/projection_dump --schemas schemas

A seed is a schema, a mapping and data, half of them damaged. What fastavro reads must be read to
the same documents and context, save where a block's byte size is false; what it refuses must be
refused, save bytes that are not UTF-8 and symbols that do not exist in fields that nothing asks
for. A schema must be refused when a path says so, and only then. CHECKIT_SEED=N takes that seed
alone, as a difference tells; CHECKIT_SEEDS=N takes so many. Exit code 1 when an answer differs.
"""

import argparse
import collections
import io
import json
import os
import random
import re
import struct
import subprocess
import sys

import fastavro
import fastavro.utils

import model

DATA = 24  # of one seed
SCALARS = model.PRIMITIVES + ("enum", "fixed")
LOGICALS = [
    ("int", "date"), ("int", "time-millis"), ("long", "timestamp-millis"),
    ("long", "timestamp-micros"), ("long", "timestamp-nanos"), ("long", "local-timestamp-millis"),
    ("long", "local-timestamp-micros"), ("long", "time-micros"), ("string", "uuid"),
    ("string", "date"), ("int", "timestamp-millis"), ("bytes", "decimal"), ("long", "unheard-of"),
]
TEXTS = [
    b"", b"", b"A", b"12AB34567", b"2026-01-31", b"2026-01-31T10:20:30.5Z", b"2023-02-29",
    b"2024-02-29 10:20+0530", b"9999-12-31T23:59:59-01:00", b"\xff\xfe", b"\xc3\xa9",
    b"\xed\xa0\x80", b"x" * 70,
]
NUMBERS = [0, 0, 1, -1, 2, 7, 63, 64, 1000, 20000, 2**31, 1767225600000, 2**62, 2**63 - 1, -(2**63)]
FIELDS = ["a", "b", "c", "number", "docs", "d1", "x_y"]
CONTEXT_TEXTS = ["event_id", "partner", "journey", "sector", "stage", "place"]


class Dead(Exception):
    """The schema has no finite value, or no path of the kind that was looked for."""


# --- schemas ---


class Schemas:
    """Random schemas: every kind of type, recursion, namespaces, types by name."""

    def __init__(self, rng):
        self.rng = rng
        self.count = 0
        self.defined = []

    def name_of(self, made, namespace):
        """Gives a named type its name; what is inside it has the namespace returned."""
        rng = self.rng
        self.count += 1
        name = "%s%d" % (rng.choice("ABCD"), self.count)
        way = rng.randrange(6)
        if way == 0:
            namespace = rng.choice(["n.s", "other"])
            made["namespace"] = namespace
        elif way == 1:
            namespace = "full.name"
            made["namespace"] = "ignored"
        made["name"] = "full.name." + name if way == 1 else name
        self.defined.append(namespace + "." + name if namespace else name)
        return namespace

    def scalar(self, namespace):
        rng = self.rng
        kind = rng.choice(SCALARS + ("string", "string", "string", "enum"))
        if kind in model.PRIMITIVES:
            if rng.random() < 0.25:
                kind, logical = rng.choice(LOGICALS)
                return {"type": kind, "logicalType": logical, "precision": 9}
            return kind
        made = {"type": kind}
        self.name_of(made, namespace)
        if kind == "fixed":
            made["size"] = rng.choice([0, 1, 2, 5, 12, 16])
            if rng.random() < 0.2 and made["size"] > 4:
                made.update(logicalType="decimal", precision=2)
        else:
            made["symbols"] = ["S%d" % i for i in range(rng.choice([1, 2, 3, 70]))]
        return made

    def union(self, depth, namespace):
        branches, kinds = [], set()
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            defined = len(self.defined)
            branch = self.type(depth - 1, namespace)
            kind = branch.get("type") if isinstance(branch, dict) else str(branch)
            has_name = kind in ("record", "enum", "fixed")
            if isinstance(branch, list) or (kind in kinds and not has_name):
                del self.defined[defined:]
                continue
            kinds.add(kind)
            branches.append(branch)
        if self.rng.random() < 0.7 and "null" not in kinds:
            branches.insert(self.rng.choice([0, 0, 1]), "null")
        return branches or ["null", "string"]

    def record(self, depth, namespace):
        made = {"type": "record"}
        namespace = self.name_of(made, namespace)
        count = self.rng.choice([0, 1, 2, 3, 4, 6]) if depth < 4 else self.rng.randint(3, 6)
        made["fields"] = [
            {"name": name, "type": self.type(depth - 1, namespace)}
            for name in self.rng.sample(FIELDS, count)
        ]
        return made

    def type(self, depth, namespace):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.35:
            return self.scalar(namespace)
        way = rng.choice(["record", "record", "array", "array", "map", "union", "union", "name"])
        if way == "record":
            return self.record(depth, namespace)
        if way == "array":
            return {"type": "array", "items": self.type(depth - 1, namespace)}
        if way == "map":
            return {"type": "map", "values": self.type(depth - 1, namespace)}
        if way == "union":
            return self.union(depth, namespace)
        usable = [name for name in self.defined if "." in name or not namespace]
        return rng.choice(usable) if usable else self.scalar(namespace)


# --- paths ---


class Paths:
    """Random paths through a schema, most of which end at something that can be read."""

    def __init__(self, rng, root):
        self.rng, self.root = rng, root

    def walk(self, t, steps_max, with_items=True):
        """A path from t downwards as texts of steps, each with the type behind it."""
        steps = []
        while len(steps) < steps_max:
            name = None
            if t.kind == "union":
                t = self.rng.choice(t.branches)
                name = "{%s}" % self.rng.choice([t.name, t.name.rsplit(".", 1)[-1]])
                if self.rng.random() < 0.7:
                    continue
            elif t.kind == "record" and t.fields:
                field, t = self.rng.choice(t.fields)
                name = "." + field
            elif t.kind in ("array", "map") and with_items:
                name = "[]" if t.kind == "array" else "{}"
                t = t.items
            else:
                break
            steps.append((name, t))
        return steps

    @staticmethod
    def text(steps):
        return re.sub(r"^\.", "", "".join(name for name, _ in steps))

    def field(self, t, kind, row=None, with_items=False):
        """A path to a value that can be read as the kind; at times one that cannot, or no path."""
        for _ in range(20):
            text = self.text(self.walk(t, 12, with_items))
            wants = [model.Want(kind, steps, row) for steps in model.parse_path(text)]
            if model.resolve(t, wants[0]) == model.FOUND or self.rng.random() < 0.01:
                break
        else:
            return self.rng.choice(["absent", "a.absent", "docs"])
        while self.rng.random() < 0.25:
            other = self.rng.choice([self.text(self.walk(t, 12, with_items)), "absent"])
            want = model.Want(kind, model.parse_path(other)[0], row)
            if model.resolve(t, want) != model.UNFITTING:
                text = self.rng.choice([text + "|" + other, other + " | " + text])
        return text

    def document(self):
        row = model.Row({"path": "", "number": "", "number_width": self.rng.choice([0, 1, 9, 24])})
        for _ in range(40):
            steps = self.walk(self.root, 12)
            items = [i for i, (name, _) in enumerate(steps) if name in ("[]", "{}")]
            at = self.rng.randint(items[-1] + 1 if items else 0, len(steps))
            end = steps[-1][1] if steps else self.root
            if model.resolve(end, model.Want(model.NUMBER, [], row)) == model.FOUND:
                break
        else:
            raise Dead
        t = steps[at - 1][1] if at > 0 else self.root
        mapping = {"path": self.text(steps[:at]), "number": self.text(steps[at:])}
        if self.rng.random() < 0.3:
            mapping["number"] += "|" + self.field(t, model.NUMBER, row)
        if self.rng.random() < 0.2:
            mapping["path"] = self.rng.choice(["absent[]|", "absent{X}.y|"]) + mapping["path"]
        if row.width:
            mapping["number_width"] = row.width
        for name in ("issuer", "type", "nationality"):
            if self.rng.random() < 0.7:
                mapping[name] = self.field(t, model.TEXT)
        return mapping

    def mapping(self):
        mapping = {"documents": [self.document() for _ in range(self.rng.choice([1, 1, 2, 3]))]}
        for name in CONTEXT_TEXTS:
            if self.rng.random() < 0.5:
                mapping[name] = self.field(self.root, model.TEXT, with_items=True)
        if self.rng.random() < 0.7:
            mapping["event_time"] = self.field(self.root, model.TIME, with_items=True)
        for name in ("partner_fixed", "sector_fixed"):
            if self.rng.random() < 0.2:
                mapping[name] = "fixed"
        return mapping


# --- data ---


class Encoder:
    """Random values as bytes: in blocks of every form, in varints longer than needed."""

    def __init__(self, rng):
        self.rng = rng

    def long(self, value):
        value = (value << 1 ^ value >> 63) & (2**64 - 1)
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        if self.rng.random() < 0.01:
            out[-1] |= 0x80
            out += b"\x80" * self.rng.choice([0, 1, 9]) + b"\0"
        return bytes(out)

    def text(self, text):
        return self.long(len(text)) + text

    def blocks(self, t, depth):
        out = b""
        while depth > 0 and self.rng.random() < 0.6:
            items = [self.item(t, depth - 1) for _ in range(self.rng.choice([1, 1, 2, 3]))]
            data = b"".join(items)
            if self.rng.random() < 0.3:
                out += self.long(-len(items)) + self.long(len(data)) + data
            else:
                out += self.long(len(items)) + data
        return out + self.long(0)

    def item(self, t, depth):
        key = self.text(self.rng.choice([b"k", b"k", b"key", b""])) if t.kind == "map" else b""
        return key + self.value(t.items, depth)

    def value(self, t, depth):
        rng = self.rng
        if depth < -40:
            raise Dead
        if t.kind == "record":
            return b"".join(self.value(field, depth - 1) for _, field in t.fields)
        if t.kind in ("array", "map"):
            return self.blocks(t, depth)
        if t.kind == "union":
            index = rng.randrange(len(t.branches))
            nulls = [i for i, branch in enumerate(t.branches) if branch.kind == "null"]
            if depth <= 0 and nulls:
                index = nulls[0]
            branch = self.value(t.branches[index], depth - 1)
            return self.long(index - (len(t.branches) if rng.random() < 0.02 else 0)) + branch
        if t.kind in ("string", "bytes"):
            return self.text(rng.choice(TEXTS))
        if t.kind in ("int", "long"):
            return self.long(rng.choice(NUMBERS))
        if t.kind == "enum":
            return self.long(rng.randrange(-len(t.symbols), len(t.symbols)))
        if t.kind in ("float", "double"):
            return struct.pack("<f" if t.kind == "float" else "<d", rng.random())
        return rng.randbytes(t.size) if t.kind == "fixed" else b"" if t.kind == "null" else b"\1"


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randint(0, len(data))
        way = rng.randrange(7)
        if way == 0:
            del data[at:]
        elif way == 1:
            del data[at : at + rng.randint(1, 3)]
        elif way == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 3))
        elif way == 3:
            data[at:at] = data[at : at + rng.randint(1, 20)]
        elif way == 4:
            data[at : at + 1] = b"\xff" * rng.randint(1, 11) + b"\1"
        elif at < len(data):
            data[at] = rng.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF, data[at] ^ 1 << rng.randrange(8)])
    return bytes(data)


# --- what is expected ---


class Case:
    """A schema, a mapping (None: changes) and data."""

    def __init__(self, schema, mapping, capacity):
        self.schema, self.mapping, self.capacity = schema, mapping, capacity
        self.root = model.read_schema(schema)
        self.rows = [model.Row(document) for document in mapping["documents"]]
        self.context = {
            name: [model.Want(model.TEXT, steps) for steps in model.parse_path(mapping.get(name))]
            for name in CONTEXT_TEXTS
        }
        times = model.parse_path(mapping.get("event_time"))
        self.context["event_time"] = [model.Want(model.TIME, steps) for steps in times]
        self.fixed = {}
        for name in ("partner", "sector"):
            if name + "_fixed" in mapping:
                self.fixed[name] = mapping[name + "_fixed"].encode().hex()
                self.context[name] = []
        self.document_wants = []
        self.references = [model.Reference(self.root, enums) for enums in (True, False)]
        self.data = []

    def is_refused(self):
        """Whether the schema must be; finds which alternative of each document path is taken."""
        for row in self.rows:
            wants = [model.Want(model.DOCUMENT, steps, row) for steps in row.paths[0]]
            found = [(want, model.resolve(self.root, want)) for want in wants]
            found = [pair for pair in found if pair[1] != model.ABSENT][:1]
            if not found or found[0][1] != model.FOUND:
                return True
            self.document_wants.append(found[0][0])
        wants = [want for alternatives in self.context.values() for want in alternatives]
        if any(model.resolve(self.root, want) == model.UNFITTING for want in wants):
            return True
        return any(model.has_unfitting_field(self.root, want) for want in self.document_wants)

    def line(self):
        line = {"schema": json.dumps(self.schema), "capacity": self.capacity}
        if self.mapping:
            line["mapping"] = self.mapping
        return json.dumps({**line, "data": [datum.hex() for datum in self.data]})

    def read(self, reference, datum):
        """Documents and context as the program prints them; None: fastavro refuses."""
        try:
            value = reference.read(io.BytesIO(datum))
        except Exception:  # whatever it raises, it has not read it
            return None
        rows = []
        try:
            model.documents(reference, self.root, value, self.document_wants, rows)
        except IndexError:
            return "datum_invalid"
        return {"documents": [[hex_of(text) for text in row] for row in rows],
                "context": self.read_context(reference, value)}

    def read_context(self, reference, value):
        try:
            context = {
                name: hex_of(model.choose(reference, self.root, value, wants))
                for name, wants in self.context.items()
            }
        except IndexError:
            return "datum_invalid"
        if not isinstance(context["event_time"], int) or context["event_time"] is False:
            context["event_time"] = None
        return {**context, **self.fixed}

    def expect(self, datum):
        """(what is expected, what it shows); None: nothing is."""
        wants = [want for alternatives in self.context.values() for want in alternatives]
        try:
            skips = model.Walk(datum).run(self.root, self.document_wants)
            context_skips = model.Walk(datum).run(self.root, wants)
        except model.Huge:
            return None, "huge"
        if skips.is_deep or skips.is_false:
            return None, "deep" if skips.is_deep else "false size"
        expected = self.read(self.references[0], datum) or self.read(self.references[1], datum)
        if expected is None or isinstance(expected, str):
            return "datum_invalid", "refused"
        if context_skips.is_false:
            del expected["context"]
            return expected, "false size in the context"
        kind = "documents" if expected["documents"] else "no documents"
        return expected, "no context" if expected["context"] == "datum_invalid" else kind


LOSSES = [None, "STOLEN", "LOST", "STOLEN_BLANK", "REVOKED", "INVALID"]
FLAGS = ["SILENT", "DISPUTED", "TEST"]
CHANGE_FIELDS = {
    model.TEXT: ["entry_id", "op", "number", "number_to", "issuer", "type", "loss", "contributor",
                 "national_ref"],
    model.DATE: ["reported_on", "lost_on", "expiry", "review_on"],
    model.TIME: ["effective_at"],
    model.INTEGER: ["revision"],
    model.FLAG: ["flags[]"],
}


class ChangeCase(Case):
    """Changes to the list: one mapping, every field of it."""

    def __init__(self, schema):
        super().__init__(schema, {"documents": []}, 0)
        self.mapping = None
        self.context = {
            path: [model.Want(kind, model.parse_path(path)[0])]
            for kind, paths in CHANGE_FIELDS.items()
            for path in paths
        }

    def read(self, reference, datum):
        try:
            value = reference.read(io.BytesIO(datum))
        except Exception:  # whatever it raises, it has not read it
            return None
        try:
            read = {
                path: list(model.values_of(reference, self.root, value, wants[0]))
                for path, wants in self.context.items()
            }
        except IndexError:
            return "datum_invalid"
        flags = {FLAGS.index(flag.decode()) for flag in read.pop("flags[]")}
        change = {path: hex_of(values[0]) if values else None for path, values in read.items()}
        for path in CHANGE_FIELDS[model.DATE] + CHANGE_FIELDS[model.TIME]:
            change[path] = None if change[path] is False else change[path]
        for path in CHANGE_FIELDS[model.DATE]:
            change[path] = change[path] and change[path] // model.DAY_MS
        change["op"] = ["UPSERT", "WITHDRAW"].index(bytes.fromhex(change["op"]).decode())
        change["loss"] = LOSSES.index(change["loss"] and bytes.fromhex(change["loss"]).decode())
        change["flags"] = sum(1 << flag for flag in flags)
        return {"change": change}

    def expect(self, datum):
        wants = [want for alternatives in self.context.values() for want in alternatives]
        if model.Walk(datum).run(self.root, wants).is_false:
            return None, "false size"
        expected = self.read(self.references[0], datum) or self.read(self.references[1], datum)
        if expected is None or isinstance(expected, str):
            return "datum_invalid", "refused"
        return expected, "change"


def hex_of(value):
    return value.hex() if isinstance(value, bytes) else value


# --- cases ---


def random_case(seed):
    rng = random.Random(seed)
    while True:
        try:
            schemas = Schemas(rng)
            schema = schemas.record(5, "") if rng.random() < 0.9 else schemas.type(5, "")
            mapping = Paths(rng, model.read_schema(schema)).mapping()
            case = Case(schema, mapping, rng.choice([1, 2, 3, 1000]))
            encoder = Encoder(rng)
            case.data = [encoder.value(case.root, 6) for _ in range(DATA // 2)]
        except Dead:
            continue
        case.data = [datum for datum in case.data if len(datum) < 20000]
        case.data += [damage(rng, datum) for datum in case.data]
        return case


PRESETS = {
    "BookingEvent": {
        "documents": [
            {"path": "travellers[].documents[]", "number": "number", "issuer": "issuer",
             "type": "type", "nationality": "nationality"}
        ],
        "event_id": "event_id", "event_time": "event_time", "partner": "partner_id",
        "journey": "journey_ref", "sector": "sector", "stage": "stage", "place": "origin",
    },
    "BankingEvent": {
        "documents": [
            {"path": "documents[]", "number": "number", "issuer": "issuer", "type": "type",
             "nationality": "nationality"}
        ],
        "event_id": "event_id", "event_time": "event_time", "partner": "partner_id",
        "journey": "customer_ref", "stage": "stage",
    },
}


def own_case(seed, folder, name):
    """One of our contracts, with data that fastavro writes itself and data of ours."""
    rng = random.Random(seed)
    with open(os.path.join(folder, name + ".avsc"), encoding="utf-8") as file:
        schema = json.load(file)
    mapping = PRESETS.get(name)
    case = Case(schema, mapping, rng.choice([1, 2, 1000])) if mapping else ChangeCase(schema)
    parsed = fastavro.parse_schema(schema)
    random.seed(seed)
    for _ in range(DATA // 2):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, fastavro.utils.generate_one(schema))
        case.data.append(out.getvalue())
    encoder = Encoder(rng)
    case.data += [encoder.value(case.root, 6) for _ in range(DATA)]
    case.data += [damage(rng, datum) for datum in case.data]
    return case


MUST_MEET = [
    "schema refused", "documents", "no documents", "refused", "no context", "false size", "change",
]


def compare(case, answer, met):
    """The first difference, or None."""
    if case.is_refused():
        met["schema refused"] += 1
        return None if "error" in answer else "the schema is taken"
    if "error" in answer:
        return "the schema is refused: " + answer["error"]
    for datum, read in zip(case.data, answer["data"], strict=True):
        expected, kind = case.expect(datum)
        met[kind] += 1
        if kind == "false size in the context" and isinstance(read, dict):
            del read["context"]
        if expected is not None and read != expected:
            return "datum %s\n  program  %s\n  fastavro %s" % (datum.hex(), read, expected)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True)
    parser.add_argument("--schemas", required=True)
    options = parser.parse_args()

    only = int(os.environ.get("CHECKIT_SEED", "0"))
    seeds = [only] if only else range(1, 1 + int(os.environ.get("CHECKIT_SEEDS", "300")))
    cases = [(seed, random_case(seed)) for seed in seeds]
    for name in [*PRESETS, "DocumentChange"]:
        cases.append((name, own_case(len(seeds), options.schemas, name)))
    lines = "".join(case.line() + "\n" for _, case in cases)
    ran = subprocess.run([options.dump], input=lines, capture_output=True, text=True, check=False)
    answers = ran.stdout.splitlines()
    if ran.returncode != 0 or len(answers) != len(cases):
        counts = (ran.returncode, len(answers), len(cases))
        sys.exit("exit code %d, %d answers to %d cases\n" % counts + ran.stderr)

    met = collections.Counter()
    different = 0
    for (seed, case), answer in zip(cases, answers):
        fault = compare(case, json.loads(answer), met)
        if fault:
            different += 1
            print("seed %s: %s\n  schema   %s\n  mapping  %s"
                  % (seed, fault, json.dumps(case.schema), json.dumps(case.mapping)))
    for kind in sorted(met):
        print("%8d %s" % (met[kind], kind))
    missing = [kind for kind in MUST_MEET if not met[kind] and not only]
    if missing:
        print("no case led to: " + ", ".join(missing))
    print("%d schemas, %d answered otherwise" % (len(cases), different))
    sys.exit(1 if different or missing else 0)


if __name__ == "__main__":
    main()
