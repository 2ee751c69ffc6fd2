"""What `checkit generate` makes, read by readers that are not ours: fastavro for the container
files, Python's csv for the rest, and the rules' second reading (model.py) for the truth.

    python3 check_generated.py CHECKIT RULES     the program; the folder of the rule data

* The files in Avro and in CSV say the same.
* Every entry is one the rules admit, and fits a template of its issuer and type where there are
  some; no two entries list one number, whoever issued it.
* What every document is expected to be, and the truth, is what the model answers.
"""

import csv
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import fastavro

import model

TOP = pathlib.Path(__file__).resolve().parents[2]
SEED = 11
ENTRIES = 30000
EVENTS = 20000
HIT_RATE = "0.05"
SYMBOLS = {"L": "[A-Z]", "D": "[0-9]", "A": "[A-Z0-9]"}


def fail(*words):
    raise SystemExit("check_generated: " + " ".join(map(str, words)))


def check_equal(what, a, b):
    if a != b:
        fail(what, "differ:", a, "and", b)


def bytes_of(text):
    return text.encode("utf-8") if text else None


# --- reading ---


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_avro(path, contract):
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        check_equal("schemas", reader.metadata["avro.schema"],
                    (TOP / "schemas" / f"{contract}.avsc").read_text("utf-8"))
        return list(reader)


def row_of_change(change):
    """A record of DocumentChange in the columns of the CSV."""
    row = {name: "" if value is None else str(value) for name, value in change.items()}
    row["flags"] = "|".join(change["flags"])
    at = change["effective_at"].astimezone(datetime.timezone.utc)
    row["effective_at"] = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
    return row


def documents_of(event):
    if "documents" in event:
        return event["documents"]
    return [document for traveller in event["travellers"] for document in traveller["documents"]]


def rows_of_event(event):
    for index, document in enumerate(documents_of(event), 1):
        yield {"id": f"{event['event_id']}/{index}",
               **{name: document[name] or "" for name in ("number", "issuer", "type",
                                                           "nationality")}}


# --- the list ---


def read_templates(rules):
    templates = {}
    for issuer, kind, template in model.read_rows(rules, "document_templates.csv"):
        pattern = re.sub(r"\[[^]]*\]|[LDA]", lambda m: SYMBOLS.get(m[0], m[0]), template)
        templates.setdefault((issuer, kind), []).append(re.compile(pattern))
    return templates


def check_fits(templates, entry):
    """Types such as ANY, under which some are listed, have no templates."""
    applying = templates.get((entry.issuer, entry.type), [])
    if applying and not any(template.fullmatch(entry.number) for template in applying):
        fail(entry.issuer, entry.type, entry.number, "fits no template")


def check_list(data, rules, rows):
    templates = read_templates(rules)
    entries, numbers, folds = {}, set(), set()
    for row in rows:
        entry = model.Entry(data, bytes_of(row["entry_id"]), bytes_of(row["number"]), None,
                            bytes_of(row["issuer"]), bytes_of(row["type"]))
        check_fits(templates, entry)
        entries.setdefault((entry.issuer, entry.number), []).append((row["entry_id"], entry))
        numbers.add(entry.number)
        folds.add((entry.issuer, model.fold(entry.number)))
    check_equal("entries", len(rows), ENTRIES)
    check_equal("numbers of entries", len(numbers), ENTRIES)
    check_equal("folded numbers of issuers", len(folds), ENTRIES)
    return entries


# --- events ---


def answer(data, entries, row):
    """The column `expected`, and the hits behind it."""
    document = model.Document(data, *(bytes_of(row[name]) for name in
                                      ("number", "issuer", "type", "nationality")))
    if document.unscreenable:
        return f"unscreenable:{document.unscreenable}", []
    if document.is_specimen:
        return "specimen", []
    hits = []
    for entry_id, entry in entries.get((document.issuer, document.number), []):
        judged = model.judge(data, document, entry)
        if judged:
            hits.append((entry_id, *judged))
    text = ";".join(f"{entry_id}={tier}:{kind}" for entry_id, tier, kind in sorted(hits))
    return text or "none", hits


def check_events(data, entries, topic, rows, truth):
    outcomes, found = {}, set()
    for row in rows:
        check_equal("columns left empty", row["number_to"], "")
        expected, hits = answer(data, entries, row)
        check_equal(f"answers to {row['id']}", row["expected"], expected)
        outcome = "hit" if hits else expected
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        event_id = row["id"].partition("/")[0]
        found.update((topic, event_id, *hit) for hit in hits)
    lines = [(*line.values(),) for line in truth]
    lines = [(*line[:-1], line[-1].lower()) for line in lines]
    check_equal("hits, each once", len(lines), len(set(lines)))
    check_equal("truth and hits", set(lines), found)
    check_equal("outcomes", set(outcomes),
                {"hit", "none", "specimen", "unscreenable:number_missing",
                 "unscreenable:number_invalid", "unscreenable:number_placeholder"})
    print(f"{topic}: {len(rows)} documents, {outcomes['hit']} of them hits, "
          f"{len(lines)} lines of truth")


# --- the whole ---


def generate(checkit, *arguments):
    subprocess.run([checkit, "generate", *map(str, arguments), "--seed", str(SEED),
                    "--quiet"], check=True)


def check(checkit, rules, folder):
    data = model.Data(rules)
    for ending in ("csv", "avro"):
        generate(checkit, "list", "--entries", ENTRIES, "--out", folder / f"list.{ending}")
        for kind in ("bookings", "banking"):
            generate(checkit, kind, "--events", EVENTS, "--entries", ENTRIES, "--hit-rate",
                     HIT_RATE, "--out", folder / f"{kind}.{ending}",
                     "--truth", folder / f"{kind}.{ending}.truth")

    listed = read_csv(folder / "list.csv")
    for row, change in zip(listed, read_avro(folder / "list.avro", "DocumentChange"), strict=True):
        check_equal("entries", row, row_of_change(change))
    entries = check_list(data, rules, listed)

    for kind, contract in (("bookings", "BookingEvent"), ("banking", "BankingEvent")):
        rows = read_csv(folder / f"{kind}.csv")
        events = read_avro(folder / f"{kind}.avro", contract)
        check_equal("events", len(events), EVENTS)
        for row, read in zip(rows, (row for event in events for row in rows_of_event(event)),
                             strict=True):
            check_equal("documents", {name: row[name] for name in read}, read)
        truth = read_csv(folder / f"{kind}.csv.truth")
        check_equal("truths", truth, read_csv(folder / f"{kind}.avro.truth"))
        check_events(data, entries, kind, rows, truth)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        check(os.path.abspath(sys.argv[1]), sys.argv[2], pathlib.Path(folder))


if __name__ == "__main__":
    main()
