"""What `./dev bench peers` gives the peers, and what it concludes from their answers.

Run: python3 test_peers.py CHECKIT, the path of the program. Needs fastavro and kafka-python.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(TOP / folder) for folder in (
    "benchmarks", "benchmarks/peers", "tests/kafka")]
import answers  # noqa: E402
import contest  # noqa: E402
import figures  # noqa: E402
import fixture  # noqa: E402
import inputs  # noqa: E402

CHECKIT = ""
EVENTS, ENTRIES = 4000, 5000
HITS = [("B1", "GBR-1"), ("B1", "GBR-2"), ("B7", "DEU-3")]
PLACES = {"B1": ("bookings", 0, 11), "B7": ("bookings", 3, 7)}


def run(*words):
    return subprocess.run([CHECKIT, *map(str, words)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


class Answers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        folder = pathlib.Path(folder.name)
        run("schemas", folder)
        truth = folder / "truth.csv"
        truth.write_text("topic,event_id,entry_id,tier,class\n" + "".join(
            f"bookings,{event},{entry},EXACT,page\n" for event, entry in HITS))
        self.answers = answers.Answers("nowhere", truth, folder)
        self.alerts = [(hit, PLACES[hit[0]]) for hit in HITS]

    def test_what_was_planted_is_taken_also_twice(self):
        self.answers.check("one", self.alerts)
        self.answers.check("another", self.alerts[::-1] + self.alerts[:1])

    def test_a_hit_that_is_missed_or_false_ends_the_bench(self):
        for alerts in (self.alerts[1:], [],
                       [*self.alerts, (("B7", "GBR-1"), PLACES["B7"])]):
            with self.assertRaisesRegex(SystemExit, "one missed"):
                self.answers.check("one", alerts)

    def test_a_hit_told_elsewhere_ends_the_bench(self):
        self.answers.check("one", self.alerts)
        (hit, (topic, partition, offset)), *others = self.alerts
        for place in (("else", partition, offset), (topic, partition + 1, offset),
                      (topic, partition, offset + 1)):
            with self.assertRaisesRegex(SystemExit, "another tells other places"):
                self.answers.check("another", [(hit, place), *others])


class Inputs(unittest.TestCase):
    """The key as any peer makes it of the tables, over events with all their noise."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        fixture.BUILD = pathlib.Path(CHECKIT).parent

    def key(self, issuer, number):
        code = "".join(c for c in issuer.upper() if c not in " -.<")
        latin = [c if c.isascii() else self.characters.get(c) for c in number]
        if code not in self.issuers or None in latin:
            return None
        return self.issuers[code] + "".join(c.upper() for c in latin if c.isalnum())

    def test_they_lead_to_the_planted_hits(self):
        site = types.SimpleNamespace(folder=self.folder)
        inputs.write_list(site, ENTRIES, self.folder / "list.tsv")
        listed = dict(line.split("\t") for line in
                      (self.folder / "list.tsv").read_text("utf-8").splitlines())
        self.assertEqual(len(listed), ENTRIES)
        self.characters, self.issuers = inputs.characters(), inputs.issuers()
        rows = csv.DictReader(run(
            "generate", "bookings", "--events", EVENTS, "--entries", ENTRIES, "--seed",
            fixture.SEED, "--hit-rate", "0.5", "--out", "-").splitlines())
        hits = 0
        for row in rows:
            is_hit = "=" in row["expected"]
            expected = row["expected"].partition("=")[0] if is_hit else None
            hits += is_hit
            self.assertEqual(listed.get(self.key(row["issuer"], row["number"])), expected, row)
        self.assertGreater(hits, EVENTS / 2)


class Ratios(unittest.TestCase):
    def test_they_compare_runs_that_came_one_behind_the_other(self):
        def runs_of(*cpu_and_seconds, **more):
            runs = figures.Runs()
            for cpu, seconds in cpu_and_seconds:
                runs.add({"records": 1000, "cpu_seconds": cpu, "seconds": seconds, "peak_mb": 5}
                         | more)
            return runs
        ours = runs_of((1, 1), (2, 2), (3, 4))
        theirs = runs_of((2, 4), (5, 6), (3, 8), late_ns=7)
        row = contest.row_of("peer", theirs, ours, 2)
        self.assertEqual(row["checkit_per_cpu_s"], [2, 2.5, 1])
        self.assertEqual(row["checkit_events_per_s"], [4, 3, 2])
        self.assertEqual(row["cpu_ns_per_event"], 3e6)
        self.assertEqual(row["late_cpu_ns_per_event"], 7)


if __name__ == "__main__":
    CHECKIT = sys.argv.pop(1)
    unittest.main()
