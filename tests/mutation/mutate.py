#!/usr/bin/env python3
"""Changes the rule code in one place after another: some test must fail each time.

mutate.py [--file FILE]... [--every N] [--only LOG] [--list]

Works on a copy of the project, built by the preset dev. A mutant that does not compile counts for
nothing; one that no test notices is printed and makes the exit code 1, unless `equivalent.csv`
says why nobody can notice it. --every N takes each Nth mutant only, --only those that the output
of an earlier run names.
"""

import argparse
import csv
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from clang import cindex
from clang.cindex import CursorKind as Kind

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "rules"))
import compare_model  # noqa: E402
import model  # noqa: E402

FILES = ["operators/support/rules.c", "operators/support/templates.c",
         "operators/support/canonical.c"]
# What notices: the comparison with the model, then the unit tests of the three.
UNIT_TESTS = ["test_rules", "test_rules_vectors", "test_templates", "test_canonical",
              "test_rule_data"]
SEED = 20261124
DOCUMENTS = 20000
PAIRS = 60000
TEST_S = 120
OTHER_OPERATORS = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="],
    "!=": ["=="], "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["*"], "&": ["|"],
    "|": ["&"], "<<": [">>"], ">>": ["<<"], "+=": ["-="], "-=": ["+="], "|=": ["&="], "&=": ["|="],
}
CONDITIONS = {Kind.IF_STMT, Kind.WHILE_STMT, Kind.CONDITIONAL_OPERATOR}


def say(text):
    print(f"mutate: {text}", file=sys.stderr, flush=True)


# --- mutants ---------------------------------------------------------------------------------


class Mutant:
    """Bytes [begin, end) of the file become `text`. `name` stays when lines move."""

    def __init__(self, source, function, begin, end, text):
        self.begin, self.end, self.text = begin, end, text
        old = " ".join(source[begin:end].decode().split())
        self.line = source.count(b"\n", 0, begin) + 1
        around = source.rfind(b"\n", 0, begin) + 1
        line_end = source.find(b"\n", end)
        whole = source[around:begin].decode() + "<<" + text + ">>" + source[end:line_end].decode()
        self.old = old
        self.name = f"{function}: " + " ".join(whole.split())

    def apply(self, source):
        return source[: self.begin] + self.text.encode() + source[self.end :]


def span(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


def operator_of(cursor, source):
    """Of a binary operator written in the file itself: its place and text."""
    left, right = list(cursor.get_children())
    between = source[left.extent.end.offset : right.extent.start.offset]
    text = between.decode().strip().rstrip("(").strip()
    begin = left.extent.end.offset + between.find(text.encode())
    return begin, begin + len(text.encode()), text


def mutants_of_operator(cursor, source, function):
    begin, end, operator = operator_of(cursor, source)
    for other in OTHER_OPERATORS.get(operator, []):
        yield Mutant(source, function, begin, end, other)
    if operator not in ("&&", "||"):
        return
    yield Mutant(source, function, begin, end, "||" if operator == "&&" else "&&")
    neutral = "1" if operator == "&&" else "0"
    for side in cursor.get_children():
        yield Mutant(source, function, *span(side), neutral)


def mutants_of(cursor, source, function):
    kind = cursor.kind
    if kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR):
        yield from mutants_of_operator(cursor, source, function)
    elif kind in CONDITIONS:
        begin, end = span(next(cursor.get_children()))
        yield Mutant(source, function, begin, end, "!(" + source[begin:end].decode() + ")")
    elif kind == Kind.INTEGER_LITERAL:
        begin, end = span(cursor)
        yield Mutant(source, function, begin, end, "(" + source[begin:end].decode() + " + 1)")
    elif kind == Kind.CHARACTER_LITERAL:
        begin, end = span(cursor)
        yield Mutant(source, function, begin, end, "(" + source[begin:end].decode() + " + 1)")
    elif kind == Kind.RETURN_STMT:
        begin, end = span(cursor)
        text = source[begin:end].decode()
        swapped = {"return true": "return false", "return false": "return true"}.get(text)
        if swapped:
            yield Mutant(source, function, begin, end, swapped)


def is_plain(cursor, path, source):
    """In the file itself and not out of a macro, whose text would be elsewhere."""
    begin, end = span(cursor)
    place = cursor.location.file
    if not place or pathlib.Path(place.name) != path or end <= begin:
        return False
    if cursor.kind in (Kind.INTEGER_LITERAL, Kind.CHARACTER_LITERAL):
        first = source[begin : begin + 1]
        return first.isdigit() or first == b"'"
    if cursor.kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR):
        return len(list(cursor.get_children())) == 2
    return True


def walk(cursor, path, source, function):
    for child in cursor.get_children():
        inner = function
        if child.kind in (Kind.FUNCTION_DECL, Kind.VAR_DECL) and function is None:
            inner = child.spelling
        if inner and child.kind in (Kind.ENUM_DECL, Kind.TYPE_REF):
            continue
        if inner and is_plain(child, path, source):
            yield from mutants_of(child, source, inner)
        yield from walk(child, path, source, inner)


def arguments_of(build, path):
    """The compiler's options for the file, without those of the output; with its own headers."""
    own = subprocess.run(["gcc", "-print-file-name=include"], capture_output=True, text=True,
                         check=True).stdout.strip()
    for command in json.loads((build / "compile_commands.json").read_text()):
        if pathlib.Path(command["file"]) == path:
            words = command["command"].split()
            kept = [w.replace('\\"', '"') for w in words if w.startswith(("-I", "-D", "-std"))]
            return kept + ["-isystem", own]
    raise SystemExit(f"mutate: {path} is not among the compile commands")


def find_mutants(build, path):
    source = path.read_bytes()
    unit = cindex.Index.create().parse(str(path), arguments_of(build, path))
    faults = [d.spelling for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    if faults:
        raise SystemExit(f"mutate: {path}: {faults[0]}")
    seen, found = set(), []
    for mutant in walk(unit.cursor, path, source, None):
        key = (mutant.begin, mutant.end, mutant.text)
        if key not in seen:
            seen.add(key)
            found.append(mutant)
    return found


# --- tests -----------------------------------------------------------------------------------


class Project:
    """A copy with its own build folder, and the cases that the model has answered."""

    def __init__(self, folder):
        self.top = folder / "project"
        self.build = folder / "build"
        shutil.copytree(TOP, self.top, ignore=shutil.ignore_patterns("build*", ".git"))
        self.run("cmake", "--preset", "dev", "-B", self.build, cwd=self.top)
        self.tests = [t for t in UNIT_TESTS if (TOP / f"tests/unit/{t}.c").exists()]
        if self.make("canonical_dump", *self.tests) != 0:
            raise SystemExit("mutate: the project does not build")
        self.write_cases()

    @staticmethod
    def run(*command, **options):
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                       **options)

    def write_cases(self):
        data = model.Data(str(TOP / "config" / "rules"))
        cases = compare_model.Cases(data, SEED)
        lines, self.expected = [], []
        for _ in range(DOCUMENTS):
            fields = cases.document()
            lines.append(compare_model.line_of("document", fields))
            self.expected.append(compare_model.answer_document(data, fields))
        for _ in range(PAIRS):
            kind, fields = cases.pick(["pair", "open"]), cases.pair()
            lines.append(compare_model.line_of(kind, fields))
            self.expected.append(compare_model.answer_pair(data, kind, fields))
        self.cases = ("\n".join(lines) + "\n").encode()

    def make(self, *targets):
        return subprocess.run(["ninja", "-C", str(self.build), *targets],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode

    def model_notices(self):
        try:
            done = subprocess.run([self.build / "canonical_dump", TOP / "config" / "rules"],
                                  input=self.cases, capture_output=True, timeout=TEST_S,
                                  check=False)
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0 or done.stdout.decode().splitlines() != self.expected

    def test_notices(self, test):
        try:
            return subprocess.run([self.build / test], capture_output=True, timeout=TEST_S,
                                  check=False).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def outcome(self, path, mutated):
        """invalid, noticed or survived."""
        place = self.top / path
        original = place.read_bytes()
        place.write_bytes(mutated)
        try:
            if self.make("canonical_dump") != 0:
                return "invalid"
            if self.model_notices():
                return "noticed"
            if self.make(*self.tests) != 0:
                return "invalid"
            return "noticed" if any(map(self.test_notices, self.tests)) else "survived"
        finally:
            place.write_bytes(original)


def is_wanted(path, mutant, options):
    return options.only is None or f"{path}: {mutant.name}" in options.only


def read_survivors(log):
    """FILE: NAME of each that an earlier run printed; their lines may have moved since."""
    found = set()
    for line in log.read_text(encoding="utf-8").splitlines():
        place, is_one, rest = line.partition(": nothing notices ")
        if is_one:
            found.add(place.rpartition(":")[0] + ": " + rest.partition(" as in ")[2])
    return found


def read_equivalent():
    path = pathlib.Path(__file__).with_name("equivalent.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        return {(row["file"], row["mutant"]): row["why"] for row in csv.DictReader(lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", action="append", help="instead of " + ", ".join(FILES))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", metavar="LOG", type=pathlib.Path,
                        help="those that the log of an earlier run names")
    parser.add_argument("--list", action="store_true", help="print them and try none")
    options = parser.parse_args()
    options.only = read_survivors(options.only) if options.only else None
    random.seed(SEED)
    equivalent = read_equivalent()
    counts, survivors = {"invalid": 0, "noticed": 0, "equivalent": 0, "survived": 0}, []
    with tempfile.TemporaryDirectory(prefix="checkit-mutation-") as folder:
        project = Project(pathlib.Path(folder))
        if project.model_notices() or any(map(project.test_notices, project.tests)):
            raise SystemExit("mutate: the tests fail without a mutant")
        for path in options.file or FILES:
            source = (project.top / path).read_bytes()
            mutants = find_mutants(project.build, project.top / path)
            mutants = [m for m in mutants if is_wanted(path, m, options)][:: options.every]
            say(f"{path}: {len(mutants)} mutants")
            for mutant in mutants:
                if options.list:
                    print(f"{path}:{mutant.line}: {mutant.name}")
                    continue
                outcome = project.outcome(path, mutant.apply(source))
                if outcome == "survived" and (path, mutant.name) in equivalent:
                    outcome = "equivalent"
                counts[outcome] += 1
                if outcome == "survived":
                    survivors.append(mutant)
                    print(f"{path}:{mutant.line}: nothing notices {mutant.old} as in "
                          f"{mutant.name}", flush=True)
    say(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
