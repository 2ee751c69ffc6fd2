"""What the cases of the bench run on: a broker, lists on disk, topics of events with their truth;
and the two subjects, each run once over a topic."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

import list_figures
from cases import HIT_RATES

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
SEED = 20261124
FORMS = {"wide": (101, "Wide"), "partner": (102, "Partner")}  # id and file of their schemas
DOCUMENT = {"number": "docNo", "issuer": "issuingState", "type": "docType", "nationality": "nat"}
PARTNER_INPUT = {
    "partner": "partner", "sector": "AIR",
    "documents": [{"path": "pax[]{Adult}.docs[]"} | DOCUMENT,
                  {"path": "pax[]{Infant}.document"} | DOCUMENT],
    "event": {"id": "bookingId", "time": "createdAt", "journey": "bookingId", "place": "channel"},
}
FEED = "document-changes"
FEED_FULL = "document-changes.full"  # the list is on it, for what is measured of loading it
EVENT_BYTES = {"booking": 180, "wide": 2100, "partner": 220}  # on disk, at most

# Where all of it goes, the broker's folder too.
tempfile.tempdir = os.environ.get("CHECKIT_BENCH_DIR") or None


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(*command):
    """What a child printed; its failure is the bench's."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(words)}: exit {done.returncode}")
    return done.stdout


def checkit(*arguments):
    return run(BUILD / "checkit", *arguments)


def disk_free():
    return shutil.disk_usage(tempfile.gettempdir()).free


def knows_exactly_once():
    schema = json.loads(checkit("config", "schema"))
    return "exactly_once" in schema["properties"].get("delivery", {}).get("enum", [])


def read_truth(path):
    """{(tier, class): hits}"""
    with path.open(newline="") as lines:
        return Counter((row["tier"], row["class"]) for row in csv.DictReader(lines))


def hits_of(summary):
    return Counter({(tier, kind): count for tier, kinds in summary["hits"].items()
                    for kind, count in kinds.items() if count})


class Fixture:
    def __init__(self, broker, folder, events):
        self.broker = broker
        self.folder = folder
        self.events = events
        self.configs = 0
        self.truths = {}  # by topic
        checkit("schemas", folder / "schemas")
        for number, name in FORMS.values():
            shutil.copy(TOP / "benchmarks" / "schemas" / f"{name}.avsc",
                        folder / "schemas" / f"{number}.avsc")
        checkit("key", "new", "--store-key", self.store_key,
                "--identity-key", folder / "identity.key")

    @property
    def store_key(self):
        return self.folder / "store.key"

    # --- configurations ---

    def kafka(self, tls):
        if not tls:
            return {"bootstrap.servers": self.broker.bootstrap}
        return {"bootstrap.servers": self.broker.tls_bootstrap, "security.protocol": "ssl",
                "ssl.ca.location": str(self.broker.authority)}

    def config(self, topic, *, form="booking", tls=False, kafka=None, **values):
        """A file of its own, with a group of its own, so that each run begins at the beginning."""
        self.configs += 1
        path = self.folder / f"checkit-{self.configs}.yaml"
        reading = PARTNER_INPUT if form == "partner" else {"preset": "booking"}
        config = {
            "kafka": self.kafka(tls) | (kafka or {}),
            "group": f"bench-{self.configs}",
            "instance": "bench",
            "workers": 1,
            "inputs": [{"topic": topic} | reading],
            "feed": {"topic": FEED},
            "store": {"path": "store", "key": self.store_key.name},
            "identity_key": "identity.key",
            "schemas": {"folder": "schemas"},
            "http": {"listen": "127.0.0.1:0"},
            "log": {"level": "warn"},
        }
        path.write_text(json.dumps(config | values))  # JSON is YAML
        return path

    def config_of(self, case, **values):
        """Both subjects read one like it, so that no setting differs by oversight."""
        store = {"path": self.list(case.entries).name, "key": self.store_key.name}
        more = {} if case.delivery == "at_least_once" else {"delivery": case.delivery}
        more |= values
        return self.config(case.topic, form=case.form, tls=case.tls, workers=case.workers,
                           store=store, kafka={"compression.type": "lz4"}, **more)

    # --- lists ---

    def list(self, entries):
        """The store of so many entries; made by the first who asks."""
        store = self.folder / f"store-{entries}"
        if store.exists():
            return store
        needed = list_figures.DISK_BYTES_AN_ENTRY * entries
        if needed > disk_free():
            sys.exit(f"bench: a list of {entries:,} takes {needed / 1e9:.0f} GB of disk, and "
                     f"{disk_free() / 1e9:.0f} GB are left: set CHECKIT_BENCH_DIR")
        say(f"a list of {entries:,} is made up and imported")
        rows = self.folder / "list.csv.zst"
        list_figures.generate(BUILD / "checkit", entries, SEED, rows)
        checkit("list", "import", "--store", store, "--store-key", self.store_key, rows)
        rows.unlink()
        return store

    def fill_feed(self, entries):
        """The same list on a feed of its own."""
        self.create(FEED_FULL, 4)
        say(f"a list of {entries:,} to {FEED_FULL}")
        config = self.config("bookings", log={"level": "error"})
        checkit("generate", "list", "-c", config, "--quiet", "--topic", FEED_FULL,
                "--entries", entries, "--seed", SEED)

    # --- topics ---

    def create(self, topic, partitions):
        self.broker.admin.create_topics(
            {topic: {"num_partitions": partitions, "replication_factor": 1}},
            wait_for_metadata=True)

    def truth_file(self, topic):
        """What was planted in a topic that is filled, a hit a row."""
        return self.folder / f"{topic}.truth.csv"

    def events_of(self, case):
        return max(1, int(self.events * case.share))

    def fill(self, case):
        """The topic of the case's events, made by the first who asks."""
        if case.topic in self.truths:
            return
        events = self.events_of(case)
        say(f"{events:,} events to {case.topic}")
        self.create(case.topic, case.partitions)
        truth = self.truth_file(case.topic)
        config = self.config(case.topic, kafka={"compression.type": case.compression},
                             log={"level": "error"})  # of a broker that has just started
        options = ["-c", config, "--topic", case.topic, "--events", events,
                   "--entries", case.entries, "--seed", SEED, "--truth", truth]
        if case.form == "booking":
            checkit("generate", "bookings", "--quiet", "--profile", case.profile, *options)
        else:
            run(BUILD / "events_writer", "--form", case.form, "--schema-id", FORMS[case.form][0],
                "--hit-rate", HIT_RATES[case.profile], *options)
        self.truths[case.topic] = read_truth(truth)

    def drop(self, topic):
        if self.truths.pop(topic, None) is not None:
            self.broker.admin.delete_topics([topic])
            self.truth_file(topic).unlink()

    # --- subjects ---

    def bare(self, case):
        """Consumers with our settings that only count."""
        figures = json.loads(run(BUILD / "bare", self.config_of(case), case.workers))
        if figures["records"] != self.events_of(case):
            sys.exit(f"bench: {figures['records']:,} of {self.events_of(case):,} events are there")
        return figures["measured"] | {"peak_mb": figures["peak_memory_mb"]}

    def screen(self, case, **values):
        """Fails unless every event was screened and every hit found, in its tier and class. values:
        of the configuration."""
        summary = json.loads(checkit("screen", "-c", self.config_of(case, **values), "--until-end"))
        found, planted = hits_of(summary), self.truths[case.topic]
        is_whole = summary["records"] == self.events_of(case) and found == planted
        if not is_whole or any(summary["dead_letters"].values()):
            sys.exit(f"bench: {case.name}: screened {summary['records']:,} of "
                     f"{self.events_of(case):,} events, found {dict(found)}, planted "
                     f"{dict(planted)}: {summary}")
        if "measured" not in summary:
            sys.exit("bench: over before it was looked at: take more --events")
        return summary["measured"] | {"peak_mb": summary["peak_memory_mb"]}


def disk_needed(cases, events):
    """Of the largest list, and of the largest topic: they are deleted one by one."""
    lists = {case.entries for case in cases}
    topics = [EVENT_BYTES[case.form] * events * case.share for case in cases]
    return max(lists, default=0) * list_figures.DISK_BYTES_AN_ENTRY + int(max(topics, default=0))


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="checkit-bench-")
