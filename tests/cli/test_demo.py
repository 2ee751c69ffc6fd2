"""The demo as a user runs it: an embedded broker, the real screener, and nothing left behind.

Run: python3 test_demo.py CHECKIT, the path of the program. Standard library only.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

CHECKIT = ""
VERDICT = re.compile(r"planted (\d+) · found (\d+) · missed (\d+) · false (\d+)")


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, *arguments):
        process = subprocess.Popen(
            [CHECKIT, "demo", *map(str, arguments)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8",
            env=os.environ | {"TMPDIR": str(self.folder)},
        )
        self.addCleanup(process.kill)
        return process

    def left_behind(self):
        return os.listdir(self.folder)

    def finds_all(self, *arguments):
        output, errors = self.start(*arguments).communicate(timeout=120)
        self.assertEqual(errors, "")
        lines = output.splitlines()
        verdict = VERDICT.fullmatch(lines[-1])
        self.assertTrue(verdict, output)
        planted, found, missed, false = map(int, verdict.groups())
        self.assertGreater(planted, 0)
        self.assertEqual((found, missed, false), (planted, 0, 0), output)
        self.assertEqual(self.left_behind(), [])
        return planted, output

    def test_everything_planted_is_found(self):
        planted, output = self.finds_all("--events", 3000, "--entries", 2000)
        self.assertIn(f"{planted} read from topic alerts", output)
        self.assertIn("2000 documents to topic document-changes", output)
        self.assertRegex(output, r"(?m)^screening +3000 events, ")

    def test_another_seed_is_another_list_and_other_events(self):
        sizes = ["--events", 1000, "--entries", 300]
        first, _ = self.finds_all(*sizes, "--seed", 4)
        other, _ = self.finds_all(*sizes, "--seed", 5)
        self.assertNotEqual(first, other)

    def test_list_of_one_document(self):
        self.finds_all("--events", 1000, "--entries", 1, "--seed", 6)

    def test_interrupted_it_leaves_nothing_behind(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("--events", 200000, "--entries", 1000)
            for line in process.stdout:
                if line.startswith("banking"):  # what comes next takes seconds
                    break
            self.assertEqual(len(self.left_behind()), 1)
            process.send_signal(number)
            output, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, output)
            self.assertEqual(errors, "checkit: demo: interrupted\n")
            self.assertNotIn("planted", output)
            self.assertEqual(self.left_behind(), [])

    def test_folder_that_cannot_be_made_is_told(self):
        self.folder = self.folder / "none"
        output, errors = self.start().communicate(timeout=60)
        self.assertEqual(output, "")
        self.assertRegex(errors, r"\Acheckit: '\S+' cannot be made: No such file or directory\n\Z")


if __name__ == "__main__":
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
