"""The demo as a user runs it, on a terminal and not: an embedded broker, the real screener, and
nothing left behind.

Run: python3 test_demo.py CHECKIT, the path of the program. Standard library only.
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

CHECKIT = ""
PATIENCE_S = 120  # only a failing test waits so long
OPEN, CLOSE, TOP = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H"
CURSOR_ON, WRAPPING_ON = "\x1b[?25h", "\x1b[?7h"
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
        """Before it screens, and while it does: seconds are left for either."""
        for number, said in ((signal.SIGINT, "list"), (signal.SIGTERM, "banking")):
            process = self.start("--events", 600000, "--entries", 1000)
            for line in process.stdout:
                if line.startswith(said):
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

    def test_over_seconds_it_writes_a_line_each(self):
        _, output = self.finds_all("--events", 2000, "--entries", 1000, "--seconds", 4)
        self.assertNotIn("\x1b", output)
        lines = re.findall(
            r"(?m)^screening +\d+ s: (\d+) events, \d+ a second, lag \d+, "
            r"hits \d+ PAGE \d+ REVIEW, alerts \d+$", output)
        self.assertGreater(len(lines), 0, output)
        self.assertEqual(lines, sorted(lines, key=int))
        self.assertRegex(output, r"(?m)^screening 2000 events, \d+ documents, ")


class Terminal:
    """The demo on a terminal of its own."""

    def __init__(self, case, *arguments, rows=24, columns=80, **environment):
        self.case = case
        self.output = ""
        self.bytes = b""
        self.master, self.slave = pty.openpty()
        case.addCleanup(os.close, self.master)
        case.addCleanup(os.close, self.slave)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [CHECKIT, "demo", *map(str, arguments)], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"}
            | {"TMPDIR": str(case.folder), "TERM": "xterm"} | environment)
        case.addCleanup(self.process.kill)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_some(self):
        """False: it has ended, and everything is read."""
        ended = self.process.poll() is not None
        ready, _, _ = select.select([self.master], [], [], 0 if ended else 0.05)
        if ready:
            self.bytes += os.read(self.master, 65536)
            self.output = self.bytes.decode("utf-8", "ignore")
        return bool(ready) or not ended

    def read_until(self, pattern):
        while not re.search(pattern, self.output):
            self.case.assertTrue(self.read_some(), self.output[-2000:])

    def press_ctrl_c(self):
        os.write(self.master, b"\x03")

    def read_to_end(self):
        while self.read_some():
            pass
        return self.process.wait(PATIENCE_S)

    def frames(self):
        """What was drawn, as lists of lines without styles."""
        drawn = self.output.partition(OPEN)[2].partition(CLOSE)[0].split(TOP)[2:]
        plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame) for frame in drawn]
        return [[line.strip("\r") for line in frame.split("\n")] for frame in plain]


class Live(unittest.TestCase):
    SMALL = ["--events", 3000, "--entries", 1000, "--seconds", 3]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def is_given_back(self, terminal):
        """The screen, the cursor and the settings, before anything else is said."""
        drawn, _, after = terminal.output.rpartition(CLOSE)
        self.assertEqual(drawn.count(OPEN), 1)
        self.assertGreater(drawn.rfind(CURSOR_ON), drawn.rfind(TOP))
        self.assertGreater(drawn.rfind(WRAPPING_ON), drawn.rfind(TOP))
        self.assertNotIn("\x1b", after)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        self.assertEqual(os.listdir(self.folder), [])
        return after

    def finds_all(self, terminal):
        self.assertEqual(terminal.read_to_end(), 0, terminal.output[-2000:])
        last = self.is_given_back(terminal).splitlines()[-1]
        planted, found, missed, false = map(int, VERDICT.fullmatch(last).groups())
        self.assertGreater(planted, 0)
        self.assertEqual((found, missed, false), (planted, 0, 0))
        return planted

    def test_it_is_drawn_and_given_back(self):
        terminal = Terminal(self, *self.SMALL)
        planted = self.finds_all(terminal)
        frames = terminal.frames()
        self.assertGreater(len(frames), 3)
        for frame in frames:
            self.assertLessEqual(len(frame), 24)
            self.assertLessEqual(max(map(len, frame)), 80)
        text = "\n".join(frames[-1])
        self.assertRegex(text, r"events +[\d,]+ of 3,000 +[\d,]+ a second  lag \d+")
        self.assertRegex(text, r"list +1,000 entries, \d+\.\d s old")
        self.assertRegex(text, r"(?m)^EXACT +\d+ +\d+$")
        hits = sum(map(int, re.search(r"(?m)^all +(\d+) +(\d+)$", text).groups()))
        self.assertGreater(hits, 0)
        self.assertLessEqual(hits, planted)
        self.assertRegex(text, r"(?m)^\d\d:\d\d:\d\d  (PAGE|REVIEW) +EXACT +[A-Z]{3} ")
        self.assertIn("\x1b[1;31m", terminal.output)

    def test_ctrl_c_ends_it_with_the_verdict(self):
        terminal = Terminal(self, "--events", 1000000, "--entries", 1000, "--seconds", 3600)
        terminal.read_until(r"alerts, the latest first \([1-9]")
        self.assertFalse(termios.tcgetattr(terminal.slave)[3] & termios.ECHO)
        terminal.press_ctrl_c()
        self.finds_all(terminal)
        self.assertNotIn("^C", terminal.output)

    def test_ended_before_it_began_it_says_so(self):
        terminal = Terminal(self, "--events", 1000, "--seconds", 3600)  # none for seconds
        terminal.read_until(r"  (loading the list|joining), 0 s")
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.read_to_end(), 1)
        self.assertEqual(self.is_given_back(terminal), "checkit: demo: interrupted\r\n")

    def test_a_small_terminal_is_enough_and_may_become_smaller(self):
        terminal = Terminal(self, *self.SMALL, rows=14, columns=50)
        terminal.read_until(r"(?s)joining.*hits  PAGE")
        terminal.resize(6, 20)
        self.finds_all(terminal)
        sizes = [(len(frame), max(map(len, frame))) for frame in terminal.frames()]
        first = next(i for i, (_, columns) in enumerate(sizes) if columns <= 20)
        self.assertGreater(first, 0)
        for rows, columns in sizes[:first]:  # some of them drawn, and not read, before the change
            self.assertLessEqual((rows, columns), (14, 50))
        for rows, columns in sizes[first:]:
            self.assertLessEqual(rows, 6)
            self.assertLessEqual(columns, 20)

    def test_no_color_is_respected(self):
        terminal = Terminal(self, *self.SMALL, NO_COLOR="1")
        self.finds_all(terminal)
        self.assertGreater(len(terminal.frames()), 3)
        self.assertEqual(set(re.findall(r"\x1b\[([0-9;]*)m", terminal.output)), {"0"})

    def test_a_terminal_that_cannot_be_drawn_on_gets_lines(self):
        terminal = Terminal(self, "--events", 1000, "--entries", 300, TERM="dumb")
        self.assertEqual(terminal.read_to_end(), 0)
        self.assertNotIn("\x1b", terminal.output)
        self.assertRegex(terminal.output.splitlines()[-1], VERDICT)


if __name__ == "__main__":
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
