"""The list follows its topic: whatever becomes of the topic, the store or a schema, no listed
document is missed for it, and no start fails twice.

Run: KAFKA_JARS=DIR python3 test_feed.py CHECKIT
"""

import os
import signal
from collections import Counter

import harness
from cluster import freeze, wait_until
from harness import (
    WAIT_S, Case, booking, decode, document, encode, event, headers_of, patiently, prefix, read_all,
    upsert, withdraw,
)

FORGET_S = 90  # more than the 30 s after which partitions and absent schemas are looked for again


class FeedCase(Case):
    def setUp(self):
        self.site_ = self.site()
        self.topics = self.site_.topics
        self.writer_ = self.writer()
        self.process = self.site_.process("p", workers=1)

    def change(self, *changes, **other):
        for change in changes:
            self.writer_.send(self.topics.document_changes, encode("DocumentChange", change),
                              change["entry_id"].encode(), **other)
        self.writer_.flush()

    def probe(self, *numbers):
        """Screens one event of these numbers, to the end; returns the entries it hits."""
        sent = self.send(*numbers)
        self.process.run_until_end()
        alerts = [decode("Alert", record.value) for record in read_all(self.topics.alerts)]
        return {alert["entry"]["entry_id"] for alert in alerts
                if alert["event"]["partition"] == sent.partition
                and alert["event"]["offset"] == sent.offset}

    def send(self, *numbers, partition=None):
        value = booking("probe", *[document(number) for number in numbers])
        self.writer_.send(self.topics.bookings, encode("BookingEvent", value), partition=partition)
        return self.writer_.flush()[0]

    @staticmethod
    def entry(record):
        return decode("Alert", record.value)["entry"]["entry_id"]

    def set_aside(self):
        """What it said of a store set aside since its last start."""
        said = self.process.logged(level="error", where="screener")
        self.assertTrue(all("set aside" in line["message"] for line in said), said)
        return said

    def quarantine(self):
        return self.process.folder / "store.quarantine"

    def delete_topic(self, topic):
        admin = harness.CLUSTER.admin
        admin.delete_topics([topic])
        wait_until(lambda: topic not in admin.list_topics(), WAIT_S, f"{topic} is deleted")

    def create_topic(self, topic):
        """A broker that a busy machine keeps from its heartbeat takes none for a moment."""
        specification = self.topics.specifications.get(topic, {"num_partitions": 1})
        patiently(lambda: harness.CLUSTER.admin.create_topics(
            {topic: specification}, wait_for_metadata=True), f"{topic} is created")

    def recreate_feed(self):
        self.delete_topic(self.topics.document_changes)
        self.create_topic(self.topics.document_changes)


class Changes(FeedCase):
    def test_what_is_no_change_is_skipped_and_told(self):
        topic = self.topics.document_changes
        good = upsert("e", "KX100001")
        bad = {
            "value_missing": ("e", None),
            "wire_invalid": ("e", b"\1"),
            "schema_unknown": ("e", prefix(99) + encode("DocumentChange", good)[5:]),
            "datum_invalid": ("e", encode("DocumentChange", good)[:-1]),
            "key_differs": ("f", encode("DocumentChange", good)),
            "number_missing": ("e", encode("DocumentChange", upsert("e", None, 5))),
            "issuer_unknown": ("e", encode("DocumentChange", upsert("e", "KX1", 5, issuer="XQ"))),
        }
        self.change(good, partition=0)
        for key, value in bad.values():
            self.writer_.send(topic, value, key.encode(), partition=0)
        self.writer_.flush()
        self.change(upsert("g", "KX100002"), partition=0)
        self.assertEqual(self.probe("KX100001", "KX100002"), {"e", "g"})
        said = {(s["reason"], s["topic"], s["partition"], s["offset"])
                for s in self.process.logged("change skipped")}
        self.assertEqual(said, {(reason, topic, 0, i) for i, reason in enumerate(bad, 1)})

    def test_a_lower_revision_changes_nothing(self):
        self.change(upsert("e", "KX100001", 7), upsert("e", "KX100002", 6), upsert("f", "KX100003"),
                    withdraw("f", 5), upsert("f", "KX100003", 4))
        self.assertEqual(self.probe("KX100001", "KX100002", "KX100003"), {"e"})
        self.change(upsert("e", "KX100002", 7), upsert("f", "KX100003", 5))
        self.assertEqual(self.probe("KX100001", "KX100002", "KX100003"), {"e", "f"})

    def test_idle_partitions_hold_nothing_up(self):
        """A question for the topic's end must not wait behind a fetch that waits for changes."""
        wait = {"fetch.wait.max.ms": 30000, "socket.timeout.ms": 60000}
        self.process.configure(workers=1, kafka=wait)
        self.change(upsert("e", "KX100001"), partition=0)
        for topic, count in ((self.topics.bookings, 4), (self.topics.banking, 2)):
            for partition in range(count):  # so that no fetch of the workers waits
                self.writer_.send(topic, b"", partition=partition)
        self.writer_.flush()
        self.process.start().wait_ready()
        self.send_until_hit("KX100001", "e")
        self.change(upsert("f", "KX100002"), partition=0)
        self.send_until_hit("KX100002", "f")
        self.assertEqual(self.process.stop(), 0)

    def send_until_hit(self, number, entry, seconds=WAIT_S):
        reader = self.reader(self.topics.alerts)

        def hit():
            self.assertTrue(self.process.is_up())
            self.send(number)
            return any(self.entry(record) == entry for record in reader.read())

        wait_until(hit, seconds, f"{entry} is hit", pause_s=0.2)


class Topic(FeedCase):
    def test_created_anew_while_stopped_it_is_read_anew(self):
        self.change(*[upsert(f"old-{i}", f"KX1000{i:02}") for i in range(20)])
        self.assertEqual(self.probe("KX100001"), {"old-1"})
        self.recreate_feed()
        self.change(*[upsert(f"new-{i}", f"KX2000{i:02}") for i in range(20)])
        self.assertEqual(self.probe("KX100001", "KX200001"), {"new-1"})
        said, = self.set_aside()
        self.assertIn(self.topics.document_changes, said["reason"])
        self.assertTrue(self.quarantine().is_dir())
        self.assertEqual(self.probe("KX100001", "KX200001"), {"new-1"})
        self.assertEqual(self.set_aside(), [])

    def test_created_anew_and_shorter_while_running_it_is_read_anew(self):
        self.change(*[upsert(f"old-{i}", f"KX1000{i:02}") for i in range(20)])
        self.process.start().wait_ready()
        self.recreate_feed()
        self.change(upsert("new", "KX200001"))
        # A store is not exchanged under workers: the next start does it.
        self.assertEqual(self.process.wait(), 65, self.process.error())
        self.assertEqual(self.probe("KX100001", "KX200001"), {"new"})

    def test_changes_deleted_unread_make_it_read_anew(self):
        self.change(*[upsert("e", f"KX1000{i:02}", i) for i in range(10)], partition=0)
        self.assertEqual(self.probe("KX100009"), {"e"})
        self.change(*[upsert("f", f"KX2000{i:02}", i) for i in range(10)], partition=0)
        topic = self.topics.document_changes
        harness.CLUSTER.admin.alter_configs([harness.topic_config(topic, cleanup_policy="delete")])
        harness.CLUSTER.admin.delete_records({harness.TopicPartition(topic, 0): 15})
        self.assertEqual(self.probe("KX100009", "KX200009"), {"f"})
        self.assertTrue(self.quarantine().is_dir())

    def test_a_topic_that_is_missing_is_waited_for(self):
        self.delete_topic(self.topics.document_changes)
        self.process.configure(workers=1, feed={"topic": self.topics.document_changes, "wait_s": 1})
        self.process.start()
        self.process.wait_for_log("the list is stale: the feed's end was not reached in time")
        self.process.wait_for_log("not reached, trying again", count=3)
        self.assertEqual(self.process.logged("ready"), [])  # there is no list to screen with
        self.create_topic(self.topics.document_changes)
        self.change(upsert("e", "KX100001"))
        self.assertEqual(self.process.wait_ready()["stale"], 0)
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(self.probe("KX100001"), {"e"})

    def test_a_feed_that_is_down_leaves_the_list_there_is_marked_stale(self):
        self.change(upsert("e", "KX100001"))
        self.assertEqual(self.probe("KX100001"), {"e"})
        away = {"topic": self.topics.prefix + "away", "wait_s": 1}
        self.process.configure(workers=1, feed=away)
        self.process.start()
        self.assertEqual(self.process.wait_ready()["stale"], 1)
        self.send("KX100001")
        alerts = self.reader(self.topics.alerts).wait_for(2)
        self.assertEqual(self.process.stop(), 0)
        told = [decode("Alert", record.value)["list"] for record in alerts]
        self.assertEqual([t["stale"] for t in told], [False, True])
        self.assertEqual(told[1]["age_seconds"], None)
        self.assertEqual(told[0]["offsets"], told[1]["offsets"])

        self.process.configure(workers=1, feed=away | {"when_stale": "hold"})
        self.process.start()
        self.send("KX100001")
        self.process.wait_for_log("the list is stale: reading is paused")
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(len(read_all(self.topics.alerts)), 2)
        self.process.configure(workers=1)
        self.assertEqual(self.probe("KX100001"), {"e"})
        self.assertEqual(len(read_all(self.topics.alerts)), 4)  # what was held is screened now


class Store(FeedCase):
    def setUp(self):
        super().setUp()
        self.change(*[upsert(f"e-{i}", f"KX1000{i:02}") for i in range(20)])
        self.assertEqual(self.probe("KX100001"), {"e-1"})
        self.assertEqual(self.probe("KX100001"), {"e-1"})  # opened again: there are table files now

    def damage(self, name):
        files = list(self.process.store.glob(name))
        self.assertTrue(files, name)
        for path in files:
            data = path.read_bytes()
            path.write_bytes(bytes(len(data) // 2) + os.urandom(len(data) // 2))

    def test_what_is_damaged_is_set_aside_and_built_anew(self):
        for name in ("CURRENT", "MANIFEST-*", "*.sst"):
            with self.subTest(name):
                self.damage(name)
                self.assertEqual(self.probe("KX100001", "KX100019"), {"e-1", "e-19"})
                self.assertEqual(len(self.set_aside()), 1)
                self.assertTrue(self.quarantine().is_dir())
                self.assertEqual(self.probe("KX100001"), {"e-1"})
                self.assertEqual(self.set_aside(), [])

    def test_a_store_of_another_key_is_never_touched(self):
        os.rename(self.process.folder / "store.key", self.process.folder / "key.away")
        self.process.make_keys()
        self.assertEqual(self.process.start().wait(), 78)
        self.assertFalse(self.quarantine().exists())
        os.rename(self.process.folder / "key.away", self.process.folder / "store.key")
        self.assertEqual(self.probe("KX100001"), {"e-1"})

    def test_one_store_is_one_process(self):
        self.process.start().wait_ready()
        other = self.site_.process("q", store={"path": "../p/store", "key": "../p/store.key"})
        self.assertEqual(other.start().wait(), 69)
        self.assertIn("in use by another process", other.error())
        self.assertEqual(self.process.stop(), 0)


class Schemas(FeedCase):
    """A record whose schema id nobody knows yet."""

    def setUp(self):
        super().setUp()
        self.change(upsert("e", harness.LISTED))
        self.schema = (self.folder / "schemas" / "1.avsc").read_bytes()
        self.process.start().wait_ready()

    def send_as(self, schema_id, partition):
        value = prefix(schema_id) + event(0)[5:]
        return self.writer_.send(self.topics.bookings, value, partition=partition)

    def test_without_an_answer_it_is_held_and_the_others_go_on(self):
        folder = self.folder / "schemas"
        self.send_as(1, 0)
        alerts = self.reader(self.topics.alerts)
        alerts.wait_for(1)
        folder.rename(folder.with_suffix(".away"))
        self.send_as(60, 1)
        self.writer_.flush()
        self.process.wait_for_log("partition held until its schema is known", partition=1)
        self.send_as(1, 1)  # behind it
        for _ in range(10):
            self.send_as(1, 2)
        self.writer_.flush()
        alerts.wait_for(11)
        self.assertEqual(self.process.stop(), 0)
        committed = {p.partition: offset for p, offset in self.site_.committed().items()
                     if offset and p.topic == self.topics.bookings}
        self.assertEqual(committed, {0: 1, 2: 10})

        folder.with_suffix(".away").rename(folder)
        self.process.start()
        (folder / "60.avsc").write_bytes(b"")  # being written
        self.process.wait_for_log("partition held until its schema is known", partition=1)
        (folder / "60.avsc").write_bytes(self.schema)
        alerts.wait_for(13)
        self.assertEqual(self.process.stop(), 0)
        places = Counter((a["event"]["partition"], a["event"]["offset"])
                         for a in (decode("Alert", r.value) for r in alerts.read()))
        self.assertEqual(places, Counter(
            [(0, 0), (1, 0), (1, 1), *[(2, i) for i in range(10)]]))
        self.assertEqual(read_all(self.topics.dead_letters), [])

    def test_an_answer_is_a_dead_letter_at_once_and_what_comes_later_is_found(self):
        """A schema that comes later, a new partition of the feed, and a feed created anew and
        filled beyond where the store stands, which no offset tells: all looked for every 30 s."""
        letters = self.reader(self.topics.dead_letters)
        alerts = self.reader(self.topics.alerts)
        self.send_as(61, 0)
        self.writer_.flush()
        letters.wait_for(1)
        (self.folder / "schemas" / "61.avsc").write_bytes(self.schema)
        harness.CLUSTER.admin.create_partitions({self.topics.document_changes: 4})
        self.change_in_new_partition(upsert("new", "KX100001"))
        other = self.start_on_a_feed_created_anew()

        found = set()

        def all_found():
            self.assertTrue(self.process.is_up())
            self.send_as(61, 0)
            self.send("KX100001", partition=1)
            found.update(self.entry(record) for record in alerts.poll())
            return found == {"e", "new"} and not other.is_up()

        wait_until(all_found, FORGET_S, lambda: f"all is found, {found} so far", pause_s=0.5)
        self.assertEqual(self.process.stop(), 0)
        self.check_letters(letters, alerts)
        self.assertEqual(other.wait(), 65, other.error())
        other.run_until_end()
        self.assertTrue((other.folder / "store.quarantine").is_dir())

    def start_on_a_feed_created_anew(self):
        """Its store stands at offset 1, and the new topic is longer."""
        topic = self.topics.prefix + "other-changes"
        self.create_topic(topic)
        self.writer_.change(topic, upsert("old", "KX300001"))
        self.writer_.flush()
        process = self.site_.process("q", workers=1, group="other", feed={"topic": topic})
        process.start().wait_ready()
        freeze(process.process)  # so that it does not see what is in between
        self.delete_topic(topic)
        self.create_topic(topic)
        for i in range(5):
            self.writer_.change(topic, upsert(f"new-{i}", f"KX40000{i}"))
        self.writer_.flush()
        process.process.send_signal(signal.SIGCONT)
        return process

    def check_letters(self, letters, alerts):
        """Each record is a dead letter or alerted; first the ones, then the others."""
        reasons = [headers_of(record) for record in letters.read()]
        self.assertEqual({h["checkit.reason"] for h in reasons}, {"schema_unknown"})
        refused = {int(h["checkit.offset"]) for h in reasons}
        screened = {a["event"]["offset"] for a in (decode("Alert", r.value) for r in alerts.read())
                    if a["event"]["partition"] == 0 and a["entry"]["entry_id"] == "e"}
        self.assertEqual(refused, set(range(len(refused))))
        self.assertFalse(refused & screened)
        self.assertGreater(len(screened), 0)

    def change_in_new_partition(self, change):
        """Until the broker has the partition."""
        value, key = encode("DocumentChange", change), change["entry_id"].encode()

        def sent():
            writer = harness.Writer()
            try:
                writer.send(self.topics.document_changes, value, key, partition=3)
                return writer.flush()
            except (AssertionError, harness.KafkaError):
                return None
            finally:
                writer.close()

        wait_until(sent, WAIT_S, "the new partition takes a change", pause_s=0.2)


if __name__ == "__main__":
    harness.main()
