"""Holds the contracts together: the .avsc files, asyncapi.yaml and the code that uses both.

    python3 tests/schemas/check_contracts.py
"""

import io
import json
import pathlib
import re
import unittest
from datetime import datetime, timezone

import fastavro
import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = TOP / "schemas"
CONTRACTS = ["BookingEvent", "BankingEvent", "DocumentChange", "Alert", "Receipt"]
NESTED = ("record", "enum", "fixed", "array", "map")
PERSONAL = re.compile(r"birth|surname|given|first_?name|last_?name|full_?name|gender|sex\b|email")


def load(name):
    return json.loads((SCHEMAS / f"{name}.avsc").read_text("utf-8"))


def types(schema, path):
    """Every type in a schema with the path to it, the schema itself first."""
    yield path, schema
    if isinstance(schema, list):
        for branch in schema:
            yield from types(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", []):
            yield from types(field["type"], f"{path}.{field['name']}")
        for inner in ("items", "values"):
            if inner in schema:
                yield from types(schema[inner], path)
        if schema["type"] not in NESTED and isinstance(schema["type"], (dict, list)):
            yield from types(schema["type"], path)


def records(schema, path):
    return [(at, it) for at, it in types(schema, path)
            if isinstance(it, dict) and it["type"] == "record"]


def named(schema, path):
    return [(at, it) for at, it in types(schema, path) if isinstance(it, dict) and "name" in it]


def nested_record(schema, path):
    for at, it in records(schema, schema["name"]):
        if at == path:
            return it
    raise KeyError(path)


def resolve(document, reference):
    """What "#/a/b" or "./File.avsc" stands for; KeyError when there is no such thing."""
    if reference.startswith("#/"):
        for step in reference[2:].split("/"):
            document = document[step]
        return document
    path = (SCHEMAS / reference).resolve()
    if path.parent != SCHEMAS or not path.is_file():
        raise KeyError(reference)
    return json.loads(path.read_text("utf-8"))


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def literals(pattern, *folders):
    """String literals in the C sources that match, whole."""
    found = set()
    for folder in folders:
        for source in sorted((TOP / folder).rglob("*.c")):
            for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', source.read_text("utf-8")):
                if re.fullmatch(pattern, literal):
                    found.add(literal)
    return found


class Avro(unittest.TestCase):
    def test_folder_holds_the_contracts_and_no_others(self):
        self.assertEqual(sorted(path.stem for path in SCHEMAS.glob("*.avsc")), sorted(CONTRACTS))

    def test_each_is_complete_and_parses(self):
        for name in CONTRACTS:
            with self.subTest(name):
                schema = load(name)
                fastavro.parse_schema(schema, named_schemas={})
                self.assertEqual((schema["name"], schema["namespace"]), (name, "checkit"))

    def test_every_type_and_field_is_documented(self):
        for name in CONTRACTS:
            for path, it in named(load(name), name):
                with self.subTest(path):
                    self.assertGreater(len(it.get("doc", "")), 10, path)
            for path, record in records(load(name), name):
                for field in record["fields"]:
                    with self.subTest(f"{path}.{field['name']}"):
                        self.assertTrue(field.get("doc", "").endswith("."))
                        self.assertGreater(len(field["doc"]), 10)

    def test_names_are_snake_case_and_symbols_upper_case(self):
        for name in CONTRACTS:
            for path, record in records(load(name), name):
                for field in record["fields"]:
                    self.assertRegex(field["name"], r"^[a-z][a-z0-9_]*$", path)
            for path, it in named(load(name), name):
                for symbol in it.get("symbols", []):
                    self.assertRegex(symbol, r"^[A-Z][A-Z0-9_]*$", path)

    def test_what_may_be_null_is_null_by_default(self):
        for name in CONTRACTS:
            for path, record in records(load(name), name):
                for field in record["fields"]:
                    is_union = isinstance(field["type"], list)
                    with self.subTest(f"{path}.{field['name']}"):
                        self.assertEqual(is_union, "default" in field and field["default"] is None)
                        if is_union:
                            self.assertEqual(field["type"][0], "null")
                            self.assertEqual(len(field["type"]), 2)

    def test_times_and_dates_have_their_logical_type(self):
        for name in CONTRACTS:
            for path, record in records(load(name), name):
                for field in record["fields"]:
                    text = json.dumps(field["type"])
                    with self.subTest(f"{path}.{field['name']}"):
                        if re.search(r"(_at|_time|due_by)$", field["name"]):
                            self.assertIn('"timestamp-millis"', text)
                        if re.search(r"(_on|^expiry)$", field["name"]):
                            self.assertIn('"date"', text)

    def test_document_is_the_same_in_both_events(self):
        booking = nested_record(load("BookingEvent"), "BookingEvent.travellers.documents")
        banking = nested_record(load("BankingEvent"), "BankingEvent.documents")
        self.assertEqual(booking, banking)

    def test_list_offset_is_the_same_in_alert_and_receipt(self):
        self.assertEqual(nested_record(load("Alert"), "Alert.list.offsets"),
                         nested_record(load("Receipt"), "Receipt.list_offsets"))

    def test_no_field_is_for_personal_data(self):
        for name in CONTRACTS:
            for path, record in records(load(name), name):
                for field in record["fields"]:
                    self.assertNotRegex(field["name"], PERSONAL, path)

    def test_usual_booking_stays_small(self):
        def document(number):
            return {"number": number, "number_source": "MRZ_OCR", "type": "P", "issuer": "UTO",
                    "nationality": "UTO", "expiry": None}

        event = {
            "event_id": "0123456789abcdef", "partner_id": "carrier-01", "sector": "AIR",
            "event_time": datetime(2026, 1, 1, tzinfo=timezone.utc), "stage": "CHECK_IN",
            "journey_ref": "0123456789abcdef", "origin": "AAA", "destination": "BBB",
            "departs_at": datetime(2026, 1, 2, tzinfo=timezone.utc),
            "travellers": [{"traveller_ref": "1", "documents": [document("X1234567")]},
                           {"traveller_ref": "2", "documents": [document("X7654321")]}],
            "attributes": {"channel": "web", "cabin": "economy"}}
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(load("BookingEvent")), event)
        self.assertLess(len(out.getvalue()), 171)


class WithApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))

    def messages(self):
        for channel in self.api["channels"].values():
            for reference in channel["messages"].values():
                yield channel, resolve(self.api, reference["$ref"])

    def dead_letter_headers(self):
        return self.api["components"]["messages"]["DeadLetter"]["headers"]


class AsyncApi(WithApi):
    def test_version_is_3(self):
        self.assertEqual(self.api["asyncapi"], "3.0.0")

    def test_every_reference_resolves(self):
        found = list(references(self.api))
        self.assertGreater(len(found), 20)
        for reference in found:
            with self.subTest(reference):
                resolve(self.api, reference)

    def test_topics_are_those_of_this_version(self):
        self.assertEqual(
            {channel["address"] for channel in self.api["channels"].values()},
            {"bookings", "banking", "document-changes", "alerts", "alerts.test", "heartbeat",
             "receipts", "dead-letters"})

    def test_every_topic_says_what_a_user_needs(self):
        for channel in self.api["channels"].values():
            with self.subTest(channel["address"]):
                self.assertTrue(channel["description"])
                self.assertTrue(channel["x-key"])
                self.assertTrue(channel["x-written-by"])
                self.assertTrue(channel["x-read-by"])
                self.assertEqual(len(channel["messages"]), 1)
                kafka = channel["bindings"]["kafka"]
                self.assertGreaterEqual(kafka["partitions"], 1)
                policy = kafka["topicConfiguration"]["cleanup.policy"]
                is_compacted = channel["address"] == "document-changes"
                self.assertEqual(policy, ["compact"] if is_compacted else ["delete"])

    def test_operations_are_who_reads_and_writes(self):
        said = {(operation["action"], resolve(self.api, operation["channel"]["$ref"])["address"])
                for operation in self.api["operations"].values()}
        meant = set()
        for channel in self.api["channels"].values():
            if any(name.startswith("checkit ") for name in channel["x-read-by"]):
                meant.add(("receive", channel["address"]))
            if any(name.startswith("checkit ") for name in channel["x-written-by"]):
                meant.add(("send", channel["address"]))
        self.assertEqual(said, meant)

    def test_every_contract_is_the_payload_of_one_message(self):
        used = []
        for channel, message in self.messages():
            if channel["address"] == "dead-letters":
                continue
            self.assertRegex(message["payload"]["schemaFormat"], "avro")
            used.append(resolve(self.api, message["payload"]["schema"]["$ref"])["name"])
            traits = [resolve(self.api, trait["$ref"]) for trait in message["traits"]]
            self.assertEqual(traits[0]["bindings"]["kafka"]["schemaIdPayloadEncoding"], "confluent")
        self.assertEqual(sorted(set(used)), sorted(CONTRACTS))

    def test_headers_are_text_and_described(self):
        for name, header in self.dead_letter_headers()["properties"].items():
            with self.subTest(name):
                self.assertEqual(header["type"], "string")
                self.assertTrue(header["description"].endswith("."))
        self.assertLessEqual(set(self.dead_letter_headers()["required"]),
                             set(self.dead_letter_headers()["properties"]))


class Code(WithApi):
    """What the sources say, against what the contracts say."""

    def test_headers_are_those_the_code_writes(self):
        written = literals(r"checkit\.[a-z_]+", "operators", "pipeline")
        written -= {"checkit.origin", "checkit.offsets"}  # in the header of an exported file
        self.assertEqual(written, set(self.dead_letter_headers()["properties"]))

    def test_reasons_are_those_the_code_gives(self):
        names = (TOP / "pipeline" / "names.c").read_text("utf-8")
        given = set(re.findall(r'\[RECORD_[A-Z_]+\] = "([a-z_]+)"', names))
        reasons = self.dead_letter_headers()["properties"]["checkit.reason"]["enum"]
        self.assertEqual(given - {"ok", "held", "forgotten"}, set(reasons))

    def test_topics_are_the_defaults_of_the_configuration(self):
        said = {channel["address"] for channel in self.api["channels"].values()}
        inputs = {"bookings", "banking"}  # always named in the configuration
        names = "|".join(map(re.escape, said - inputs))
        self.assertEqual(said - inputs, literals(names, "pipeline"))

    def test_presets_name_fields_of_the_events(self):
        text = (TOP / "pipeline" / "mapping.c").read_text("utf-8")
        events = {"booking": "BookingEvent", "banking": "BankingEvent"}
        parts = re.split(r'\{"(\w+)",', text)  # before, name, preset, name, preset, ...
        presets = dict(zip(parts[1::2], parts[2::2]))
        self.assertEqual(presets.keys(), events.keys())
        for preset, name in events.items():
            schema = load(name)
            known = {f"{at}.{field['name']}" for at, record in records(schema, name)
                     for field in record["fields"]}
            prefix = name
            for key, path in re.findall(r'\.(\w+) = "([^"]*)"', presets[preset]):
                if key.endswith("_fixed"):
                    continue
                full = f"{name}.{path.replace('[]', '')}"
                if key == "path":
                    prefix = full
                elif key in ("number", "issuer", "type", "nationality"):
                    full = f"{prefix}.{path}"
                with self.subTest(f"{preset} {key}"):
                    self.assertIn(full, known)
            self.assertIn(".journey = ", presets[preset])

    def test_symbols_are_the_names_the_code_gives(self):
        text = (TOP / "pipeline" / "names.c").read_text("utf-8")
        symbols = {it["name"]: it["symbols"] for _, it in named(load("Alert"), "Alert")
                   if it["type"] == "enum"}
        for enum, prefix, left_out in (("Tier", "TIER", {"NONE"}), ("DocumentType", "TYPE", set()),
                                       ("AlertClass", "CLASS", set()),
                                       ("AlertLoss", "LOSS", set())):
            given = re.findall(rf'\[{prefix}_[A-Z_]+\] = \{{?"([A-Z_]+)"', text)
            with self.subTest(enum):
                self.assertEqual([name for name in given if name not in left_out], symbols[enum])


if __name__ == "__main__":
    unittest.main()
