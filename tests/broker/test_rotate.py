"""`checkit key rotate` on a store in use: a real `checkit screen` on an embedded broker goes over
to the list under another key while events and changes keep coming, and misses nothing.

Run: python3 test_rotate.py CHECKIT MOCK_BROKER, the paths of the two programs. Needs fastavro and
kcat.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import unittest

import test_list
import test_watching
from test_list import ENTRIES, Site, row
from test_watching import KCAT, PATIENCE_S, booking, wait_until

LISTED = "KX4000005"
CHANGED = 50


class Live(Site):
    def setUp(self):
        super().setUp()
        text = self.config.read_text().replace("workers: 1", "workers: 2\ncommit_interval_ms: 100")
        self.config.write_text(text)
        self.new_key = self.folder / "new.key"
        self.run_it()

    def ask(self, path, *arguments):
        done = subprocess.run(["curl", "-sS", *arguments, "--unix-socket", self.socket,
                               f"http://checkit{path}"], capture_output=True, text=True,
                              check=True, timeout=PATIENCE_S)
        return json.loads(done.stdout)

    def wait_until_it_screens(self):
        """Before it does not rotate, and at first does not answer."""
        def screens():
            try:
                return self.ask("/rotation")["state"] != "off"
            except subprocess.CalledProcessError:
                return False

        wait_until(screens, self.log)

    def rotate(self, *arguments, code=0, config=None, key=None):
        self.wait_until_it_screens()
        return self.checkit("key", "rotate", "-c", config or self.config, "--new-store-key",
                            key or self.new_key, "-q", *arguments, code=code)

    def configure_key(self, key, name="rotated"):
        config = self.folder / f"{name}.yaml"
        config.write_text(re.sub(r"(path: store, key: )[^,}]+", rf"\g<1>{key.name}",
                                 self.config.read_text()))
        return config

    def alerts(self):
        """Partition and offset of the event of every alert that is there."""
        done = subprocess.run([CHECKIT, "alerts", "-c", str(self.config), "--since", "beginning",
                               "--format", "json", "--until-end"], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def stop(self):
        """69: the embedded broker's group was in a rebalance, and nothing is committed."""
        self.assertIn(self.end(self.process), (0, 69), self.log())

    def list_stat(self, config):
        return json.loads(self.list("stat", "--json", config=config))

    def left(self):
        return sorted(path.name for path in self.folder.iterdir()
                      if path.is_dir() and path.name.startswith("store"))


class Load:
    """Bookings of a listed document, and changes, until it is told to end."""

    def __init__(self, site):
        self.site = site
        self.done = threading.Event()
        self.sent = 0
        self.fed = 0
        self.threads = [threading.Thread(target=self.book), threading.Thread(target=self.change)]
        for thread in self.threads:
            thread.start()

    def book(self):
        while not self.done.is_set():
            self.site.broker.produce("bookings", 0, "k", booking(LISTED))
            self.sent += 1

    def change(self):
        while not self.done.is_set():
            first = ENTRIES + CHANGED * self.fed
            self.site.feed(*(row(i) for i in range(first, first + CHANGED)),
                           *(row(i, self.fed + 2, f"QX{10 + self.fed}{i:05}")
                             for i in range(100, 100 + CHANGED)))
            self.fed += 1

    def reaches(self, sent, fed):
        wait_until(lambda: self.sent >= sent and self.fed >= fed, "load")

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.join()


class Rotation(Live):
    def test_under_load_nothing_is_missed_and_the_next_start_works(self):
        load = Load(self)
        try:
            load.reaches(5, 2)
            output = self.rotate()
            load.reaches(load.sent + 5, load.fed + 2)
        finally:
            load.end()
        self.assertIn("it is screened with", output)
        self.wait_for(f"E-{ENTRIES + CHANGED * load.fed - 1:05}")
        moved = f"QX{10 + load.fed - 1}00100"
        self.broker.produce("bookings", 0, "k", booking(moved))
        self.broker.produce("bookings", 0, "k", booking(f"KX{4000000 + 100}"))  # it moved away
        events = wait_until(lambda: len(found := self.alerts()) >= load.sent + 1 and found,
                            self.log)
        self.assertEqual(len(events), load.sent + 1)
        self.assertEqual(len({one["sighting_id"] for one in events}), load.sent + 1)
        self.assertEqual(self.left(), ["store", "store.replaced"])
        self.check_next_starts(load)

    def check_next_starts(self, load):
        new = self.configure_key(self.new_key)
        told = self.list_stat(new)
        self.assertEqual(told["live"], ENTRIES + 2 + CHANGED * load.fed)
        self.assertIn(f'configure store.key: "{self.new_key.resolve()}"',
                      self.list("stat", code=78))
        self.list("verify", config=new)
        self.stop()
        self.assertEqual(self.start().wait(PATIENCE_S), 78)
        self.assertIn("configure store.key", self.log())
        self.process = self.start(new)
        self.feed(row(7, revision=90))
        self.wait_for("E-00007", revision=90, config=new)
        self.stop()
        self.list("verify", config=new)
        self.assertEqual(self.list_stat(new)["live"], told["live"])

    def test_twice_in_one_process(self):
        self.rotate()
        second = self.folder / "second.key"
        config = self.configure_key(self.new_key)
        self.assertIn("already", self.rotate())
        self.rotate(config=config, key=second)
        self.feed(row(7, revision=3))
        self.wait_for("E-00007", revision=3)
        self.broker.produce("bookings", 0, "k", booking(LISTED))
        wait_until(lambda: len(self.alerts()) == 1, self.log)
        self.stop()
        config = self.configure_key(second, "second")
        self.list("verify", config=config)
        self.assertEqual(self.list_stat(config)["live"], ENTRIES + 2)

    def test_a_snapshot_and_an_export_of_it_are_whole(self):
        self.rotate()
        new = self.configure_key(self.new_key)
        self.feed(row(ENTRIES))
        self.wait_for(f"E-{ENTRIES:05}")
        self.list("snapshot", self.folder / "kept", config=new)
        self.list("verify", "--store", self.folder / "kept", config=new)
        rows = self.list("export", "--out", "-", config=new).splitlines()
        self.assertEqual(len(rows), ENTRIES + 5)


class Failures(Live):
    def goes_on(self):
        self.feed(row(7, revision=80))
        self.wait_for("E-00007", revision=80)
        self.list("verify")

    def test_a_process_that_is_killed_in_between_starts_again_with_one_of_the_keys(self):
        for point, is_new in (("worker_store_taken", False), ("rotation_switched", False)):
            with self.subTest(point):
                self.end(self.process)
                os.environ["CHECKIT_KILL_POINT"] = point
                try:
                    self.process = self.start()
                finally:
                    del os.environ["CHECKIT_KILL_POINT"]
                wait_until(self.socket.exists, self.log)
                wait_until(lambda: self.entry("end"), self.log)
                self.new_key = self.folder / f"{point}.key"
                self.rotate(code=69)
                self.assertEqual(self.process.wait(PATIENCE_S), -signal.SIGKILL)
                self.process = self.start()
                self.wait_for("end")
                self.goes_on()
                self.rotate(key=self.folder / f"{point}-again.key")
                self.list("verify", config=self.configure_key(
                    self.folder / f"{point}-again.key", "again"))
                self.end(self.process)
                self.config = self.configure_key(self.folder / f"{point}-again.key",
                                                 f"{point}-again")
                self.process = self.start()
                self.wait_for("end")

    def test_a_store_behind_a_link_is_refused_before_anything_is_built(self):
        self.stop()
        self.store.symlink_to(self.store.rename(self.folder / "store-there"))
        self.process = self.start()
        self.wait_until_it_screens()
        self.assertIn("is a symbolic link", self.rotate(code=78))
        self.assertFalse(self.new_key.exists())
        self.assertEqual(self.left(), ["store", "store-there"])
        self.rotate_by_hand(self.new_key, "is a symbolic link")
        self.goes_on()

    def test_a_key_the_process_cannot_read_changes_nothing(self):
        self.rotate_by_hand("/nowhere/store.key", "cannot be opened")
        self.goes_on()
        self.rotate()
        self.assertEqual(self.left(), ["store", "store.replaced"])

    def test_a_store_that_is_not_there_changes_nothing(self):
        self.checkit("key", "new", "--store-key", self.new_key)
        self.rotate_by_hand(self.new_key, "store.rotated")
        self.goes_on()

    def rotate_by_hand(self, key, said):
        self.wait_until_it_screens()
        self.assertIn(self.ask(f"/rotate?key={key}", "-X", "POST")["state"],
                      ("asked", "following", "failed"))

        def failed():
            return (found := self.ask("/rotation"))["state"] == "failed" and found

        self.assertIn(said, wait_until(failed, self.log)["error"])
        self.assertTrue(re.search("rotation.*stays under its key", self.log()))


if __name__ == "__main__":
    test_watching.MOCK_BROKER = os.path.abspath(sys.argv.pop(2))
    CHECKIT = test_list.CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
