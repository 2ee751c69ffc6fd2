"""checkit key rotate as a user types it: the same list under another key, or the old one as it was.

Run: python3 test_key_rotate.py CHECKIT, the path of the program; needs fastavro.
"""

import fcntl
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

CHECKIT = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((TOP / "schemas" / "DocumentChange.avsc").read_text())
HEADER = "entry_id,op,revision,number,number_to,issuer,type,contributor\n"
ROWS = 3000
POINTS = ["import_made", "ingest_begun", "ingest_entries", "ingest_written", "ingest_half_in",
          "ingest_all_in", "ingest_done", "import_built", "import_complete",
          "import_before_rename", "store_exchanged"]


def number(i):
    return f"AB{1000000 + i * 7919 % 9000000}"


def rows():
    """Points, ranges, corrections and entries that are withdrawn."""
    points = "".join(f"E-{i},UPSERT,1,{number(i)},,FRA,PASSPORT,FRA-NCB\n" for i in range(ROWS))
    ranges = "".join(f"R-{i},UPSERT,1,CD{i}000000,CD{i}000999,FRA,PASSPORT,FRA-NCB\n"
                     for i in range(1, 9))
    gone = "".join(f"E-{i},WITHDRAW,2,,,,,FRA-NCB\n" for i in range(0, ROWS, 7))
    moved = "".join(f"E-{i},UPSERT,3,{number(i + ROWS)},,FRA,ID_CARD,FRA-NCB\n"
                    for i in range(1, ROWS, 70))
    return HEADER + points + ranges + gone + moved


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.store = self.folder / "store"
        self.old_key = self.folder / "old.key"
        self.new_key = self.folder / "new.key"
        self.run_it("key", "new", "--store-key", self.old_key)
        self.run_it("key", "new", "--identity-key", self.folder / "identity.key")
        self.run_it("schemas", self.folder / "schemas")
        self.config = self.configure(self.old_key, "old.yaml")
        self.new_config = self.configure(self.new_key, "new.yaml")
        self.list = self.write("list.csv", rows())

    def run_it(self, *arguments, code=0, point=None):
        environment = dict(os.environ, **({"CHECKIT_KILL_POINT": point} if point else {}))
        done = subprocess.run([CHECKIT, *map(str, arguments)], capture_output=True, text=True,
                              env=environment, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def write(self, name, data):
        path = self.folder / name
        path.write_text(data)
        return path

    def configure(self, key, name):
        return self.write(name, "kafka: {bootstrap.servers: 'localhost:1'}\n"
                          "inputs: [{topic: bookings, preset: booking}]\n"
                          f"store: {{path: store, key: {key.name}}}\n"
                          "identity_key: identity.key\nschemas: {folder: schemas}\n")

    def load(self, *files):
        self.run_it("list", "import", "-c", self.config, "-q", *(files or [self.list]))

    def load_export(self):
        """A store of a feed: it has an origin and offsets."""
        fastavro = __import__("fastavro")
        path = self.folder / "list.avro"
        records = [{"entry_id": f"E-{i}", "op": "UPSERT", "revision": 1, "number": number(i),
                    "issuer": "FRA", "type": "PASSPORT", "contributor": "FRA-NCB",
                    "effective_at": 1700000000000} for i in range(ROWS)]
        with path.open("wb") as out:
            fastavro.writer(out, SCHEMA, records, metadata={
                "checkit.origin": "cluster/changes/topic", "checkit.offsets": '{"0":17,"1":4}'})
        self.load(path)

    def rotate(self, *arguments, **options):
        return self.run_it("key", "rotate", "-c", self.config, "--new-store-key", self.new_key,
                           "-q", *arguments, **options)

    def export(self, config, *arguments, **options):
        return self.run_it("list", "export", "-c", config, "--out", "-", *arguments, **options)[0]

    def notes(self, config):
        """What an export says of the feed."""
        fastavro = __import__("fastavro")
        path = self.folder / "notes.avro"
        self.run_it("list", "export", "-c", config, "--format", "avro", "--out", path, "-q")
        with path.open("rb") as source:
            metadata = fastavro.reader(source).metadata
        path.unlink()
        return {name: metadata[name] for name in ("checkit.origin", "checkit.offsets")}

    def matches(self, key, store=None):
        source = self.write("documents.csv", "id,number,issuer,type\n" + "".join(
            f"{i},{number(i)},FRA,PASSPORT\n" for i in range(2 * ROWS)) +
            "R,CD1000500,FRA,PASSPORT\n")
        return self.run_it("match", "--store", store or self.store, "--store-key", key, "--in",
                           source, "-q")[0]

    def left(self):
        return sorted(path.name for path in self.folder.iterdir()
                      if path.is_dir() and path.name != "schemas")

    def go_on(self):
        """The configuration names the new key, and there is a next one."""
        self.old_key, self.config = self.new_key, self.new_config
        self.new_key = self.folder / f"next-{self.new_key.name}"
        self.new_config = self.configure(self.new_key, f"{self.new_key.stem}.yaml")

    def check_values(self, output):
        return re.findall(r"^(old|new) key +check value ([0-9a-f]{32}), (.*)$", output, re.M)


class Lists(Case):
    def test_every_entry_is_there_under_the_new_key(self):
        self.load()
        entries, answers = self.export(self.config), self.matches(self.old_key)
        self.assertIn("WITHDRAW", entries)
        self.assertIn("R-1=RANGE:page", answers)
        for threads in ("1", "3"):
            output, _ = self.rotate("--threads", threads, "--memory-mb", "16")
            self.assertRegex(output, r"rotated .*2,579 live entries, 429 withdrawn")
            self.assertEqual(self.export(self.new_config), entries)
            self.assertEqual(self.matches(self.new_key), answers)
            self.run_it("list", "verify", "-c", self.new_config)
            kept = ("--store", self.folder / "store.replaced")
            self.assertEqual(self.export(self.config, *kept), entries)
            self.assertEqual(self.left(), ["store", "store.replaced"])
            self.go_on()

    def test_the_new_key_is_made_and_both_are_named(self):
        self.load()
        output, _ = self.rotate()
        self.assertEqual(stat.S_IMODE(self.new_key.stat().st_mode), 0o400)
        self.assertIn(f"made      store key {self.new_key} (mode 0400)\n", output)
        real = self.new_key.resolve()
        (_, old, old_path), (_, new, new_path) = self.check_values(output)
        self.assertNotEqual(old, new)
        self.assertEqual((old_path, new_path), (str(self.old_key), str(real)))
        self.assertIn(f"'{self.config}' name it before the next start:\n"
                      f'  store.key: "{real}"\n', output)
        self.assertIn(f"  rm -r '{self.store}.replaced'\n", output)
        made, _ = self.run_it("key", "new", "--store-key", self.folder / "third.key")
        self.assertRegex(made, "check value is [0-9a-f]{32}")

    def test_a_key_that_is_there_is_taken(self):
        made, _ = self.run_it("key", "new", "--store-key", self.new_key)
        self.load()
        output, _ = self.rotate()
        self.assertNotIn("made", output)
        self.assertIn(self.check_values(output)[1][1], made)

    def test_feed_and_origin_go_along(self):
        self.load_export()
        before = self.notes(self.config)
        self.assertEqual(json.loads(before["checkit.offsets"]), {"0": 17, "1": 4})
        self.rotate()
        self.assertEqual(self.notes(self.new_config), before)
        self.assertFalse((self.store / "IMPORTED").exists())

    def test_a_list_from_files_stays_one(self):
        self.load()
        self.rotate()
        self.assertTrue((self.store / "IMPORTED").exists())
        self.write("store/DAMAGED", "")
        _, errors = self.run_it("screen", "-c", self.new_config, code=78)
        self.assertIn("checkit list import -c CONFIG --replace FILE...", errors)

    def test_a_list_of_nothing_is_one(self):
        self.load(self.write("none.csv", HEADER))
        self.assertRegex(self.rotate()[0], "rotated .*: 0 live entries, 0 withdrawn")
        self.assertEqual(len(self.export(self.new_config).splitlines()), 1)


class Starts(Case):
    def test_a_start_with_the_old_key_is_told_what_to_change(self):
        self.load()
        output, _ = self.rotate()
        check = self.check_values(output)[1][1]
        for command in ("screen", "list stat"):
            _, errors = self.run_it(*command.split(), "-c", self.config, code=78)
            self.assertIn(f'configure store.key: "{self.new_key.resolve()}" (check value {check})',
                          errors)

    def test_a_start_with_a_third_key_is_told_both_check_values(self):
        self.load()
        checks = self.check_values(self.rotate()[0])
        third = self.folder / "third.key"
        made, _ = self.run_it("key", "new", "--store-key", third)
        own = re.search("[0-9a-f]{32}", made).group()
        _, errors = self.run_it("screen", "-c", self.configure(third, "third.yaml"), code=78)
        self.assertIn(f"check value {checks[1][1]}, that of the configured one is {own}", errors)

    def test_a_second_rotation_says_that_it_is_done(self):
        self.load()
        first, _ = self.rotate()
        again, _ = self.rotate()
        self.assertIn("already", again)
        self.assertEqual(self.check_values(first), self.check_values(again))
        self.assertEqual(self.export(self.new_config).count("\n"), ROWS + 8 + 1)


class Refusals(Case):
    def refused(self, code, said, *arguments, is_made=False):
        before = self.left()
        self.assertIn(said, self.rotate(*arguments, code=code)[1])
        self.assertEqual(self.new_key.exists(), is_made)
        self.assertEqual(self.left(), before)

    def test_no_store(self):
        self.refused(78, "store")

    def test_a_folder_that_is_no_store(self):
        self.store.mkdir()
        self.write("store/diary.txt", "dear diary")
        self.refused(78, "is not a store")

    def test_a_store_in_use(self):
        self.load()
        with (self.store / "LOCK").open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.refused(69, "in use")
        self.rotate()

    def test_an_import_under_way(self):
        self.load()
        (self.folder / "store.importing").mkdir()
        folder = os.open(self.folder / "store.importing", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        self.refused(69, "another import is under way", is_made=True)

    def test_a_key_that_is_not_the_store_s(self):
        self.load()
        third = self.folder / "third.key"
        self.run_it("key", "new", "--store-key", third)
        self.configure(third, "old.yaml")
        self.refused(78, "another store key")

    def test_a_new_key_that_is_none(self):
        self.load()
        entries = self.export(self.config)
        for data, mode, said in (("", 0o400, "is not a store key"),
                                 (self.old_key.read_text(), 0o440, "mode 0440"),
                                 (self.old_key.read_text(), 0o400, "is the key the configuration"),
                                 ((self.folder / "identity.key").read_text(), 0o400,
                                  "is an identity key")):
            self.new_key.unlink(missing_ok=True)
            self.write("new.key", data)
            self.new_key.chmod(mode)
            self.refused(78, said, is_made=True)
        self.assertEqual(self.export(self.config), entries)
        self.new_key.unlink()
        self.new_key.symlink_to(self.folder / "nowhere")
        _, errors = self.rotate(code=78)
        self.assertIn("new.key", errors)

    def test_a_damaged_store(self):
        self.load()
        for table in self.store.glob("*.sst"):
            data = bytearray(table.read_bytes())
            for at in range(len(data) // 8, len(data) // 2, 64):
                data[at] ^= 0xFF
            table.write_bytes(data)
        _, errors = self.rotate(code=69)
        self.assertIn("Corruption", errors)
        self.assertEqual(self.left(), ["store"])

    def test_a_disk_that_is_too_small(self):
        self.load()
        with (self.store / "999999.sst").open("w") as out:
            out.truncate(1 << 42)
        self.refused(69, "need 10,485,7")
        self.rotate("--force")

    @unittest.skipUnless(os.geteuid() == 0, "only root meets other users' stores")
    def test_another_user_s_store(self):
        self.load()
        os.chown(self.store, 1, 1)
        self.refused(69, "is another user's")

    def test_wrong_use(self):
        for arguments in ([], ["-c", self.config], ["--new-store-key", self.new_key],
                          ["-c", self.config, "--new-store-key", self.new_key, "more"],
                          ["-c", self.config, "--new-store-key", self.new_key, "--threads", "17"]):
            self.run_it("key", "rotate", *arguments, code=64)


class Kills(Case):
    def test_killed_anywhere_one_of_the_keys_opens_all_of_the_list(self):
        self.load()
        entries, answers = self.export(self.config), self.matches(self.old_key)
        for point in POINTS:
            with self.subTest(point):
                self.rotate(point=point, code=-signal.SIGKILL)
                is_new = point == "store_exchanged"
                config, key = ((self.new_config, self.new_key) if is_new else
                               (self.config, self.old_key))
                self.assertEqual(self.export(config), entries)
                self.assertEqual(self.matches(key), answers)
                output, _ = self.rotate()
                self.assertEqual("already" in output, is_new)
                self.assertEqual(len(self.check_values(output)), 2)
                kept = "store.importing" if is_new else "store.replaced"
                self.assertIn(f"rm -r '{self.folder / kept}'", output)
                self.assertEqual(self.export(self.new_config), entries)
                self.assertEqual(self.matches(self.new_key), answers)
                self.assertEqual(
                    self.export(self.config, "--store", self.folder / kept), entries)
                self.go_on()


if __name__ == "__main__":
    CHECKIT = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
