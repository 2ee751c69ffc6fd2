#!/usr/bin/env python3
"""Generated traffic with noise against a generated list: who is paged, and what is found.

check_airline.py CHECKIT [--entries N] [--documents N] [--hit-rate R] [--misreads M] [--seed S]

* Every page, and every other hit, is one that the truth knows.
* Every planted document is found in the tier and class of the truth.
* Of those with one character misread, at least 99 % are found, in page or review.

The truth comes from the generator, the answers from `checkit match`.
"""

import argparse
import csv
import itertools
import pathlib
import subprocess
import sys
import tempfile

DOCUMENTS_PER_EVENT = 1.6
FOUND_MIN = 0.99


def read(path):
    with open(path, encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def hits_of(answer):
    """{entry id: TIER:CLASS}"""
    return dict(hit.split("=", 1) for hit in answer.split(";")) if "=" in answer else {}


class Tally:
    def __init__(self):
        self.documents = self.planted = self.misread = self.misread_found = self.pages = 0
        self.wrong = []

    def take(self, document, answer):
        self.documents += 1
        expected, found = hits_of(document["expected"]), hits_of(answer)
        is_misread = "MISREAD:" in expected.values()
        self.planted += bool(expected) and not is_misread
        self.misread += is_misread
        self.misread_found += is_misread and set(found) == set(expected)
        self.pages += sum(hit.endswith(":page") for hit in found.values())
        if is_misread and not found:
            return
        known = set(found) == set(expected) if is_misread else answer == document["expected"]
        if not known:
            self.wrong.append(f"{document} is answered {answer}")


def check(checkit, options, folder):
    def run(*command):
        subprocess.run([checkit, *map(str, command)], check=True)

    made = ["--entries", options.entries, "--seed", options.seed, "--quiet"]
    listed, documents, answers = (folder / name for name in ("list.csv", "events.csv", "out.csv"))
    events = int(options.documents / DOCUMENTS_PER_EVENT)
    run("generate", "list", *made, "--out", listed)
    run("generate", "bookings", *made, "--events", events, "--hit-rate", options.hit_rate,
        "--misreads", options.misreads, "--out", documents)
    run("match", "--entries", listed, "--in", documents, "--out", answers, "--quiet")
    tally = Tally()
    for document, answer in itertools.zip_longest(read(documents), read(answers)):
        if not document or not answer or document["id"] != answer["id"]:
            sys.exit(f"check_airline: no answer to {document}, or out of order: {answer}")
        tally.take(document, answer["answer"])
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkit")
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--hit-rate", default="0.01")
    parser.add_argument("--misreads", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkit-airline-") as folder:
        tally = check(options.checkit, options, pathlib.Path(folder))
    print(f"{tally.documents:,} documents against {options.entries:,} entries: "
          f"{tally.pages:,} pages; {tally.planted:,} planted; {tally.misread:,} misread, "
          f"{tally.misread_found:,} of them found; {len(tally.wrong):,} answers unlike the truth")
    for text in tally.wrong[:10]:
        print(text)
    is_enough = tally.misread_found >= FOUND_MIN * tally.misread
    is_tried = tally.planted and (tally.misread or options.misreads == 0)
    sys.exit(0 if is_tried and is_enough and not tally.wrong else 1)


if __name__ == "__main__":
    main()
