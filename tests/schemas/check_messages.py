"""Reads what we write with a reader that is not ours (fastavro), under the schemas we ship, and
compares it with what it was (tests/golden/messages.json).

    python3 tests/schemas/check_messages.py build/alert_dump
    CHECKIT_GOLDEN=rewrite python3 tests/schemas/check_messages.py build/alert_dump

Ids are under a fixed key. Should one of them change, every alert already sent has another id than
the same sighting screened again: never rewrite that away.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import fastavro

TOP = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = TOP / "tests" / "golden" / "messages.json"
MESSAGES = {"alert_full": "Alert", "alert_bare": "Alert",
            "receipt_full": "Receipt", "receipt_bare": "Receipt"}
PREFIX = bytes([0, 0, 0, 0, 7])
IDENTITY_KEY = hashlib.blake2b(b"identity", key=bytes(range(32)), digest_size=32).digest()
TIMESTAMPS_MS = {"alert_full": 1728045295789, "alert_bare": -1}  # of the records; alerts lack them
NATIONALITIES = {"alert_full": "UTO", "alert_bare": ""}


def read(message, contract):
    if not message.startswith(PREFIX):
        raise SystemExit(f"{contract}: no wire prefix of schema 7")
    schema = json.loads((TOP / "schemas" / f"{contract}.avsc").read_text("utf-8"))
    datum = io.BytesIO(message[len(PREFIX):])
    value = fastavro.schemaless_reader(datum, fastavro.parse_schema(schema))
    if datum.read():
        raise SystemExit(f"{contract}: bytes are left over")
    again = io.BytesIO()
    fastavro.schemaless_writer(again, fastavro.parse_schema(schema), value)
    if again.getvalue() != message[len(PREFIX):]:
        raise SystemExit(f"{contract}: fastavro writes it otherwise")
    if not re.fullmatch(r"\d+\.\d+\.\d+\+\S+", value["build"]):
        raise SystemExit(f"{contract}: build is {value['build']!r}")
    value["build"] = "VERSION+COMMIT"
    return value


def make_id(label, *fields):
    """Keyed BLAKE2b-128 over the fields, each behind its length (4 bytes, little-endian)."""
    digest = hashlib.blake2b(key=IDENTITY_KEY, digest_size=16)
    for field in (label, *fields):
        data = (field.to_bytes(8, "little", signed=True) if isinstance(field, int)
                else (field or "").encode())
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()


def check_ids(name, alert):
    """What the contract says the ids are made of (operators/alert.h), worked out here."""
    event, document, entry = alert["event"], alert["document"], alert["entry"]
    ids = {
        "alert_id": make_id("alert", event["partner_id"], event["journey_ref"], entry["entry_id"],
                            entry["revision"], alert["class"]),
        "sighting_id": make_id("sighting", "cluster-1", event["topic"], event["partition"],
                               event["offset"], TIMESTAMPS_MS[name], 1,
                               document["canonical_number"], document["issuer"], document["type"],
                               NATIONALITIES[name], entry["entry_id"]),
        "token": make_id("document", 1, document["issuer"], document["canonical_number"])}
    said = {"token": document["token"], **{key: alert[key] for key in ("alert_id", "sighting_id")}}
    if ids != said:
        raise SystemExit(f"{name}: ids are {said}, worked out as {ids}")


def read_all(tool):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([tool, folder], check=True)
        return {name: read((pathlib.Path(folder) / f"{name}.bin").read_bytes(), contract)
                for name, contract in MESSAGES.items()}


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    values = read_all(sys.argv[1])
    for name in TIMESTAMPS_MS:
        check_ids(name, values[name])
    text = json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n"
    if os.environ.get("CHECKIT_GOLDEN") == "rewrite":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, "utf-8")
        print(f"{GOLDEN} written: review it as a diff")
    elif text != GOLDEN.read_text("utf-8"):
        sys.stdout.write(text)
        raise SystemExit(f"differs from {GOLDEN}; CHECKIT_GOLDEN=rewrite writes it anew")


if __name__ == "__main__":
    main()
