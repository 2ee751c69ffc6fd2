"""`checkit list` on a store in use: a real `checkit screen` on an embedded broker, under feed load.

Run: python3 test_list.py CHECKIT MOCK_BROKER, the paths of the two programs. Needs fastavro and
kcat.
"""

import csv
import fcntl
import io
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

import fastavro

import test_watching
from test_watching import PATIENCE_S, wait_until

CHECKIT = ""
CONFIG = """\
kafka:
  bootstrap.servers: '{servers}'
  reconnect.backoff.max.ms: 200
  session.timeout.ms: 6000  # so long the embedded broker waits for who joins second
  heartbeat.interval.ms: 200
instance: one
workers: 1
inputs: [{{topic: bookings, preset: booking}}]
feed: {{topic: '{feed}'}}
store: {{path: {store}, key: store.key{socket}}}
identity_key: identity.key
schemas: {{folder: schemas}}
heartbeat: {{interval_s: 0}}
http: {{listen: 'off'}}
"""
HEADER = "entry_id,op,revision,number,number_to,issuer,type,loss,flags,contributor,reported_on"
ENTRIES = 300


def row(i, revision=1, number=None):
    return (f"E-{i:05},UPSERT,{revision},{number or f'KX{4000000 + i}'},,NLD,PASSPORT,STOLEN,,"
            f"\"NLD, main\",2026-01-31")


class Site(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.broker = test_watching.Broker()
        self.addCleanup(self.broker.close)
        for topic in ("bookings", "alerts", "receipts", "dead-letters"):
            self.broker.add_topic(topic, 1)
        self.broker.add_topic("changes", 2)
        self.broker.add_topic("again", 2)
        self.config = self.configure("one", "changes", "store")
        self.checkit("key", "new", "-c", self.config)
        self.checkit("schemas", self.folder / "schemas")
        self.store = self.folder / "store"
        self.socket = self.folder / "store.sock"
        self.process = None

    def configure(self, name, feed, store, socket=""):
        config = self.folder / f"{name}.yaml"
        config.write_text(CONFIG.format(servers=self.broker.address, feed=feed, store=store,
                                        socket=socket and f", socket: {socket}"))
        return config

    def checkit(self, *arguments, code=0):
        done = subprocess.run([CHECKIT, *map(str, arguments)], capture_output=True, text=True,
                              timeout=PATIENCE_S * 3)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stderr if code else done.stdout

    def list(self, command, *arguments, code=0, config=None):
        return self.checkit("list", command, "-c", config or self.config, *arguments, code=code)

    def feed(self, *rows, config=None):
        file = self.folder / f"rows-{threading.get_ident()}.csv"
        file.write_text("\n".join([HEADER, *rows]) + "\n")
        self.checkit("feed", "-c", config or self.config, file)

    def start(self, config=None):
        log = open(self.folder / "log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen([CHECKIT, "screen", "-c", str(config or self.config)],
                                   stdout=log, stderr=log)
        self.addCleanup(self.end, process, signal.SIGKILL)
        return process

    def end(self, process, number=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(PATIENCE_S)

    def log(self):
        return (self.folder / "log").read_text("utf-8")

    def answer(self, command, *arguments, config=None):
        """None while there is none: a process that starts is neither there nor away."""
        done = subprocess.run([CHECKIT, "list", command, "-c", config or self.config, "--json",
                               *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def entry(self, name, config=None):
        """None too while there is no such entry."""
        return self.answer("get", name, config=config)

    def wait_for_offsets(self, are_reached, config=None):
        wait_until(lambda: (one := self.answer("stat", config=config))
                   and are_reached(one["offsets"]), self.log)

    def wait_for(self, name, revision=1, config=None):
        return wait_until(
            lambda: (one := self.entry(name, config)) and one["revision"] >= revision and one,
            lambda: (name, self.log()))

    def left_behind(self):
        return [path.name for path in self.folder.glob("store.reader-*")]

    def run_it(self):
        self.process = self.start()
        self.feed(*(row(i) for i in range(ENTRIES)),
                  "R-1,UPSERT,4,AB1000,AB1999,FRA,ID_CARD,STOLEN_BLANK,SILENT|TEST,FRA,",
                  "W-1,WITHDRAW,7,,,,,,,NLD,", "end,UPSERT,1,ZZ9999999,,NLD,ANY,,,NLD,")
        self.wait_for("end")
        self.wait_for("W-1")
        self.wait_for("R-1")
        self.wait_for(f"E-{ENTRIES - 1:05}")


class InUse(Site):
    def setUp(self):
        super().setUp()
        self.run_it()

    def test_socket_is_of_its_user_alone_and_goes_with_its_process(self):
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
        self.assertTrue(stat.S_ISSOCK(self.socket.stat().st_mode))
        other = self.configure("other", "changes", "store-2", socket=self.socket)
        self.assertEqual(self.start(other).wait(PATIENCE_S), 78)
        self.assertIn("another process answers", self.log())
        self.assertEqual(self.end(self.process), 0, self.log())
        self.assertFalse(self.socket.exists())
        self.assertEqual(self.entry("end")["state"], "live")

    def test_a_process_that_was_killed_leaves_a_socket_that_is_in_nobodys_way(self):
        self.end(self.process, signal.SIGKILL)
        self.assertTrue(self.socket.exists())
        self.list("verify")
        self.process = self.start()
        self.feed(row(1, revision=2))
        self.wait_for("E-00001", revision=2)

    def test_get_answers_as_of_now(self):
        one = self.entry("E-00007")
        self.assertEqual(one["number"], "KX4000007")
        self.assertEqual(one["contributor"], "NLD, main")
        self.assertIn("EXACT", [tier["tier"] for tier in one["tiers"]])
        self.feed(row(7, revision=2, number="KX5000007"))
        self.assertEqual(self.wait_for("E-00007", revision=2)["number"], "KX5000007")
        self.assertEqual(self.entry("W-1"), {"entry_id": "W-1", "state": "withdrawn",
                                             "revision": 7})
        text = self.list("get", "R-1")
        for words in ("AB1000", "AB1999", "stolen as a blank", "neither bearer", "RANGE"):
            self.assertIn(words, text)
        self.assertIn("there never was", self.list("get", "E;=%", code=65))

    def test_stat_counts_and_tells_what_the_process_takes(self):
        told = json.loads(self.list("stat", "--json"))
        self.assertEqual(told["live"], ENTRIES + 2)
        self.assertEqual((told["withdrawn"], told["ranges"], told["silent"]), (1, 1, 1))
        self.assertEqual(told["by_issuer"], {"NLD": ENTRIES + 1, "FRA": 1})
        self.assertEqual(told["by_loss"]["STOLEN"], ENTRIES)
        self.assertEqual(told["by_shape"], {"LLDDDDDDD": ENTRIES + 1})
        self.assertEqual(told["by_contributor"]["NLD, main"], ENTRIES)
        self.assertEqual(sum(told["offsets"].values()), ENTRIES + 3)
        self.assertGreater(told["memory"]["filter_bytes"], 1_000_000)
        self.assertGreater(told["disk_bytes"]["entries"], 1000)
        self.assertIn("under 1 year", self.list("stat"))
        self.assertEqual(self.left_behind(), [])

    def test_all_of_them_under_load_and_back_at_the_offsets_of_a_snapshot(self):
        done = threading.Event()
        fed = []

        def load():
            while not done.is_set():
                first = ENTRIES + 100 * len(fed)
                self.feed(*(row(i) for i in range(first, first + 100)),
                          *(row(i, len(fed) + 2, f"QX{10 + len(fed)}{i:05}") for i in range(50)))
                fed.append(first)

        loader = threading.Thread(target=load)
        loader.start()
        try:
            wait_until(lambda: len(fed) > 1, "load")
            self.list("verify")
            self.list("snapshot", self.folder / "kept")
            self.list("export", "--out", self.folder / "load.csv")
            self.list("verify", "--json")
        finally:
            done.set()
            loader.join()
        self.assertEqual(self.left_behind(), [])
        last = f"E-{fed[-1] + 99:05}"
        self.wait_for(last)
        kept = json.loads(self.list("stat", "--json", "--store", self.folder / "kept"))
        self.list("verify", "--store", self.folder / "kept")
        self.assertIn("in use", self.list("restore", "--replace", self.folder / "kept", code=69))
        self.end(self.process)
        self.check_restore(kept, last)

    def test_a_snapshot_on_another_file_system_is_a_copy(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            kept = pathlib.Path(other) / "kept"
            if os.stat(other).st_dev == os.stat(self.folder).st_dev:
                self.skipTest(f"{other} is on the file system of {self.folder}")
            self.list("snapshot", kept)
            self.list("verify", "--store", kept)
            self.assertEqual(os.listdir(other), ["kept"])
            self.assertEqual(self.left_behind(), [])
            told = json.loads(self.list("stat", "--json", "--store", kept))
            self.assertEqual(told["offsets"], json.loads(self.list("stat", "--json"))["offsets"])

    def test_a_disk_that_is_too_small_for_a_checkpoint_is_found_before(self):
        large = self.store / "large"  # of no name that RocksDB removes
        large.touch()
        os.truncate(large, 1 << 42)
        self.list("stat")  # links take no room
        self.end(self.process)
        large.unlink()
        with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            there = pathlib.Path(other) / "store"
            if os.stat(other).st_dev == os.stat(self.folder).st_dev:
                self.skipTest(f"{other} is on the file system of {self.folder}")
            shutil.move(self.store, there)
            self.store.symlink_to(there)
            self.process = self.start()
            self.wait_for("end")
            (there / large.name).touch()
            os.truncate(there / large.name, 1 << 42)
            for command in (["stat"], ["verify"], ["export", "-o", self.folder / "out"],
                            ["snapshot", self.folder / "kept"]):
                self.assertRegex(
                    self.list(*command, code=69),
                    f"the files of a checkpoint need [0-9,]+ MB beside '{self.store}', where the "
                    "disk has [0-9,]+ MB free")
                self.assertEqual(self.left_behind(), [])
            self.assertFalse((self.folder / "kept").exists())
            (there / large.name).unlink()
            self.list("verify")
            self.end(self.process)

    def check_restore(self, kept, last):
        now = json.loads(self.list("stat", "--json"))
        self.assertGreater(sum(now["offsets"].values()), sum(kept["offsets"].values()))
        self.assertIn("--replace", self.list("restore", self.folder / "kept", code=78))
        self.list("restore", "--replace", self.folder / "kept")
        self.assertTrue((self.folder / "store.replaced" / "CURRENT").exists())
        restored = json.loads(self.list("stat", "--json"))
        self.assertEqual(restored["offsets"], kept["offsets"])
        self.assertEqual(restored["live"], kept["live"])
        said = len(self.log())
        self.process = self.start()
        self.wait_for_offsets(lambda offsets: offsets == now["offsets"])
        self.assertEqual(json.loads(self.list("stat", "--json"))["live"], now["live"])
        self.assertIsNotNone(self.entry(last))
        self.assertNotIn("anew", self.log()[said:])
        self.list("verify")

    def test_export_fed_to_another_store_is_exported_the_same(self):
        self.list("export", "--out", self.folder / "first.csv")
        self.assertEqual(stat.S_IMODE((self.folder / "first.csv").stat().st_mode), 0o600)
        other = self.configure("other", "again", "store-2")
        self.checkit("feed", "-c", other, self.folder / "first.csv")
        self.start(other)
        told = json.loads(self.list("stat", "--json"))
        wait_until(lambda: self.socket.with_name("store-2.sock").exists(), self.log)
        self.wait_for_offsets(lambda offsets: sum(offsets.values()) == ENTRIES + 3, other)
        self.list("export", "--out", self.folder / "second.csv", config=other)
        first = (self.folder / "first.csv").read_text("utf-8")
        self.assertEqual((self.folder / "second.csv").read_text("utf-8"), first)
        rows = list(csv.DictReader(io.StringIO(first)))
        self.assertEqual(len(rows), told["live"] + told["withdrawn"])
        self.assertEqual([one["entry_id"] for one in rows],
                         sorted(one["entry_id"] for one in rows))
        self.assertEqual([(one["op"], one["revision"]) for one in rows
                          if one["entry_id"] == "W-1"], [("WITHDRAW", "7")])

    def test_avro_export_says_where_the_feed_stood(self):
        self.list("export", "--format", "avro", "--out", self.folder / "list.avro")
        with open(self.folder / "list.avro", "rb") as file:
            reader = fastavro.reader(file)
            records = list(reader)
        told = json.loads(self.list("stat", "--json"))
        self.assertEqual(json.loads(reader.metadata["checkit.offsets"]), told["offsets"])
        self.assertEqual(reader.metadata["checkit.origin"], told["origin"])
        self.assertEqual(len(records), ENTRIES + 3)
        by_id = {record["entry_id"]: record for record in records}
        self.assertEqual(by_id["E-00003"]["number"], "KX4000003")
        self.assertEqual(by_id["R-1"]["number_to"], "AB1999")
        self.assertEqual(sorted(by_id["R-1"]["flags"]), ["SILENT", "TEST"])
        self.assertEqual((by_id["W-1"]["op"], by_id["W-1"]["revision"]), ("WITHDRAW", 7))

    def test_what_a_killed_command_has_left_is_removed_and_nothing_else(self):
        left, held = (self.folder / f"store.reader-{name}" for name in ("aaaaaa", "bbbbbb"))
        for folder in (left, held):
            (folder / "store").mkdir(parents=True)
            (folder / "store" / "CURRENT").write_text("")
        lock = os.open(held, os.O_RDONLY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.list("verify")
        self.assertEqual(self.left_behind(), [held.name])
        fcntl.flock(lock, fcntl.LOCK_UN)
        self.end(self.process)
        self.process = self.start()
        wait_until(lambda: not self.left_behind(), self.log)

    def test_a_command_that_is_killed_leaves_what_the_next_removes(self):
        fifo = self.folder / "pipe"
        os.mkfifo(fifo)
        command = subprocess.Popen([CHECKIT, "list", "export", "-c", str(self.config), "-o",
                                    str(fifo)], stderr=subprocess.DEVNULL)
        self.addCleanup(self.end, command, signal.SIGKILL)
        wait_until(self.left_behind, "a checkpoint")
        self.end(command, signal.SIGKILL)
        self.assertNotEqual(self.left_behind(), [])
        self.list("stat")
        self.assertEqual(self.left_behind(), [])


if __name__ == "__main__":
    test_watching.MOCK_BROKER = os.path.abspath(sys.argv.pop(2))
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
