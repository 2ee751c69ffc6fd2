"""`checkit config topics` gives every topic what asyncapi.yaml says of its kind.

    python3 tests/schemas/check_topics.py CHECKIT
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

CHECKIT = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """\
kafka: {bootstrap.servers: 'localhost:1'}
inputs: [{topic: bookings, preset: booking}, {topic: banking, preset: banking}]
store: {path: store, key: store.key}
identity_key: identity.key
schemas: {folder: schemas}
"""


def meant():
    """By topic: its partitions and settings, as asyncapi.yaml has them."""
    document = yaml.safe_load((TOP / "schemas" / "asyncapi.yaml").read_text("utf-8"))
    topics = {}
    for channel in document["channels"].values():
        binding = channel["bindings"]["kafka"]
        settings = {key: ",".join(value) if isinstance(value, list) else str(value)
                    for key, value in binding["topicConfiguration"].items()}
        topics[channel["address"]] = (binding["partitions"], settings)
    return topics


def printed():
    """The same, from the commands that are printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "checkit.yaml"
        path.write_text(CONFIG)
        output = subprocess.run([CHECKIT, "config", "topics", "-c", path], check=True, text=True,
                                stdout=subprocess.PIPE, timeout=60).stdout
    topics = {}
    for line in output.splitlines():
        name = re.search(r" --topic (\S+)", line)[1]
        partitions = int(re.search(r" --partitions (\d+)", line)[1])
        topics[name] = (partitions, dict(re.findall(r" --config ([^=]+)=(\S+)", line)))
    return topics


class Topics(unittest.TestCase):
    def test_what_is_printed_is_what_is_meant(self):
        self.assertEqual(printed(), meant())


if __name__ == "__main__":
    CHECKIT = sys.argv.pop(1)
    unittest.main()
