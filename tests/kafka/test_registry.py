"""Schemas from a real registry: up, frozen, killed and back. Nothing is lost to it; and a partner's
own schema is screened by configuration alone."""

import copy
import io
import json
import os
import subprocess
import tempfile

import fastavro

import harness
from cluster import wait_until
from harness import TOP, WAIT_S, Case, booking, document, prefix, read_all, upsert
from registry import Registry, TlsFront, unpack

LISTED = harness.LISTED
PARTITIONS = 2
BOOKING = json.loads((TOP / "schemas" / "BookingEvent.avsc").read_text("utf-8"))


def version(number):
    """A schema of the partner's own: bookings with one more field, which nobody reads."""
    schema = copy.deepcopy(BOOKING)
    schema["fields"].append({"name": f"extra_{number}", "type": "string", "default": ""})
    return schema


# --- a partner's schema: 30 fields, nested unions, names of its own -----------------------------

PAPER = {"type": "record", "name": "TravelDoc", "fields": [
    {"name": "docNo", "type": ["null", "string"]}, {"name": "altNo", "type": ["null", "bytes"]},
    {"name": "state", "type": "string"}, {"name": "kind", "type": ["null", "string"]},
    {"name": "nat", "type": ["null", "string"]}]}
ADULT = {"type": "record", "name": "Adult", "fields": [
    {"name": "seat", "type": ["null", "string"]},
    {"name": "papers", "type": {"type": "array", "items": PAPER}}]}
INFANT = {"type": "record", "name": "Infant", "fields": [
    {"name": "lap", "type": "boolean"}, {"name": "paper", "type": ["null", "TravelDoc"]}]}
PASSENGER = {"type": "record", "name": "Passenger", "fields": [
    {"name": "ref", "type": "long"},
    {"name": "who", "type": ["null", ADULT, INFANT, "string"]}]}
EXTRA = {"type": "record", "name": "Extra", "fields": [
    {"name": "note", "type": ["null", "string", "double"]},
    {"name": "doc", "type": ["null", "string", "TravelDoc"]}]}
UNREAD = [  # what screening has no use for, of every kind
    ("channel", "string", "web"), ("office", ["null", "int", "string"], 7),
    ("fares", {"type": "array", "items": {"type": "map", "values": ["null", "double"]}},
     [{"net": 1.5, "tax": None}]),
    ("flags", {"type": "map", "values": "boolean"}, {"vip": False}),
    ("hash", {"type": "fixed", "name": "Hash", "size": 16}, bytes(16)),
    ("state", {"type": "enum", "name": "State", "symbols": ["OPEN", "TICKETED"]}, "TICKETED"),
    ("history", {"type": "array", "items": ["null", "string", {"type": "record", "name": "Step",
                 "fields": [{"name": "at", "type": "long"}, {"name": "by", "type": "bytes"}]}]},
     ["made", None, {"at": 1, "by": b"x"}]),
    *((f"spare_{i}", ["null", "string", "long", "float"], [None, "a", i, 0.5][i % 4])
      for i in range(17)),
]
PARTNER = {"type": "record", "name": "Reservation", "namespace": "partner.one", "fields": [
    {"name": "locator", "type": "string"},
    *({"name": name, "type": kind} for name, kind, _ in UNREAD[:12]),
    {"name": "created", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "pax", "type": {"type": "array", "items": PASSENGER}},
    *({"name": name, "type": kind} for name, kind, _ in UNREAD[12:]),
    {"name": "from", "type": "string"}, {"name": "to", "type": "string"},
    {"name": "extras", "type": {"type": "map", "values": EXTRA}}]}
assert len(PARTNER["fields"]) == 30


def paper(number, alternative=None):
    return {"docNo": number, "altNo": alternative, "state": "ATA", "kind": "P", "nat": None}


def partner_events():
    """One with a listed document at each place that the configuration names, and some without."""
    def event(name, who, extras=None):
        return {name: value for name, _, value in UNREAD} | {
            "locator": name, "created": harness.time_of(1_767_225_600_000), "from": "UTA",
            "to": "UTB", "pax": [{"ref": 1, "who": other} for other in who],
            "extras": extras or {}}

    def adult(*papers):
        return ("partner.one.Adult", {"seat": None, "papers": list(papers)})

    none = paper("QQ333444")
    return [
        event("nobody", [None, "walk-in", adult()]),
        event("adult", [adult(paper(LISTED))]),
        event("adult-second", [None, adult(none), adult(none, paper(LISTED))]),
        event("adult-alternative", [adult(paper(None, LISTED.encode()))]),
        event("infant", [("partner.one.Infant", {"lap": True, "paper": paper(LISTED)})]),
        event("extra", [], {"a": {"note": 0.5, "doc": ("partner.one.TravelDoc", paper(LISTED))},
                            "b": {"note": None, "doc": "none"}}),
        event("other", [adult(none)]),
    ]


class OnRegistry(Case):
    """One registry for all: every test has topics, and so subjects, of its own."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="checkit-registry-")
        cls.addClassCleanup(folder.cleanup)
        cls.registry = Registry(unpack(os.environ["KAFKA_JARS"], folder.name), folder.name)
        cls.addClassCleanup(cls.registry.stop)
        cls.registry.start()

    def setUp(self):
        self.addCleanup(self.registry.bring_back)
        self.site_ = self.site(partitions={"bookings": PARTITIONS, "banking": 1})
        self.topics = self.site_.topics
        self.writer_ = self.writer()
        self.ids = {}
        self.register_all()
        self.process = self.site_.process("p")
        self.set_config(schemas={"registry": self.registry.url, "register": "true"})
        self.send_change()

    def set_config(self, **values):
        config = json.loads(self.process.config.read_text())
        self.process.config.write_text(json.dumps(config | values))

    def register_all(self):
        """What others than the screener write."""
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

    def check_config(self):
        done = subprocess.run([harness.CHECKIT, "config", "check", "-c", self.process.config],
                              capture_output=True, text=True, timeout=WAIT_S)
        return done.returncode, done.stdout

    def test_configuration_is_tried_on_what_is_registered(self):
        bookings, banking = self.topics.bookings, self.topics.banking
        _, said = self.check_config()
        self.assertIn(f"ok     mapping: fits schema {self.ids['BookingEvent']}: {bookings}\n", said)
        self.assertIn(f"warn   mapping: {banking}: no subject {banking}-value in the reg", said)
        self.registry.freeze()
        code, said = self.check_config()
        self.registry.thaw()
        self.assertEqual(code, 69)
        self.assertIn(f"fault  schemas.registry: the schema registry gives no answer about the "
                      f"subject {bookings}-value: ", said)

    def test_unknown_id_is_a_dead_letter_for_sure(self):
        self.start()
        self.send("nobody's", 0, BOOKING, 4711)
        self.send("no registry's", 0, BOOKING, 4294967295)
        letters = self.reader(self.topics.dead_letters).wait_for(2)
        self.assertEqual({harness.headers_of(letter)["checkit.reason"] for letter in letters},
                         {"schema_unknown"})

    def test_killed_under_load(self):
        """Only the partition with the new id stops; what came meanwhile is screened afterwards."""
        self.start()
        new_id = self.registry.register(f"{self.topics.bookings}-value", version(1))
        self.registry.kill()
        known = self.ids["BookingEvent"]
        alerts = self.reader(self.topics.alerts)
        sent, beside = 1, 0
        for i in range(40):
            self.send(f"new-{i}", 0, *((version(1), new_id) if i % 4 == 1 else (BOOKING, known)))
            for k in range(5):
                self.send(f"beside-{i}-{k}", 1, BOOKING, known)
            sent, beside = sent + 6, beside + 5
        wait_until(lambda: (alerts.poll(), self.screened(alerts, 1) == beside)[1], WAIT_S,
                   "the other partition is screened")
        self.assertLessEqual(self.screened(alerts, 0), 2)  # before the first new id
        self.registry.start()
        alerts.wait_for(sent)
        self.assertEqual(self.screened(alerts, 0), sent - beside)
        self.check_all_screened(sent)

    def screened(self, alerts, partition):
        places = {(alert["event"]["partition"], alert["event"]["offset"])
                  for alert in map(self.decode_alert, alerts.records)}
        return sum(place[0] == partition for place in places)

    @staticmethod
    def decode_alert(record):
        return fastavro.schemaless_reader(io.BytesIO(record.value[5:]), harness.SCHEMAS["Alert"])

    def test_certificate_and_password(self):
        """Over TLS to whom our authority vouches for; nobody else, and no other, gets a schema."""
        front = TlsFront(self.registry, self.folder, "checkit", "secret-of-tests")
        self.addCleanup(front.stop)
        password = self.folder / "password"
        password.write_text("secret-of-tests\n")
        right = {"registry": front.url, "register": "true", "user": "checkit",
                 "password": f"file:{password}", "ca": str(self.folder / "authority.pem"),
                 "certificate": str(self.folder / "client.pem"),
                 "key": str(self.folder / "client.key")}
        wrongs = [{"ca": str(self.folder / "stranger.pem")},
                  {"certificate": str(self.folder / "stranger.pem"),
                   "key": str(self.folder / "stranger.key")},
                  {"password": "wrong"}]
        for wrong in wrongs:
            self.set_config(schemas=right | wrong)
            self.assertEqual(self.process.start().wait(), 69, wrong)
            self.assertIn("schema registry", self.process.error())
        self.assertGreater(front.refused, 0)
        self.set_config(schemas=right)
        self.start()
        self.check_all_screened(1)
        self.assertNotIn("secret-of-tests", self.process.log.read_text())

    def test_partner_schema_by_configuration_alone(self):
        partner_id = self.registry.register("partner", PARTNER)
        self.set_config(inputs=[{
            "topic": self.topics.bookings, "partner": "partner-1", "sector": "AIR",
            "documents": [
                {"path": "pax[].who{Adult}.papers[]", "number": "docNo|altNo",
                 "issuer": "state", "type": "kind", "nationality": "nat"},
                {"path": "pax[].who{Infant}.paper", "number": "docNo|altNo", "issuer": "state"},
                {"path": "extras{}.doc{TravelDoc}", "number": "docNo|altNo", "issuer": "state"}],
            "event": {"id": "locator", "time": "created", "journey": "locator", "place": "from"},
        }])
        self.process.start().wait_ready()
        schema = fastavro.parse_schema(copy.deepcopy(PARTNER))
        for event in partner_events():
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, event)
            self.writer_.send(self.topics.bookings, prefix(partner_id) + out.getvalue())
        self.writer_.flush()
        alerts = [self.decode_alert(a) for a in self.wait_for_alerts(5)]
        self.assertEqual(sorted(a["event"]["event_id"] for a in alerts),
                         ["adult", "adult-alternative", "adult-second", "extra", "infant"])
        for alert in alerts:
            self.assertEqual((alert["event"]["partner_id"], alert["event"]["place"]),
                             ("partner-1", "UTA"))
        self.check_all_screened(5)

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
