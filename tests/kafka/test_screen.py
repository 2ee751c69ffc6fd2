"""From a client that is not ours to an alert read by one: what is screened, told and refused.

Run: KAFKA_JARS=DIR python3 test_screen.py CHECKIT
"""

import datetime
import json
import subprocess
import time

from kafka.partitioner.default import murmur2

import harness
from harness import (
    CONTRACTS, Case, TOP, banking, booking, checkit, decode, document, encode, headers_of,
    make_id, ms_of, prefix, read_all, time_of, upsert, withdraw,
)

EVENT_MS = 1_767_229_323_456  # 2026-01-01T01:02:03.456Z
RECORD_MS = 1_767_230_000_789
DAY = datetime.date
BYTES_MAX = 1024 * 1024
DOCUMENTS_MAX = 65536


def entry_of(change, loss):
    return {"entry_id": change["entry_id"], "revision": change["revision"], "loss": loss,
            "contributor": change["contributor"], "lost_on": change["lost_on"],
            "reported_on": change["reported_on"]}


class Alerts(Case):
    """Two events, a list of six entries, and every field of the five alerts."""

    GATE = {"shape": "LLDDDDDD", "live": 4, "limit": 676}  # 26 * 26 numbers for each listed one

    CHANGES = [
        upsert("e-exact", "KX 102938", 3, lost_on=DAY(2025, 12, 1), reported_on=DAY(2025, 12, 2),
               expiry=DAY(2030, 1, 1), review_on=DAY(2026, 1, 1), national_ref="file 1"),
        upsert("e-type", "kx-102938", 0, contributor="authority-2", type="ID_CARD", loss="LOST"),
        upsert("e-digits", "83746152", 9, type="V", loss="REVOKED", issuer="AQ"),
        upsert("e-flags", "NV556677", 2**40, type=None, loss=None, expiry=DAY(2025, 12, 31),
               lost_on=DAY(2026, 1, 2), flags=["SILENT", "DISPUTED", "TEST"]),
        upsert("e-withdrawn", "HJ778899"),
        upsert("e-elsewhere", "HJ778800", issuer="BVT"),
        withdraw("e-withdrawn", 2),
    ]
    BOOKING = booking(
        "event-1",
        travellers=[
            {"traveller_ref": "1", "documents": [document("kx102938", "aq", "P")]},
            {"traveller_ref": "2", "documents": [
                document("HJ778899"),
                document("HJ778800"),
                document("\N{CYRILLIC CAPITAL LETTER EN}V 55-66 77"),
                document("AB"),
                document("KX102938", kind="PASSPORT"),  # the first traveller's again
            ]},
        ],
        event_time=time_of(EVENT_MS), sector="SEA",
        origin="Hafen \N{LATIN SMALL LETTER O WITH DIAERESIS}",
    )
    BANKING = banking("event-2", document("8374 6152", nationality="BV"), document("TBA"),
                      event_time=time_of(EVENT_MS), customer_ref="")

    @classmethod
    def expected(cls):
        """{entry_id: what stands in its alert}, without what differs from run to run."""
        booked = {
            "event_id": "event-1", "partner_id": "air-1", "sector": "SEA", "stage": "CHECK_IN",
            "event_time": time_of(EVENT_MS), "place": cls.BOOKING["origin"],
            "journey_ref": "journey-event-1", "topic": "bookings",
        }
        banked = {
            "event_id": "event-2", "partner_id": "bank-1", "sector": "BANKING", "stage": "ONBOARD",
            "event_time": time_of(EVENT_MS), "place": None, "journey_ref": "event-2",
            "topic": "banking",
        }
        passport = {"number": "kx102938", "canonical_number": "KX102938", "issuer": "ATA",
                    "type": "PASSPORT"}

        def alert(place, entry_class, tier, confidence, flags, event, shown, entry, before_loss):
            return {
                "schema_version": 1, "kind": "HIT", "class": entry_class, "tier": tier,
                "suppressed": "SILENT" in flags, "confidence": confidence, "flags": flags,
                "edits": [], "event": event, "document": shown,
                "entry": entry_of(cls.CHANGES[place], entry),
                "timing": {"use_before_loss": before_loss}, "rules_version": "1",
            }

        return {
            "e-exact": alert(0, "PAGE", "EXACT", 100, [], booked, passport, "STOLEN", False),
            "e-type": alert(1, "PAGE", "TYPE_DIFFERS", 95, [], booked, passport, "LOST", None),
            "e-digits": alert(
                2, "REVIEW", "TYPE_DIFFERS", 95, [], banked,
                {"number": "8374 6152", "canonical_number": "83746152", "issuer": "ATA",
                 "type": "PASSPORT"}, "REVOKED", None),
            "e-elsewhere": alert(
                5, "REVIEW", "NUMBER_ONLY", 40, [], booked,
                {"number": "HJ778800", "canonical_number": "HJ778800", "issuer": "ATA",
                 "type": "PASSPORT"}, "STOLEN", None),
            "e-flags": alert(
                3, "PAGE", "TYPE_DIFFERS", 95,
                ["HOMOGLYPH", "ENTRY_EXPIRED", "SILENT", "DISPUTED", "TEST"], booked,
                {"number": "\N{CYRILLIC CAPITAL LETTER EN}V 55-66 77",
                 "canonical_number": "HV556677", "issuer": "ATA", "type": "PASSPORT"},
                "UNKNOWN", True),
        }

    def setUp(self):
        # The look-alike reads as H: listed is what the eye sees.
        self.CHANGES[3]["number"] = "HV556677"
        self.site_ = self.site()
        self.topics = self.site_.topics
        self.process = self.site_.process("p")
        self.screen()

    def screen(self):
        writer = self.writer()
        for change in self.CHANGES:
            writer.change(self.topics.document_changes, change)
        writer.flush()
        self.began_ms = int(time.time() * 1000)
        for topic, contract, event in (
            (self.topics.bookings, "BookingEvent", self.BOOKING),
            (self.topics.banking, "BankingEvent", self.BANKING),
        ):
            writer.send(topic, encode(contract, event), b"a key", timestamp_ms=RECORD_MS)
        self.booked, self.banked = writer.flush()
        self.summary = self.process.run_until_end()
        self.ended_ms = int(time.time() * 1000)
        self.records = self.read_alerts()
        self.alerts = {}
        for record in self.records:
            alert = decode("Alert", record.value)
            self.alerts[alert["entry"]["entry_id"]] = alert

    def read_alerts(self):
        """Those of entries flagged TEST have a topic of their own."""
        return read_all(self.topics.alerts) + read_all(self.topics.alerts_test)

    def check_what_differs(self, alert):
        """Takes out of the alert what cannot be written down beforehand, checking it."""
        topic = alert["event"]["topic"].removeprefix(self.topics.prefix)
        sent = self.booked if topic == "bookings" else self.banked
        event = alert["event"]
        place = (event.pop("partition"), event.pop("offset"))
        self.assertEqual(place, (sent.partition, sent.offset))
        event["topic"] = topic
        received_ms = ms_of(event.pop("received_at"))
        self.assertTrue(self.began_ms <= received_ms <= self.ended_ms)
        due_s = 90 if alert["class"] == "PAGE" else 3600
        self.assertEqual(ms_of(alert.pop("due_by")), received_ms + due_s * 1000)
        build = checkit("--version").split("\n")[1].removeprefix("build ")
        self.assertEqual(alert.pop("build"), build)

        told = alert.pop("list")
        gate = self.GATE if alert["tier"] == "NUMBER_ONLY" else None
        self.assertEqual((told["stale"], told["gate"]), (False, gate))
        self.assertTrue(0 <= told["age_seconds"] <= (self.ended_ms - self.began_ms) // 1000 + 1)
        ends = {}
        for record in read_all(self.topics.document_changes):
            ends[record.partition] = record.offset + 1
        self.assertEqual({o["partition"]: o["next_offset"] for o in told["offsets"]
                          if o["next_offset"] > 0}, ends)

    def check_ids(self, alert, record):
        key = self.site_.identity_key()
        event, shown, entry = alert["event"], alert["document"], alert["entry"]
        alert_id = make_id(key, "alert", event["partner_id"], event["journey_ref"],
                           entry["entry_id"], entry["revision"], alert["class"])
        nationality = "BVT" if event["sector"] == "BANKING" else ""
        sighting_id = make_id(
            key, "sighting", harness.CLUSTER.id, event["topic"], event["partition"],
            event["offset"], RECORD_MS, 1, shown["canonical_number"], shown["issuer"],
            shown["type"], nationality, entry["entry_id"])
        token = make_id(key, "document", 1, shown["issuer"], shown["canonical_number"])
        self.assertEqual((alert.pop("alert_id"), alert.pop("sighting_id"), shown.pop("token")),
                         (alert_id, sighting_id, token))
        self.assertEqual(record.key.decode(), alert_id)
        self.assertEqual(record.headers, [])

    def test_every_field_is_what_was_sent(self):
        self.assertEqual(len(self.records), len(self.expected()))
        self.assertEqual(set(self.alerts), set(self.expected()))
        self.assertEqual([decode("Alert", record.value)["entry"]["entry_id"]
                          for record in read_all(self.topics.alerts_test)], ["e-flags"])
        for record in self.records:
            alert = decode("Alert", record.value)
            self.check_ids(alert, record)
            self.check_what_differs(alert)
            self.assertEqual(alert, self.expected()[alert["entry"]["entry_id"]])

    def test_keys_go_where_other_clients_expect_them(self):
        for topic in (self.topics.alerts, self.topics.receipts):
            partitions = len(harness.CLUSTER.admin.describe_topics([topic])[0]["partitions"])
            for record in read_all(topic):
                self.assertEqual(record.partition, (murmur2(record.key) & 0x7FFFFFFF) % partitions)

    def test_summary_counts_what_was_screened(self):
        summary = self.summary
        self.assertEqual((summary["records"], summary["documents"], summary["duplicates"]),
                         (2, 8, 1))
        self.assertEqual(summary["hits"]["EXACT"], {"PAGE": 1, "REVIEW": 0})
        self.assertEqual(summary["hits"]["TYPE_DIFFERS"], {"PAGE": 2, "REVIEW": 1})
        self.assertEqual(summary["hits"]["NUMBER_ONLY"], {"PAGE": 0, "REVIEW": 1})
        self.assertEqual(sum(sum(by_class.values()) for by_class in summary["hits"].values()), 5)
        self.assertEqual(summary["unscreenable"], {
            "number_missing": 0, "number_invalid": 1, "number_placeholder": 1})
        self.assertEqual(set(summary["dead_letters"].values()), {0})
        self.assertEqual(set(summary["dead_letters"]), {
            "value_missing", "too_large", "wire_invalid", "schema_unknown", "schema_refused",
            "datum_invalid", "too_many_documents", "offsets_lost"})
        for name in ("seconds", "cpu_seconds", "peak_memory_mb"):
            self.assertGreater(summary[name], 0)

    def test_receipts_and_commits_tell_what_was_screened(self):
        receipts = {}
        for record in read_all(self.topics.receipts):
            receipt = decode("Receipt", record.value)
            self.assertEqual(record.key.decode(), f"{receipt['topic']}/{receipt['partition']}")
            receipts[receipt["topic"]] = receipt
        self.assertEqual(len(read_all(self.topics.receipts)), 2)
        booked, banked = receipts[self.topics.bookings], receipts[self.topics.banking]
        for receipt, sent in ((booked, self.booked), (banked, self.banked)):
            self.assertEqual((receipt["partition"], receipt["from_offset"], receipt["to_offset"]),
                             (sent.partition, 0, 1))
            self.assertEqual((receipt["cluster"], receipt["records"], receipt["dead_letters"]),
                             (harness.CLUSTER.id, 1, 0))
            self.assertLessEqual(receipt["began_at"], receipt["ended_at"])
        self.assertEqual((booked["documents"], booked["unscreenable"], booked["hits"]),
                         (6, {"number_invalid": 1},
                          {"EXACT": 1, "TYPE_DIFFERS": 2, "NUMBER_ONLY": 1}))
        self.assertEqual((banked["documents"], banked["unscreenable"], banked["hits"]),
                         (2, {"number_placeholder": 1}, {"TYPE_DIFFERS": 1}))
        committed = self.site_.committed().items()
        self.assertEqual({(p.topic, p.partition): o for p, o in committed if o},
                         {(sent.topic, sent.partition): 1 for sent in (self.booked, self.banked)})

    def test_screening_again_repeats_the_ids(self):
        self.site_.forget_commits()
        self.process.run_until_end()
        records = self.read_alerts()
        self.assertEqual(len(records), 2 * len(self.expected()))
        ids = [decode("Alert", record.value)["sighting_id"] for record in records]
        self.assertEqual(sorted(ids), sorted(2 * sorted(set(ids))))

    def test_nothing_new_is_an_end_too(self):
        summary = self.process.run_until_end()
        self.assertEqual((summary["records"], summary["seconds"]), (0, 0))
        self.assertEqual(len(self.read_alerts()), len(self.expected()))
        self.assertEqual(len(read_all(self.topics.receipts)), 2)


class DeadLetters(Case):
    """Every reason for which a record cannot be screened, and the limits on both sides."""

    LISTED = "KX102938"

    def setUp(self):
        large = {"bookings": {"max.message.bytes": 2 * BYTES_MAX}}
        self.site_ = self.site(partitions={"bookings": 1}, configs=large)
        self.topics = self.site_.topics
        self.process = self.site_.process("p")
        (self.folder / "schemas" / "70.avsc").write_text(json.dumps({
            "type": "record", "name": "Other", "fields": [{"name": "number", "type": "string"}]}))
        (self.folder / "schemas" / "71.avsc").write_text("{")
        self.writer_ = self.writer(max_request_size=2 * BYTES_MAX)
        self.writer_.change(self.topics.document_changes, upsert("e", self.LISTED))

    def padded(self, size):
        """A booking with a listed document, of exactly so many bytes."""
        def made(count):
            return encode("BookingEvent", booking(
                "padded", document(self.LISTED), attributes={"padding": "x" * count}))

        rest = size - len(made(size)) + size
        return next(value for value in map(made, range(rest - 2, rest + 3)) if len(value) == size)

    def crowded(self, count):
        empty = document("", issuer=None, kind="", source="UNKNOWN")
        return encode("BookingEvent", booking(
            "crowded", *[empty] * (count - 1), document(self.LISTED)))

    def records(self):
        """[(reason or None, detail, schema id, value)] in the order of sending."""
        good = encode("BookingEvent", booking("good", document(self.LISTED)))
        return [
            (None, None, None, good),
            ("value_missing", None, None, None),
            ("wire_invalid", None, None, b""),
            ("wire_invalid", None, None, good[:4]),
            ("wire_invalid", None, None, b"\x01" + good[1:]),
            ("schema_unknown", None, 4711, prefix(4711) + good[5:]),
            ("schema_unknown", None, None, prefix(0) + good[5:]),
            ("schema_refused", "travellers", 70, prefix(70) + b"\x02x"),
            ("schema_refused", "", 71, prefix(71)),
            ("datum_invalid", None, 1, good[:-1]),
            (None, None, None, good + b"\0"),  # what follows a datum is ignored
            ("datum_invalid", None, 1, good[:5]),
            ("too_many_documents", None, 1, self.crowded(DOCUMENTS_MAX + 1)),
            (None, None, None, self.crowded(DOCUMENTS_MAX)),
            (None, None, None, self.padded(BYTES_MAX)),
            ("too_large", None, None, self.padded(BYTES_MAX + 1)),
            ("too_large", None, None, self.padded(BYTES_MAX + 128 * 1024)),  # for dead-letters too
            (None, None, None, good),
        ]

    def test_each_reason_is_told_and_the_rest_is_screened(self):
        records = self.records()
        for i, (_, _, _, value) in enumerate(records):
            self.writer_.send(self.topics.bookings, value, f"key-{i}".encode(),
                              headers=[("trace", b"\x00\xff"), ("trace", b"again")],
                              timestamp_ms=RECORD_MS)
        self.writer_.flush()
        summary = self.process.run_until_end()

        letters = {int(headers["checkit.offset"]): (letter, headers)
                   for letter, headers in self.read_letters()}
        bad = {i for i, (reason, *_) in enumerate(records) if reason}
        self.assertEqual(set(letters), bad)
        for i in sorted(bad):
            with self.subTest(i, reason=records[i][0]):
                self.check_letter(i, records[i], *letters[i])
        alerts = [decode("Alert", r.value) for r in read_all(self.topics.alerts)]
        alerted = [alert["event"]["offset"] for alert in alerts]
        self.assertEqual(sorted(alerted), sorted(set(range(len(records))) - bad))
        self.check_counts(summary, [reason for reason, *_ in records if reason])

    def read_letters(self):
        letters = []
        for record in read_all(self.topics.dead_letters):
            headers = {n: v.decode() for n, v in record.headers if n.startswith("checkit.")}
            self.assertEqual(len(headers), sum(n.startswith("checkit.") for n, _ in record.headers))
            letters.append((record, headers))
        self.assertEqual(len(letters), len({h["checkit.offset"] for _, h in letters}))
        return letters

    def check_letter(self, i, record, letter, headers):
        reason, detail, schema_id, value = record
        expected = {
            "checkit.reason": reason, "checkit.topic": self.topics.bookings,
            "checkit.partition": "0", "checkit.offset": str(i), "checkit.timestamp": str(RECORD_MS),
            "checkit.size": str(len(value or b"")), "checkit.build": headers["checkit.build"],
        }
        if schema_id:
            expected["checkit.schema_id"] = str(schema_id)
        if detail is not None:
            self.assertIn(detail, headers["checkit.detail"])
            expected["checkit.detail"] = headers["checkit.detail"]
        if value and len(value) > BYTES_MAX + 64 * 1024:
            expected["checkit.hash"] = self.hash_of(value)
            self.assertEqual((letter.key, letter.value), (None, None))
        else:
            own = [(n, v) for n, v in letter.headers if not n.startswith("checkit.")]
            self.assertEqual((letter.key, letter.value, own), (
                f"key-{i}".encode(), value, [("trace", b"\x00\xff"), ("trace", b"again")]))
        self.assertEqual(headers, expected)

    @staticmethod
    def hash_of(value):
        return harness.hashlib.blake2b(value, digest_size=16).hexdigest()

    def check_counts(self, summary, reasons):
        told = {reason: count for reason, count in summary["dead_letters"].items() if count}
        self.assertEqual(told, {reason: reasons.count(reason) for reason in set(reasons)})
        self.assertEqual(summary["unscreenable"]["number_missing"], DOCUMENTS_MAX - 1)
        receipts = [decode("Receipt", r.value) for r in read_all(self.topics.receipts)]
        self.assertEqual(sum(r["dead_letters"] for r in receipts), len(reasons))
        self.assertEqual(sum(r["records"] for r in receipts), summary["records"])
        self.assertEqual(sum(r["unscreenable"].get("number_missing", 0) for r in receipts),
                         DOCUMENTS_MAX - 1)
        self.assertEqual(sum(r["hits"].get("EXACT", 0) for r in receipts), 5)


class Kcat(Case):
    """The same with a client on librdkafka, from a shell."""

    def kcat(self, *arguments, **options):
        command = ["kcat", "-b", harness.CLUSTER.bootstrap, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=harness.WAIT_S, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def produce(self, topic, key, value, *options):
        path = self.folder / "message"
        path.write_bytes(value)
        self.kcat("-P", "-t", topic, "-k", key, "-X", "topic.partitioner=murmur2_random", *options,
                  path)

    def test_what_kcat_writes_is_screened_and_kcat_reads_the_alert(self):
        site = self.site()
        topics = site.topics
        self.produce(topics.document_changes, "e-1",
                     encode("DocumentChange", upsert("e-1", "KX102938")))
        self.produce(topics.bookings, "a", encode("BookingEvent", booking(
            "event-1", document("KX102938"))), "-H", "trace=1", "-z", "lz4")
        self.produce(topics.bookings, "b", b"not ours", "-H", "trace=2")
        summary = site.process("p").run_until_end()
        self.assertEqual((summary["records"], summary["hits"]["EXACT"]["PAGE"]), (2, 1))

        out = self.kcat("-C", "-t", topics.alerts, "-e", "-q", "-f", "%k\n%S\n%s")
        key, size, value = out.split(b"\n", 2)
        self.assertEqual(len(value), int(size))
        alert = decode("Alert", value)
        self.assertEqual(alert["alert_id"], key.decode())
        self.assertEqual(alert["event"]["event_id"], "event-1")

        letter = json.loads(self.kcat("-C", "-t", topics.dead_letters, "-e", "-q", "-J"))
        headers = dict(zip(letter["headers"][::2], letter["headers"][1::2]))
        self.assertEqual((letter["key"], letter["payload"]), ("b", "not ours"))
        self.assertEqual((headers["trace"], headers["checkit.reason"]), ("2", "wire_invalid"))


class Keys(Case):
    def test_a_missing_key_is_named_with_what_makes_it(self):
        site = self.site()
        for missing in ("store.key", "identity.key"):
            process = site.process(missing.split(".")[0])
            path = (process.folder if missing == "store.key" else self.folder) / missing
            path.rename(path.with_suffix(".away"))
            self.assertEqual(process.start().wait(), 78)
            self.assertIn("checkit key new", process.error())
            self.assertIn(missing, process.error())
            self.assertFalse(path.exists())
            path.with_suffix(".away").rename(path)

    def test_contracts_have_the_ids_the_command_writes(self):
        site = self.site()
        for name in CONTRACTS:
            written = (self.folder / "schemas" / f"{harness.SCHEMA_IDS[name]}.avsc").read_bytes()
            self.assertEqual(written, (TOP / "schemas" / f"{name}.avsc").read_bytes())


if __name__ == "__main__":
    harness.main()
