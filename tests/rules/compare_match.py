#!/usr/bin/env python3
"""Compares `checkit match` with the model: first on the worked cases, then on random lists.

compare_match.py CHECKIT RULES VECTORS [--seed N] [--lists N] [--seconds S]

RULES: the folder of the rule data; VECTORS: the worked cases. A list has some hundreds of entries
crowded together, so that numbers, folds, ranges and gates meet by chance, and twenty times as many
documents. Prints the seed; the same seed gives the same cases. CHECKIT_SEEDS lists when it is set.
Exit code 1 when an answer differs.
"""

import argparse
import collections
import csv
import io
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import model
from compare_model import Cases

COLUMNS = ["kind", "id", "number", "number_to", "issuer", "type", "nationality", "expected"]
# Small enough for gates that close: 676,000 to 10,000,000 numbers of a shape.
SMALL = ["DDDDDDD", "LDDDDD", "LLDDDD", "LLDDD", "LLLLL", "DDDLDDD"]
TIERS = ["EXACT", "TYPE_DIFFERS", "REPAIRED", "CHECK_DIGIT", "OCR_FOLD", "ISSUER_INFERRED",
         "NUMBER_ONLY", "RANGE"]


def bytes_of(text):
    return text.encode("utf-8") if text else None


class Lists(Cases):
    """Rows of a list and of documents, near each other."""

    def new_list(self):
        self.few_codes = [self.pick(self.codes) for _ in range(4)]
        self.few_codes += [self.pick(sorted(self.data.templates)) for _ in range(4)]
        self.few_codes += [self.pick(self.data.personal)]
        self.bases = [self.list_base() for _ in range(self.random.randrange(4, 60))]

    def list_base(self):
        if self.chance(2):
            form = self.pick(SMALL)
            symbols = {"L": model.LETTERS, "D": model.DIGITS}
            return "".join(self.pick(symbols[c]) for c in form), self.pick(self.few_codes)
        of_issuer = self.data.templates.get(self.pick(self.few_codes), [])
        if of_issuer:
            return self.of_template(self.pick(of_issuer)[1]), self.pick(self.few_codes)
        return self.base()

    def text(self, field):
        """What a CSV file can say: no bytes that are not UTF-8, and no NUL."""
        try:
            text = (field or b"").decode("utf-8")
        except UnicodeDecodeError:
            return ""
        return text.replace("\0", "")

    def entry(self, entry_id):
        number, issuer = self.pick(self.bases)
        if not self.chance(3):
            number = self.misread(number)
        if self.chance(4):  # crowds a shape
            number = self.after(number, self.random.randrange(1000))
        sent = self.written(number) if number and self.chance(4) else number.encode()
        end = self.range_end(sent) if self.chance(3) else None
        kind = self.pick([b"PASSPORT", b"P", b"ID_CARD", b"ANY", b"", self.type()])
        if self.chance(20):
            issuer = self.text(self.issuer())
        return ["entry", entry_id, self.text(sent), self.text(end), issuer, self.text(kind)]

    def document_row(self, at):
        number, issuer = self.pick(self.bases)
        if not self.chance(3):
            number = self.misread(number)
        if self.chance(6):
            number = self.after(number, self.random.randrange(1000)) if number else ""
        sent = self.comparable_number() if self.chance(20) else number.encode()
        sent = self.written(number) if self.chance(4) else sent
        if self.chance(4):
            issuer = self.pick(self.few_codes)
        issuer = self.pick([issuer, issuer, issuer, "", self.text(self.issuer())])
        nationality = self.pick(["", "", issuer, self.pick(self.few_codes),
                                 self.text(self.issuer())])
        kind = self.pick([b"PASSPORT", b"P", b"ID_CARD", b"ANY", b"", b"V", self.type()])
        return ["doc", f"d{at}", self.text(sent), "", issuer, self.text(kind), nationality]

    def rows(self):
        self.new_list()
        count = self.random.randrange(1, 400)
        ids = [f"e{self.random.randrange(count)}" for _ in range(count)]
        rows = [self.entry(entry_id if not self.chance(50) else self.text(self.id()))
                for entry_id in ids]
        return rows, [self.document_row(at) for at in range(20 * count)]


def answers_of(checkit, folder, path):
    out = folder / "answers.csv"
    done = subprocess.run([checkit, "match", "--entries", path, "--in", path, "--out", out],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"checkit match: exit {done.returncode}\n{done.stderr}")
    with open(out, encoding="utf-8", newline="") as lines:
        return {row["id"]: row["answer"] for row in csv.DictReader(lines)}


def expected_of(data, rows):
    listed = model.List(data)
    for row in rows:
        if row[0] == "entry":
            listed.load(bytes_of(row[1]), *map(bytes_of, row[2:6]))
    listed.close()
    return {row[1]: listed.answer(model.Document(data, *map(bytes_of, (row[2], *row[4:7]))))
            for row in rows if row[0] == "doc"}


def write_rows(path, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([*row, *[""] * (len(COLUMNS) - len(row))] for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def differences(rows, answers, expected):
    if list(answers) != list(expected):
        return ["the answers are not those of the documents, in their order"]
    by_id = {row[1]: row for row in rows if row[0] == "doc"}
    return [f"{by_id[name]}\n  program {answers[name]}\n  model   {expected[name]}"
            for name in expected if answers[name] != expected[name]]


def compare(checkit, data, folder, rows, met):
    path = folder / "rows.csv"
    write_rows(path, rows)
    expected = expected_of(data, rows)
    found = differences(rows, answers_of(checkit, folder, path), expected)
    for text in found[:5]:
        print(text)
    for answer in expected.values():
        met.update([answer] if "=" not in answer else
                   [hit.split("=")[1] for hit in answer.split(";")])
    return len(found)


def read_vectors(path):
    with open(path, encoding="utf-8", newline="") as lines:
        return [[row[name] for name in COLUMNS] for row in csv.DictReader(lines)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkit")
    parser.add_argument("rules")
    parser.add_argument("vectors")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--lists", type=int, default=int(os.environ.get("CHECKIT_SEEDS", "25")))
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)

    data = model.Data(options.rules)
    cases = Lists(data, options.seed)
    met = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="checkit-match-") as folder:
        folder = pathlib.Path(folder)
        vectors = read_vectors(options.vectors)
        wrong = differences(
            vectors, answers_of(options.checkit, folder, options.vectors),
            {row[1]: row[7] for row in vectors if row[0] == "doc"})
        wrong += differences(vectors, expected_of(data, vectors),
                             {row[1]: row[7] for row in vectors if row[0] == "doc"})
        print("\n".join(wrong[:10]))
        count = len(wrong)
        screened = 0
        for _ in range(options.lists):
            entries, documents = cases.rows()
            screened += len(documents)
            count += compare(options.checkit, data, folder, entries + documents, met)
    for kind in sorted(met):
        print("%8d %s" % (met[kind], kind))
    missing = [tier for tier in TIERS if not any(kind.startswith(tier + ":") for kind in met)]
    if missing:
        print("no case led to: " + ", ".join(missing))
    print("%d documents, %d answered otherwise" % (screened, count))
    sys.exit(1 if count or missing else 0)


if __name__ == "__main__":
    main()
