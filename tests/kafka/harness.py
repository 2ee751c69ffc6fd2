"""What the tests on a real Kafka share: screening processes, messages in and out, waiting.

Messages are written and read by clients that are not ours: kafka-python and fastavro, under the
schemas `checkit schemas` writes, numbered as it numbers them.

A test file ends in `harness.main()`; it is run as `test_X.py CHECKIT`, with KAFKA_JARS set.
CHECKIT_TEST_SEED replays the random choices of a run; each prints its own.
"""

import base64
import datetime
import hashlib
import http.client
import io
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter

import fastavro
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from cluster import Cluster, Topics, end, spawn, wait_until

TOP = pathlib.Path(__file__).resolve().parents[2]
CONTRACTS = ["BookingEvent", "BankingEvent", "DocumentChange", "Alert", "Receipt"]
SCHEMA_IDS = {name: i for i, name in enumerate(CONTRACTS, 1)}
SCHEMAS = {
    name: fastavro.parse_schema(json.loads((TOP / "schemas" / f"{name}.avsc").read_text("utf-8")))
    for name in CONTRACTS
}
PARTITIONS = {"bookings": 4, "banking": 2, "document-changes": 3, "alerts": 3}
WAIT_S = 60  # for what should take moments; slow machines and sanitizers included
LOG_LINES_SHOWN = 40
UTC = datetime.timezone.utc

CHECKIT = None  # set by main
CLUSTER = None


# --- messages --------------------------------------------------------------------------------


def prefix(schema_id):
    return bytes([0]) + schema_id.to_bytes(4, "big")


def encode(contract, value, schema_id=None):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[contract], value)
    return prefix(schema_id or SCHEMA_IDS[contract]) + out.getvalue()


def decode(contract, message):
    """Fails unless the prefix names the contract and every byte is read."""
    if message[:5] != prefix(SCHEMA_IDS[contract]):
        raise AssertionError(f"{contract}: prefix {message[:5].hex()}")
    datum = io.BytesIO(message[5:])
    value = fastavro.schemaless_reader(datum, SCHEMAS[contract])
    if datum.read():
        raise AssertionError(f"{contract}: bytes are left over")
    return value


def time_of(ms):
    return datetime.datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def ms_of(moment):
    return round(moment.timestamp() * 1000)


# Issuers are uninhabited territories: ISO codes that no passport carries.


def document(number, issuer="ATA", kind="PASSPORT", nationality=None, source="MRZ_OCR"):
    return {"number": number, "number_source": source, "type": kind, "issuer": issuer,
            "nationality": nationality, "expiry": None}


def booking(event_id, *documents, travellers=None, **other):
    """A booking of one traveller with these documents."""
    value = {
        "event_id": event_id, "event_time": time_of(1_767_225_600_000), "partner_id": "air-1",
        "sector": "AIR", "stage": "CHECK_IN", "journey_ref": f"journey-{event_id}",
        "origin": "UTA", "destination": None, "departs_at": None, "attributes": {},
        "travellers": travellers or [{"traveller_ref": "1", "documents": list(documents)}],
    }
    return value | other


def banking(event_id, *documents, **other):
    value = {
        "event_id": event_id, "event_time": time_of(1_767_225_600_000), "partner_id": "bank-1",
        "stage": "ONBOARD", "customer_ref": f"customer-{event_id}", "documents": list(documents),
        "attributes": {},
    }
    return value | other


LISTED = "KX102938"


def event(i):
    return encode("BookingEvent", booking(f"event-{i}", document(LISTED)))


def upsert(entry_id, number, revision=1, **other):
    value = {
        "entry_id": entry_id, "op": "UPSERT", "revision": revision, "number": number,
        "number_to": None, "issuer": "ATA", "type": "PASSPORT", "loss": "STOLEN", "flags": [],
        "contributor": "authority-1", "reported_on": None, "lost_on": None, "expiry": None,
        "review_on": None, "national_ref": None, "effective_at": time_of(1_767_225_600_000),
    }
    return value | other


def withdraw(entry_id, revision):
    return upsert(entry_id, None, revision, op="WITHDRAW", issuer=None, type=None, loss=None)


# --- clients ---------------------------------------------------------------------------------


def patiently(question, what):
    """Its first answer that is one: some clients ask a broker that has just gone, and give up."""
    def ask():
        try:
            return question()
        except KafkaError:
            return None

    return wait_until(ask, WAIT_S, what, pause_s=0.01)


class Writer:
    """A kafka-python producer. Keys are partitioned by murmur2, as its default is."""

    def __init__(self, **settings):
        self.producer = KafkaProducer(
            bootstrap_servers=CLUSTER.bootstrap, acks="all", linger_ms=settings.pop("linger_ms", 5),
            request_timeout_ms=30000, **settings,
        )
        self.pending = []

    def send(self, topic, value, key=None, **other):
        future = self.producer.send(topic, value=value, key=key, **other)
        self.pending.append(future)
        return future

    def change(self, topic, change):
        return self.send(topic, encode("DocumentChange", change), change["entry_id"].encode())

    def flush(self):
        """Waits for everything sent; returns what the broker said of it, in that order."""
        self.producer.flush(timeout=WAIT_S)
        done = [future.get(timeout=WAIT_S) for future in self.pending]
        self.pending = []
        return done

    def close(self):
        self.producer.close(timeout=10)


class Reader:
    """Reads topics from their beginning, without a group; keeps what it has read."""

    def __init__(self, *topics):
        self.consumer = KafkaConsumer(
            bootstrap_servers=CLUSTER.bootstrap, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", fetch_max_wait_ms=50, max_poll_records=5000,
            allow_auto_create_topics=False,
        )
        self.topics = topics
        self.records = []
        partitions = [
            TopicPartition(topic, p)
            for topic in topics
            for p in patiently(lambda topic=topic: self.consumer.partitions_for_topic(topic),
                               f"{topic} is found")
        ]
        self.consumer.assign(partitions)
        self.consumer.seek_to_beginning(*partitions)

    def ends(self):
        partitions = list(self.consumer.assignment())
        return patiently(lambda: self.consumer.end_offsets(partitions), "ends are told")

    def read(self):
        """All there is now; returns all records so far."""
        return self.read_to(self.ends())

    def read_to(self, ends):
        def reached():
            self.poll()
            return all(self.consumer.position(p) >= offset for p, offset in ends.items())

        patiently(reached, f"the end of {self.topics} is read")
        return self.records

    def poll(self, timeout_ms=100):
        """The records that came; none when the client asked a broker that has just gone."""
        try:
            batches = self.consumer.poll(timeout_ms=timeout_ms).values()
        except KafkaError:
            batches = []
        new = [record for batch in batches for record in batch]
        self.records.extend(new)
        return new

    def wait_for(self, count, seconds=WAIT_S):
        """Until so many records were read; returns all."""
        wait_until(lambda: self.poll() is not None and len(self.records) >= count, seconds,
                   lambda: f"{count} records of {self.topics}, {len(self.records)} came", pause_s=0)
        return self.records

    def close(self):
        self.consumer.close()


def read_all(*topics):
    reader = Reader(*topics)
    try:
        return reader.read()
    finally:
        reader.close()


class CommittedReader:
    """What a reader of committed messages sees, by Kafka's own client, compiled for the module."""

    SOURCE = pathlib.Path(__file__).with_name("ReadCommitted.java")

    def __init__(self):
        folder = tempfile.TemporaryDirectory(prefix="checkit-reader-")
        unittest.addModuleCleanup(folder.cleanup)
        self.classes = f"{folder.name}:{os.environ['KAFKA_JARS']}/*"
        subprocess.run(["javac", "-cp", self.classes, "-d", folder.name, self.SOURCE], check=True)

    def read(self, *topics):
        """{topic: values} of what there is now."""
        done = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", self.classes, self.SOURCE.stem,
             CLUSTER.bootstrap, *topics],
            capture_output=True, text=True, timeout=WAIT_S, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        values = {topic: [] for topic in topics}
        for line in done.stdout.splitlines():
            topic, _, _, value = line.split()
            values[topic].append(None if value == "-" else base64.b64decode(value))
        return values


def topic_config(topic, **configs):
    """For alter_configs; cleanup_policy is cleanup.policy."""
    named = {name.replace("_", "."): str(value) for name, value in configs.items()}
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs=named)


def headers_of(record):
    return {name: value.decode() for name, value in record.headers}


# --- the program -----------------------------------------------------------------------------


def checkit(*arguments, code=0, **options):
    done = subprocess.run([CHECKIT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=WAIT_S, **options)
    if done.returncode != code:
        raise AssertionError(f"{arguments}: exit {done.returncode}, not {code}\n{done.stderr}")
    return done.stdout


class Process:
    """One screening process: its configuration, store and key; started any number of times."""

    def __init__(self, site, name, **settings):
        self.site = site
        self.name = name
        self.folder = site.folder / name
        self.folder.mkdir()
        self.config = self.folder / "checkit.yaml"
        self.store = self.folder / "store"
        self.log = self.folder / "log"
        self.process = None
        self.starts = 0
        self.configure(**settings)

    def configure(self, workers=2, **settings):
        topics = self.site.topics
        kafka = {
            "bootstrap.servers": CLUSTER.bootstrap,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 200,
            "fetch.wait.max.ms": 100,
        } | settings.pop("kafka", {})
        config = {
            "kafka": kafka,
            "group": topics.prefix + "group",
            "instance": self.name,
            "workers": workers,
            "memory_mb": 64,
            "commit_interval_ms": 200,
            "inputs": [
                {"topic": topics.bookings, "preset": "booking"},
                {"topic": topics.banking, "preset": "banking"},
            ],
            "outputs": {
                "alerts": topics.alerts, "receipts": topics.receipts,
                "dead_letters": topics.dead_letters, "due_page_s": 90, "due_review_s": 3600,
                "alerts_test": topics.prefix + "alerts.test",
            },
            "heartbeat": {"topic": topics.heartbeat, "interval_s": 0},
            "feed": {"topic": topics.document_changes},
            "store": {"path": "store", "key": "store.key"},
            "identity_key": "../identity.key",
            "schemas": {"folder": "../schemas"},
            "http": {"listen": "127.0.0.1:0"},  # several run side by side
            "log": {"format": "json"},
        }
        for key, value in settings.items():
            config[key] = config[key] | value if isinstance(config.get(key), dict) else value
        self.config.write_text(json.dumps(config, indent=1))  # JSON is YAML

    def make_keys(self):
        checkit("key", "new", "-c", self.config)

    def start(self, *arguments, kill_point=None):
        environment = dict(os.environ)
        environment.pop("CHECKIT_KILL_POINT", None)
        if kill_point:
            environment["CHECKIT_KILL_POINT"] = kill_point
        self.starts += 1
        self.kill_point = kill_point and kill_point.split(":")[0]
        self.log_began = self.log.stat().st_size if self.log.exists() else 0
        self.out = self.folder / f"out-{self.starts}"
        with self.log.open("ab") as log, self.out.open("wb") as out:
            self.process = spawn([CHECKIT, "screen", "-c", self.config, *arguments],
                                 stdout=out, stderr=log, env=environment)
        return self

    def logged(self, message=None, **fields):
        """The lines since the last start that say so."""
        with self.log.open("rb") as log:
            log.seek(self.log_began)
            lines = log.read().decode("utf-8", "replace").split("\n")[:-1]  # the last: unfinished
        said = [json.loads(line) for line in lines if line.startswith("{")]
        wanted = fields if message is None else fields | {"message": message}
        return [line for line in said if wanted.items() <= line.items()]

    def wait_for_log(self, message, count=1, seconds=WAIT_S, **fields):
        """Until it was said so often since the last start; fails at once when the process ends."""
        def said():
            has_ended = self.process.poll() is not None
            lines = self.logged(message, **fields)
            if len(lines) < count and has_ended:
                raise AssertionError(
                    f"{self.name} ended with {self.process.returncode} before it said {message!r}")
            return lines if len(lines) >= count else None

        return wait_until(said, seconds, f"{self.name} says {message!r} {fields}")

    def wait_ready(self, seconds=WAIT_S):
        return self.wait_for_log("ready", where="screener", seconds=seconds)[0]

    def get(self, path):
        """(status, body) of what it answers over HTTP; said to listen at its start."""
        address = self.wait_for_log("answers /livez, /readyz and /metrics")[0]["address"]
        connection = http.client.HTTPConnection(address, timeout=WAIT_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8")
        connection.close()
        return answer.status, body

    def metrics(self):
        """Every sample by name and labels, as they are written."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line[:1] != "#"]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def ready(self):
        return json.loads(self.get("/readyz")[1])

    def error(self):
        """What it said as it ended: the line of main."""
        lines = self.log.read_text("utf-8", "replace")[self.log_began:].splitlines()
        return next((line for line in lines if line.startswith("checkit: ")), None)

    def wait(self, seconds=WAIT_S):
        return self.process.wait(seconds)

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds=WAIT_S):
        self.terminate()
        return self.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def run_until_end(self, seconds=120):
        """Screens to the end there is now; returns the summary."""
        self.start("--until-end")
        code = self.wait(seconds)
        if code != 0:
            raise AssertionError(f"{self.name} --until-end: exit {code}")
        return json.loads(self.out.read_text())

    def close(self):
        if self.process is not None:
            end(self.process)


class Site:
    """A group of screening processes on topics of their own."""

    count = 0

    def __init__(self, folder, partitions=None, **topics):
        Site.count += 1
        self.folder = folder
        topics = Topics(f"s{Site.count}.", PARTITIONS | (partitions or {}), **topics)
        self.topics = CLUSTER.create_topics(topics)
        self.processes = []
        checkit("schemas", folder / "schemas")

    def process(self, name, **settings):
        process = Process(self, name, **settings)
        process.make_keys()
        self.processes.append(process)
        return process

    def committed(self):
        """{TopicPartition: offset} of the group."""
        group = self.topics.prefix + "group"
        answer = patiently(lambda: CLUSTER.admin.list_group_offsets({group: None}),
                           "commits are told")[group]
        return {partition: value.offset for partition, value in answer.items() if value.offset >= 0}

    def forget_commits(self):
        """Deletes the group, once the broker knows that its members have gone."""
        group = self.topics.prefix + "group"

        def deleted():
            return CLUSTER.admin.delete_groups([group])[group] == "OK"

        wait_until(deleted, WAIT_S, f"{group} has no members and is deleted")

    def identity_key(self):
        text = (self.folder / "identity.key").read_text().split("\n")
        assert text[0] == "checkit identity key 1", text[0]
        return hashlib.blake2b(b"identity", key=bytes.fromhex(text[1]), digest_size=32).digest()

    def close(self):
        for process in self.processes:
            process.close()


def make_id(key, label, *fields):
    """Keyed BLAKE2b-128 over the fields, each behind its length (operators/alert.h)."""
    digest = hashlib.blake2b(key=key, digest_size=16)
    for field in (label, *fields):
        data = (field.to_bytes(8, "little", signed=True) if isinstance(field, int)
                else (field or "").encode())
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()


# --- tests -----------------------------------------------------------------------------------


class Case(unittest.TestCase):
    """Each test has a folder, and when it fails the logs of its processes are shown."""

    maxDiff = None

    def run(self, result=None):
        with tempfile.TemporaryDirectory(prefix="checkit-test-") as folder:
            self.folder = pathlib.Path(folder)
            before = len(result.failures) + len(result.errors)
            began = time.monotonic()
            super().run(result)
            print(f"{time.monotonic() - began:6.1f} s  {self.id()}", file=sys.stderr)
            if len(result.failures) + len(result.errors) == before:
                return
            for log in sorted(self.folder.glob("**/log")):
                if log.is_file():
                    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
                    print("\n".join([f"--- {log}", *lines]), file=sys.stderr)
            CLUSTER.show_logs()

    def site(self, **options):
        site = Site(self.folder, **options)
        self.addCleanup(site.close)
        return site

    def writer(self, **settings):
        writer = Writer(**settings)
        self.addCleanup(writer.close)
        return writer

    def reader(self, *topics):
        reader = Reader(*topics)
        self.addCleanup(reader.close)
        return reader


class GroupCase(Case):
    """With one listed document, a hit in every event; and what it says of what was screened."""

    def start_site(self, **options):
        self.site_ = self.site(**options)
        self.topics = self.site_.topics
        self.writer_ = self.writer()
        self.writer_.change(self.topics.document_changes, upsert("e", LISTED))
        self.writer_.flush()

    def send(self, first, count, partitions=4):
        for i in range(first, first + count):
            self.writer_.send(self.topics.bookings, event(i), partition=i % partitions)
        self.writer_.flush()

    def alert_values(self):
        return [record.value for record in read_all(self.topics.alerts)]

    def alerts(self):
        """How often each record was alerted: {(topic, partition, offset): count}."""
        alerts = [decode("Alert", value) for value in self.alert_values()]
        return Counter((a["event"]["topic"], a["event"]["partition"], a["event"]["offset"])
                       for a in alerts)

    def receipts(self):
        return [decode("Receipt", record.value) for record in read_all(self.topics.receipts)]

    def sent(self):
        ends = self.reader(self.topics.bookings).ends()
        return {(p.topic, p.partition, offset) for p, end in ends.items() for offset in range(end)}

    def committed(self, topic=None):
        """{partition: offset}, zeros left out."""
        return {p.partition: offset for p, offset in self.site_.committed().items()
                if offset and p.topic == (topic or self.topics.bookings)}

    def check_receipts_have_no_gap(self, ends):
        for partition, end in ends.items():
            reached = 0
            for receipt in self.receipts():
                if (receipt["topic"], receipt["partition"]) != (self.topics.bookings, partition):
                    continue
                self.assertLessEqual(receipt["from_offset"], reached)
                self.assertLess(receipt["from_offset"], receipt["to_offset"])
                reached = max(reached, receipt["to_offset"])
            self.assertEqual(reached, end)


def seeded(name):
    seed = int(os.environ.get("CHECKIT_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{name}: CHECKIT_TEST_SEED={seed}", file=sys.stderr)
    return random.Random(seed)


def main():
    global CHECKIT, CLUSTER
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    module = sys.modules["__main__"]
    CLUSTER = Cluster(os.environ.get("KAFKA_JARS", ""))
    try:
        program = unittest.main(module=module, exit=False)
    finally:
        CLUSTER.stop()
    sys.exit(not program.result.wasSuccessful())
