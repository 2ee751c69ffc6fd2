"""The configuration against its JSON Schema, and every key wrong in turn: what is said of it.

Run: python3 test_configuration.py CHECKIT, the path of the program. Needs tests/requirements.txt.
"""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

CHECKIT = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "config" / "checkit.schema.json"
SECRETS = [
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
]

# Every key stands here, so that each can be made wrong. A list of keys that are not would pass by.
EVERY_KEY = {
    "kafka": {"bootstrap.servers": "b:1", "client.rack": "r"},
    "topics": {"alerts": {"compression.type": "zstd"}},
    "inputs": [
        {"topic": "in0", "preset": "booking", "wire": "single_object"},
        {
            "topic": "in1",
            "wire": "fixed",
            "schema": "s.avsc",
            "preset": "banking",
            "partner": "p",
            "sector": "AIR",
            "documents": [
                {
                    "path": "a[]",
                    "number": "n",
                    "issuer": "i",
                    "type": "t",
                    "nationality": "x",
                    "number_width": 9,
                }
            ],
        },
    ],
    "schemas": {
        "folder": "f",
        "registry": "http://r",
        "user": "u",
        "password": "p",
        "certificate": "c.pem",
        "key": "k.pem",
    },
}


class Loader(yaml.CSafeLoader):
    """YAML as checkit and editors read it: version 1.2, where `off` and a time are texts."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(true|false)$", "tf"),
    ("int", r"^-?[0-9]+$", "-0123456789"),
    ("null", r"^(~|null|)$", "~n\0"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), [*first, ""])


def load(text):
    return yaml.load(text, Loader)


def fill(schema, root, values):
    """values, with every key of the schema that is absent at its default or some allowed value."""
    for name, key in schema["properties"].items():
        if "properties" in key and name != "kafka":
            values[name] = fill(key, root, values.get(name, {}))
        elif name not in values:
            values[name] = key["default"] if "default" in key else sample(key)
    return values


def sample(key):
    if "enum" in key:
        return key["enum"][0]
    if "minimum" in key:
        return key["minimum"]
    for text in ("t", "localhost:1", "http://h"):
        if re.search(key["pattern"], text):
            return text
    raise AssertionError(f"no value for {key}")


def wrong_values(key):
    """(value, what its message must say) for a value of the wrong kind and each not allowed."""
    is_list_or_mapping = key["type"] in ("object", "array") if "type" in key else False
    yield ("text" if is_list_or_mapping else {"a": "b"}), "must be"
    yield None, "must be"
    if "enum" in key:
        yield "nonsense", "must be .* or "
    if "minimum" in key:
        yield key["maximum"] + 1, rf"{key['minimum']} to {key['maximum']}"
        yield -1, rf"{key['minimum']} to {key['maximum']}"
        if key["minimum"] > 0:
            yield key["minimum"] - 1, rf"{key['minimum']} to {key['maximum']}"
    if key.get("type") == "array":
        yield [], "must be a list of 1 to"
    for text in ("", "a\tb", "no/such//"):
        if "pattern" in key and not re.search(key["pattern"], text):
            yield text, "must be|secret is empty|more than a line"


def keys_of(schema, root, path=()):
    """(path of the mapping, name, schema of the key), for every key in the table."""
    for name, key in schema["properties"].items():
        if "properties" in key and name != "kafka":
            yield from keys_of(key, root, (*path, name))
        else:
            yield path, name, key
        if name == "inputs":
            yield from keys_of(root["$defs"]["input"], root, ("inputs", 1))
        if name == "documents":
            yield from keys_of(root["$defs"]["document"], root, ("inputs", 1, "documents", 0))


def at(values, path):
    for step in path:
        values = values[step]
    return values


def line_of(text, path):
    """Where the key at the end of the path stands, from 1."""
    node, line = yaml.compose(text, yaml.CSafeLoader), 0
    for step in path:
        if isinstance(step, int):
            node = node.value[step]
            continue
        for key, value in node.value:
            if key.value == step:
                node, line = value, key.start_mark.line + 1
    return line


def full_name(path):
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = json.loads(SCHEMA.read_text())
        jsonschema.Draft202012Validator.check_schema(cls.schema)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = self.folder / "c.yaml"

    def run_it(self, *arguments, code=0, env=None):
        done = subprocess.run(
            [CHECKIT, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **(env or {})},
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def write(self, values):
        text = yaml.dump(values, Dumper=yaml.CSafeDumper, sort_keys=False)
        self.path.write_text(text)
        return text

    def base(self):
        values = fill(self.schema, self.schema, copy.deepcopy(EVERY_KEY))
        fill(self.schema["$defs"]["input"], self.schema, values["inputs"][1])
        return values


class Schema(Case):
    def test_file_is_what_the_command_prints(self):
        output, _ = self.run_it("config", "schema")
        self.assertEqual(output, SCHEMA.read_text(), "run checkit config schema > " + str(SCHEMA))

    def test_examples_are_valid(self):
        files = [
            *sorted((TOP / "config").glob("*.yaml")),
            *sorted((TOP / "config" / "examples").glob("*.yaml")),
            *sorted((TOP / "config" / "systemd").glob("*.yaml")),
        ]
        self.assertGreaterEqual(len(files), 4)
        for file in files:
            errors = [error.message for error in self.validator.iter_errors(load(file.read_text()))]
            self.assertEqual(errors, [], file)

    def test_what_show_prints_is_valid(self):
        self.write(self.base())
        output, _ = self.run_it("config", "show", "-c", self.path)
        shown = load(output)
        self.assertEqual(list(self.validator.iter_errors(shown)), [])
        for path, name, _ in keys_of(self.schema, self.schema):
            if name != "preset":  # its fields are shown instead
                self.assertIn(name, at(shown, path))

    def test_what_is_required_is_required_by_both(self):
        count = 0
        for path, name, _ in keys_of(self.schema, self.schema):
            values = self.base()
            schema = self.schema["$defs"]["input"] if path[:1] == ("inputs",) else self.schema
            schema = self.schema["$defs"]["document"] if "documents" in path else schema
            for step in path if path[:1] != ("inputs",) else path[2:]:
                schema = schema["properties"][step] if step in schema["properties"] else schema
            if name not in schema["required"]:
                continue
            count += 1
            del at(values, path)[name]
            self.write(values)
            _, errors = self.run_it("config", "show", "-c", self.path, code=78)
            self.assertRegex(errors, rf"c\.yaml:\d+: .*{name}.*is missing; must be ")
            self.assertFalse(self.validator.is_valid(values), name)
        self.assertGreaterEqual(count, 8)


class EveryKeyWrongInTurn(Case):
    def refuses(self, values, path, what):
        text = self.write(values)
        _, errors = self.run_it("config", "show", "-c", self.path, code=78)
        where = f"checkit: {self.path}:{line_of(text, path)}: {full_name(path)}: "
        self.assertTrue(errors.startswith(where), f"{errors!r} does not begin with {where!r}")
        self.assertRegex(errors[len(where):], what)
        self.assertEqual(errors.count("\n"), 1)
        self.assertFalse(self.validator.is_valid(values), f"the schema takes {path}")

    def test_all_right_is_taken_by_both(self):
        values = self.base()
        self.write(values)
        self.run_it("config", "show", "-c", self.path)
        self.assertEqual([e.message for e in self.validator.iter_errors(values)], [])

    def test_slip_in_a_key_is_told_with_what_may_stand_there(self):
        for path, name, _ in keys_of(self.schema, self.schema):
            values = self.base()
            mapping = at(values, path)
            slip = name + "q"
            mapping[slip] = mapping.pop(name)
            what = r"^unknown key: (is '\w+' meant\?|here may stand )"
            self.refuses(values, (*path, slip), what)

    def test_value_of_another_kind_or_beyond_the_limits_is_told_with_what_is_allowed(self):
        count = 0
        for path, name, key in keys_of(self.schema, self.schema):
            for value, what in wrong_values(key):
                values = self.base()
                at(values, path)[name] = value
                self.refuses(values, (*path, name), what)
                count += 1
        self.assertGreater(count, 100)

    def test_group_that_is_no_mapping_is_told(self):
        for name, key in self.schema["properties"].items():
            if "properties" in key and name != "kafka":
                values = self.base()
                values[name] = "text"
                self.refuses(values, (name,), "must be a mapping")

    def test_topic_that_stands_nowhere_else_is_told(self):
        values = self.base()
        values["topics"] = {"alerst": {"compression.type": "zstd"}}
        text = self.write(values)
        _, errors = self.run_it("config", "show", "-c", self.path, code=78)
        line = line_of(text, ("topics", "alerst"))
        self.assertEqual(
            errors,
            f"checkit: {self.path}:{line}: topics.alerst: unknown topic: is 'alerts' meant?\n",
        )

    def test_properties_librdkafka_refuses_are_told_with_their_line(self):
        for group, name, value, what in (
            ("kafka", "fetch.mni.bytes", "1", "No such configuration property"),
            ("kafka", "fetch.min.bytes", "zero", "Invalid value"),
            ("kafka", "acks", "1", "cannot be set: an alert counts as delivered only once"),
            ("topics", "compression.tpye", "zstd", "No such configuration property"),
            ("topics", "compression.type", "arj", "Invalid value"),
            ("topics", "request.required.acks", "1", "cannot be set: "),
        ):
            values = self.base()
            (values["kafka"] if group == "kafka" else values["topics"]["alerts"])[name] = value
            text = self.write(values)
            path = (group, name) if group == "kafka" else (group, "alerts", name)
            output, _ = self.run_it("config", "check", "--offline", "-c", self.path, code=78)
            found = re.search(r"^fault  kafka: (.*)$", output, re.MULTILINE)
            self.assertIsNotNone(found, output)
            self.assertTrue(found[1].startswith(f"{self.path}:{line_of(text, path)}: "), found[1])
            self.assertIn(name, found[1])
            self.assertIn(what, found[1])


class Secrets(Case):
    def values(self, **kafka):
        values = self.base()
        del values["topics"]
        values["kafka"] = {"bootstrap.servers": "localhost:1", **kafka}
        return values

    def test_each_is_read_from_a_file_or_the_environment_and_never_shown(self):
        (self.folder / "secret").write_text("hunter-of-file\n")
        env = {"CHECKIT_TEST_SECRET": "hunter-of-environment"}
        for name in SECRETS:
            for value in ("hunter", "file:secret", "env:CHECKIT_TEST_SECRET"):
                self.write(self.values(**{name: value}))
                output, errors = self.run_it("config", "show", "-c", self.path, env=env)
                self.assertEqual(load(output)["kafka"][name], "(hidden)")
                self.assertNotIn("hunter", output + errors)

    def test_any_property_may_be_held_elsewhere(self):
        (self.folder / "user").write_text("alice\r\n")
        self.write(self.values(**{"sasl.username": "file:user", "client.rack": "env:RACK"}))
        output, _ = self.run_it("config", "show", "-c", self.path, env={"RACK": "r7"})
        self.assertEqual(load(output)["kafka"]["sasl.username"], "alice")
        self.assertEqual(load(output)["kafka"]["client.rack"], "r7")

    def test_pem_may_have_lines_and_nothing_else(self):
        (self.folder / "secret").write_text("hunter\nhunter\n")
        self.write(self.values(**{"ssl.key.pem": "file:secret"}))
        self.run_it("config", "show", "-c", self.path)
        self.write(self.values(**{"sasl.password": "file:secret"}))
        _, errors = self.run_it("config", "show", "-c", self.path, code=78)
        self.assertIn("kafka.sasl.password: the secret is empty, longer than 4095 bytes or more "
                      "than a line", errors)
        self.assertNotIn("hunter", errors)

    def test_what_cannot_be_read_is_told(self):
        for value, what in (("file:none", f"'{self.folder}/none' cannot be read: No such file"),
                            ("env:CHECKIT_NONE", "the environment has no 'CHECKIT_NONE'")):
            text = self.write(self.values(**{"sasl.password": value}))
            _, errors = self.run_it("config", "show", "-c", self.path, code=78)
            line = line_of(text, ("kafka", "sasl.password"))
            self.assertIn(f"{self.path}:{line}: kafka.sasl.password: {what}", errors)

    def make_secrets(self):
        for name in SECRETS:
            (self.folder / name).write_text("hunter-" + name)
        return {name: "file:" + name for name in SECRETS}

    def test_not_one_is_in_a_log_that_says_all(self):
        values = self.values(**self.make_secrets(), debug="conf")
        values["log"] = {"level": "debug"}
        self.write(values)
        output, errors = self.run_it(
            "config", "topics", "--create", "-c", self.path, code=69
        )
        self.assertIn(" debug kafka message=librdkafka ", errors)
        self.assertIn("facility=CONF ", errors)
        self.assertNotIn("hunter", output + errors)

    def test_not_one_is_in_what_librdkafka_refuses(self):
        for protocol, mechanism in (("SSL", "PLAIN"), ("SASL_SSL", "PLAIN"),
                                    ("SASL_SSL", "OAUTHBEARER")):
            secrets = self.make_secrets()
            secrets["ssl.keystore.location"] = "none"
            self.write(self.values(**secrets, **{"security.protocol": protocol,
                                                 "sasl.mechanism": mechanism}))
            output, errors = self.run_it("config", "check", "-c", self.path, code=78)
            self.assertRegex(output, r"(?m)^fault  kafka: ")
            self.assertNotIn("hunter", output + errors)


if __name__ == "__main__":
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
