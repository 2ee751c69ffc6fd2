"""Schemas from a real registry: up, frozen, killed and back. Nothing is lost to it."""

import copy
import io
import json
import os
import tempfile

import fastavro

import harness
from harness import (CONTRACTS, TOP, Case, booking, document, prefix, read_all, upsert)
from registry import Registry, unpack

LISTED = harness.LISTED
PARTITIONS = 2
BOOKING = json.loads((TOP / "schemas" / "BookingEvent.avsc").read_text("utf-8"))


def version(number):
    """A schema of the partner's own: bookings with one more field, which nobody reads."""
    schema = copy.deepcopy(BOOKING)
    schema["fields"].append({"name": f"extra_{number}", "type": "string", "default": ""})
    return schema


class OnRegistry(Case):
    @classmethod
    def setUpClass(cls):
        unpacked = tempfile.TemporaryDirectory(prefix="checkit-registry-")
        cls.addClassCleanup(unpacked.cleanup)
        cls.jar = unpack(os.environ["KAFKA_JARS"], unpacked.name)

    def setUp(self):
        self.registry = Registry(self.jar, self.folder)
        self.addCleanup(self.registry.stop)
        self.registry.start()
        self.site_ = self.site(partitions={"bookings": PARTITIONS, "banking": 1})
        self.topics = self.site_.topics
        self.writer_ = self.writer()
        self.ids = {}
        self.register_all()
        self.process = self.site_.process("p")
        config = json.loads(self.process.config.read_text())
        config["schemas"] = {"registry": self.registry.url, "register": "true"}
        self.process.config.write_text(json.dumps(config))
        self.send_change()

    def register_all(self):
        """What others than the screener write, in a fixed order: the same ids every time."""
        for name, topic in (("BookingEvent", self.topics.bookings),
                            ("DocumentChange", self.topics.document_changes)):
            text = (TOP / "schemas" / f"{name}.avsc").read_text("utf-8")
            self.ids[name] = self.registry.register(f"{topic}-value", text)

    def send_change(self):
        self.writer_.send(
            self.topics.document_changes,
            harness.encode("DocumentChange", upsert("e", LISTED), self.ids["DocumentChange"]), b"e")
        self.writer_.flush()

    def send(self, name, partition, schema, schema_id):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)),
                                   booking(name, document(LISTED)))
        self.writer_.send(self.topics.bookings, prefix(schema_id) + out.getvalue(),
                          partition=partition)
        self.writer_.flush()

    def wait_for_alerts(self, count):
        return self.reader(self.topics.alerts).wait_for(count)

    def check_all_screened(self, count):
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(len(read_all(self.topics.alerts)), count)
        self.assertEqual(read_all(self.topics.dead_letters), [])

    def start(self):
        self.process.start().wait_ready()
        self.send("known", 0, BOOKING, self.ids["BookingEvent"])
        self.wait_for_alerts(1)

    def hold_and_go_on(self, new_id):
        """A record of a new schema waits, and one behind it; the other partition is screened."""
        self.send("new", 0, version(1), new_id)
        self.send("behind", 0, BOOKING, self.ids["BookingEvent"])
        self.process.wait_for_log("partition held until its schema is known")
        self.process.wait_for_log("no answer, records of this schema are held")
        self.send("beside", 1, BOOKING, self.ids["BookingEvent"])
        self.wait_for_alerts(2)
        self.assertEqual(len(read_all(self.topics.alerts)), 2)

    def test_frozen_and_thawed(self):
        self.start()
        new_id = self.registry.register(f"{self.topics.bookings}-value", version(1))
        self.registry.freeze()
        self.hold_and_go_on(new_id)
        self.registry.thaw()
        self.wait_for_alerts(4)
        self.check_all_screened(4)

    def test_killed_and_started_again(self):
        self.start()
        new_id = self.registry.register(f"{self.topics.bookings}-value", version(1))
        self.registry.kill()
        self.hold_and_go_on(new_id)
        self.registry.start()
        self.wait_for_alerts(4)
        self.check_all_screened(4)

    def test_restarted_with_the_registry_gone(self):
        self.start()
        self.registry.kill()
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(self.process.start().wait(), 69)
        self.assertIn("the schema registry gives no answer", self.process.error())
        self.registry.start()
        self.send("later", 1, BOOKING, self.ids["BookingEvent"])
        self.process.start().wait_ready()
        self.wait_for_alerts(2)
        self.check_all_screened(2)

    def test_our_schemas_are_registered_once(self):
        self.start()
        self.assertEqual(self.process.stop(), 0)
        said = self.process.logged("schema registered")
        self.assertEqual(sorted(line["schema"] for line in said), ["Alert", "Receipt"])
        self.process.start().wait_ready()
        self.assertEqual(self.process.logged("schema registered"), [])
        self.check_all_screened(1)

    def test_unknown_id_is_a_dead_letter_for_sure(self):
        self.start()
        self.send("nobody's", 0, BOOKING, 4711)
        self.send("no registry's", 0, BOOKING, 4294967295)
        letters = self.reader(self.topics.dead_letters).wait_for(2)
        self.assertEqual({harness.headers_of(letter)["checkit.reason"] for letter in letters},
                         {"schema_unknown"})


    def test_referenced_schemas_are_fetched(self):
        """Documents in a schema of their own, which the event's only refers to."""
        items = copy.deepcopy(BOOKING)
        traveller = next(f for f in items["fields"] if f["name"] == "travellers")["type"]["items"]
        holder = next(f for f in traveller["fields"] if f["name"] == "documents")["type"]
        inner, holder["items"] = holder["items"], self.full_name(holder["items"])
        inner = {"namespace": BOOKING["namespace"]} | inner
        self.registry.register("documents", inner)
        new_id = self.registry.register("referring", items, [
            {"name": self.full_name(inner), "subject": "documents", "version": 1}])
        self.start()
        self.send("referring", 1, BOOKING, new_id)
        self.wait_for_alerts(2)
        self.check_all_screened(2)

    @staticmethod
    def full_name(schema):
        return f"{schema.get('namespace', BOOKING['namespace'])}.{schema['name']}"


if __name__ == "__main__":
    harness.main()
