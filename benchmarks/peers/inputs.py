"""What the peers are given: the list, and how issuers and characters are read.

Peers need not know how a contributor writes, so they get the list in canonical form. Events they
read as they come: from tables made here of the rules' data.
"""

import csv
import subprocess

from fixture import SEED, TOP, checkit, say

RULES = TOP / "config" / "rules"
LIST_TOPIC = "list"
BOOKING_SCHEMA = 1  # as `checkit schemas` numbers them

CYRILLIC = dict(zip("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS"))
GREEK = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"))
FULL_WIDTH = range(0xFF01, 0xFF5F)
ZEROS = (0x0660, 0x06F0, 0x0966)  # of Arabic-Indic, extended Arabic-Indic and Devanagari digits


def characters():
    """Characters outside ASCII that stand for a letter or digit."""
    table = {chr(code): chr(code - 0xFEE0).upper() for code in FULL_WIDTH}
    table |= {chr(zero + digit): str(digit) for zero in ZEROS for digit in range(10)}
    for alike, latin in (CYRILLIC | GREEK).items():
        table |= {alike: latin, alike.lower(): latin}
    return {character: latin for character, latin in table.items() if latin.isalnum()}


def rows(name):
    with open(RULES / name, newline="") as lines:
        yield from csv.DictReader(line for line in lines if line.strip() and line[0] != "#")


def issuers():
    """Codes that name an issuer; an alias wins."""
    table = {}
    for row in rows("iso_3166.csv"):
        table |= {row["alpha_2"]: row["alpha_3"], row["alpha_3"]: row["alpha_3"]}
    for row in rows("country_aliases.csv"):
        table[row["alias"]] = row["issuer"]
    return {code: issuer for code, issuer in table.items() if len(issuer) == 3}


def pairs(path, table):
    path.write_text("".join(f"{key}\t{value}\n" for key, value in table), "utf-8")
    return path


def write_list(site, entries, path):
    """Issuer and number, canonical, and the entry's id: the same list without its noise."""
    made = site.folder / "list.csv"
    checkit("generate", "list", "--entries", entries, "--seed", SEED, "--no-noise",
            "--quiet", "--out", made)
    with made.open(newline="") as lines:
        pairs(path, ((row["issuer"] + row["number"], row["entry_id"])
                     for row in csv.DictReader(lines)))
    made.unlink()


def write(site, entries):
    """Files, and the topic of the list; as settings."""
    listed = site.folder / "list.tsv"
    say(f"a list of {entries:,} in canonical form, as a file and on a topic")
    write_list(site, entries, listed)
    site.broker.admin.create_topics({LIST_TOPIC: {
        "num_partitions": 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}})
    subprocess.run(["kcat", "-P", "-b", site.broker.bootstrap, "-t", LIST_TOPIC, "-K", "\\t",
                    "-z", "lz4", "-X", "linger.ms=20", "-l", listed], check=True)
    return {
        "list": listed, "list_topic": LIST_TOPIC, "entries": entries,
        "characters": pairs(site.folder / "characters.tsv", characters().items()),
        "issuers": pairs(site.folder / "issuers.tsv", issuers().items()),
        "schema": site.folder / "schemas" / f"{BOOKING_SCHEMA}.avsc",
        "schema_id": BOOKING_SCHEMA}
