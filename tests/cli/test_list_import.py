"""checkit list import as a user types it: files in, a store out, or the old one as it was.

Run: python3 test_list_import.py CHECKIT, the path of the program; needs fastavro.
"""

import fcntl
import gzip
import json
import os
import pathlib
import signal
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


def row(i, revision=1, shown=None, op="UPSERT"):
    shown = number(i) if shown is None else shown
    return f"E-{i},{op},{revision},{shown},,FRA,PASSPORT,FRA-NCB\n"


def rows(count=ROWS):
    return HEADER + "".join(row(i) for i in range(count))


def zigzag(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return zigzag(len(data)) + data


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.store = self.folder / "store"
        self.key = self.folder / "key"
        self.run_it("key", "new", "--store-key", self.key)

    def run_it(self, *arguments, code=0, stdin=None, point=None):
        environment = dict(os.environ, **({"CHECKIT_KILL_POINT": point} if point else {}))
        done = subprocess.run([CHECKIT, *map(str, arguments)], capture_output=True, input=stdin,
                              env=environment, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def load(self, *arguments, **options):
        return self.run_it("list", "import", "--store", self.store, "--store-key", self.key, "-q",
                           *arguments, **options)

    def answers(self, numbers, store=None, entries=None):
        source = self.write("documents.csv", "id,number,issuer,type\n" + "".join(
            f"{i},{shown},FRA,PASSPORT\n" for i, shown in enumerate(numbers)))
        where = (["--entries", entries] if entries else
                 ["--store", store or self.store, "--store-key", self.key])
        return self.run_it("match", *where, "--in", source, "-q")[0]

    def expect(self, numbers, entries):
        """The store answers as the list read by match, which takes it as the feed does."""
        self.assertEqual(self.answers(numbers), self.answers(numbers, entries=entries))

    def left(self):
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())


class Files(Case):
    def test_csv_plain_and_compressed_are_the_same_list(self):
        plain = self.write("plain.csv", rows())
        data = plain.read_bytes()
        half = len(data) // 2
        self.write("a.gz", gzip.compress(data[:half]) + gzip.compress(data[half:]))
        packed = subprocess.run(["zstd", "-q", "-c", plain], capture_output=True, check=True)
        self.write("a.zst", packed.stdout)
        for path, stdin in ((plain, None), (self.folder / "a.gz", None),
                            (self.folder / "a.zst", None), ("-", gzip.compress(data))):
            output, _ = self.load("--replace", path, stdin=stdin)
            self.assertIn("imported 3,000 changes", output)
            self.expect([number(i) for i in range(0, ROWS + 100)], plain)
        self.assertEqual(self.left(), ["store", "store.replaced"])

    def test_many_pieces_and_threads_give_the_same_list(self):
        count = 40000
        text_of = HEADER + "".join(
            row(i).replace("FRA-NCB", '"quoted,\n""line"""') for i in range(count))
        plain = self.write("plain.csv", text_of)
        self.load("--threads", "3", "--memory-mb", "16", plain)
        self.expect([number(i) for i in range(0, count + 1000, 7)], plain)

    def test_later_rows_and_higher_revisions_count(self):
        first = "".join(row(i, revision=5) for i in range(ROWS))
        lower = "".join(row(i, revision=4, shown=number(i + 10000)) for i in range(0, ROWS, 3))
        other = "".join(row(i, revision=5, shown=number(i + 20000)) for i in range(1, ROWS, 3))
        gone = "".join(row(i, revision=6, op="WITHDRAW") for i in range(2, ROWS, 6))
        whole = self.write("whole.csv", HEADER + first + lower + other + gone)
        self.write("first.csv", HEADER + first)
        self.write("second.csv", HEADER + lower + other)
        self.write("third.csv", HEADER + gone)
        output, _ = self.load("--threads", "4", *(self.folder / name for name in (
            "first.csv", "second.csv", "third.csv")))
        self.assertIn("left out 1000 of a lower revision", output)
        self.expect([number(i + more) for more in (0, 10000, 20000) for i in range(ROWS)], whole)

    def container(self, codec, members=()):
        fastavro = __import__("fastavro")
        path = self.folder / "list.avro"
        records = [{"entry_id": f"E-{i}", "op": "UPSERT", "revision": 1, "number": number(i),
                    "issuer": "FRA", "type": "PASSPORT", "contributor": "FRA-NCB",
                    "effective_at": 1700000000000} for i in range(ROWS)]
        with path.open("wb") as out:
            fastavro.writer(out, SCHEMA, records, codec="null" if codec == "zstandard" else codec,
                            metadata=dict(members))
        if codec == "zstandard":
            self.pack_blocks(path, fastavro)
        return path

    def pack_blocks(self, path, fastavro):
        """fastavro's own codec wants a package more: its blocks are packed by zstd here."""
        with path.open("rb") as source:
            blocks = [(block.num_records, block.bytes_.getvalue())
                      for block in fastavro.block_reader(source)]
        sync = bytes(range(16))
        out = b"Obj\x01" + zigzag(2) + text("avro.schema") + text(json.dumps(SCHEMA))
        out += text("avro.codec") + text("zstandard") + zigzag(0) + sync
        for records, data in blocks:
            packed = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True,
                                    check=True).stdout
            out += zigzag(records) + text(packed) + sync
        path.write_bytes(out)

    def test_containers_of_every_codec_are_the_same_list(self):
        plain = self.write("plain.csv", rows())
        for codec in ("null", "deflate", "zstandard"):
            output, _ = self.load("--replace", self.container(codec))
            self.assertIn("imported 3,000 changes", output)
            self.expect([number(i) for i in range(ROWS + 100)], plain)

    def test_export_of_a_feed_is_no_longer_from_files(self):
        members = {"checkit.origin": "cluster/changes/topic", "checkit.offsets": '{"0":17,"1":4}'}
        path = self.container("null", members)
        self.load(path)
        self.assertFalse((self.store / "IMPORTED").exists())
        _, errors = self.load("--replace", path, self.write("plain.csv", rows()))
        self.assertIn("read from its beginning", errors)
        self.assertTrue((self.store / "IMPORTED").exists())

    def test_what_is_damaged_is_no_list(self):
        packed = gzip.compress(rows().encode())
        for name, data in (("a.gz", packed[:-9]), ("b.gz", packed[:200] + b"x" * 50),
                           ("c.zst", b"\x28\xB5\x2F\xFD" + b"x" * 50), ("d.csv", "a,b\n1,2\n"),
                           ("e.csv", rows(5) + 'E-9,"never closed\n'), ("f.csv", ""),
                           ("g.avro", self.container("null").read_bytes()[:-5])):
            _, errors = self.load(self.write(name, data), code=65)
            self.assertIn(name, errors)
            self.assertEqual(self.left(), [])


class Rejections(Case):
    def test_one_rejection_stops_all_and_each_is_told_by_its_line(self):
        path = self.write("list.csv", rows(50) + row(50, shown="A") + row(51, shown="TEST") +
                          row(52))
        _, errors = self.load(path, code=65)
        self.assertIn(f"{path}:52: E-50: number: it is not 3 to 24 letters and digits", errors)
        self.assertIn(f"{path}:53: E-51: number: it is a placeholder", errors)
        self.assertIn("rejected 2 of 53 rows (number_invalid 1, number_placeholder 1)", errors)
        self.assertEqual(self.left(), [])
        output, _ = self.load("--skip-rejected", path)
        self.assertIn("imported 51 changes", output)
        self.assertIn("rejected 2", output)

    def test_rejections_of_many_pieces_are_told_in_order_and_not_all(self):
        path = self.write("list.csv", HEADER + "".join(
            row(i, shown="A" if i % 100 == 7 else None) for i in range(60000)))
        _, errors = self.load("--threads", "4", path, code=65)
        lines = [int(line.split(":")[1]) for line in errors.splitlines()[:100]]
        self.assertEqual(lines, [9 + 100 * i for i in range(100)])
        self.assertIn("... and 500 more", errors)
        listed = self.folder / "rejected.csv"
        self.load("--rejections", listed, path, code=65)
        self.assertEqual(len(listed.read_text().splitlines()), 601)


class Places(Case):
    def setUp(self):
        super().setUp()
        self.old = self.write("old.csv", rows(10))
        self.new = self.write("new.csv", rows(20))

    def test_store_is_replaced_only_when_told_and_is_kept(self):
        self.load(self.old)
        _, errors = self.load(self.new, code=78)
        self.assertIn("--replace", errors)
        self.expect([number(i) for i in range(30)], self.old)
        output, _ = self.load("--replace", self.new)
        self.assertIn("store.replaced", output)
        self.expect([number(i) for i in range(30)], self.new)
        before = self.answers([number(i) for i in range(30)], store=self.folder / "store.replaced")
        self.assertEqual(before, self.answers([number(i) for i in range(30)], entries=self.old))

    def test_store_in_use_is_refused(self):
        self.load(self.old)
        with (self.store / "LOCK").open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            _, errors = self.load("--replace", self.new, code=69)
            self.assertIn("in use by another process", errors)
        self.load("--replace", self.new)

    def test_import_under_way_is_refused(self):
        (self.folder / "store.importing").mkdir()
        folder = os.open(self.folder / "store.importing", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        self.assertIn("another import is under way", self.load(self.new, code=69)[1])

    def test_what_is_no_store_is_left_alone(self):
        for name in ("store", "store.importing"):
            (self.folder / name).mkdir()
            self.write(f"{name}/diary.txt", "dear diary")
            self.assertIn(name, self.load("--replace", self.new, code=78)[1])
            (self.folder / name / "diary.txt").unlink()
            (self.folder / name).rmdir()

    def test_disk_that_is_too_small_is_found_before(self):
        path = self.folder / "huge.csv"
        with path.open("w") as out:
            out.write(rows())
            out.truncate(1 << 42)
        _, errors = self.load(path, code=69)
        self.assertRegex(errors, "about .* entries need .* MB .* --force tries it")
        self.assertEqual(self.left(), [])

    def test_killed_anywhere_the_old_store_is_usable_and_import_begins_again(self):
        numbers = [number(i) for i in range(30)]
        self.load(self.old)
        old = self.answers(numbers)
        new = self.answers(numbers, entries=self.new)
        for point in POINTS:
            with self.subTest(point):
                self.load("--replace", self.new, point=point, code=-signal.SIGKILL)
                is_there = point == "store_exchanged"
                self.assertEqual(self.answers(numbers), new if is_there else old)
                left = self.folder / "store.importing"
                if point not in ("import_complete", "import_before_rename", "store_exchanged"):
                    self.run_it("match", "--store", left, "--store-key", self.key, "--number",
                                numbers[0], code=78)
                self.load("--replace", self.new)
                self.assertEqual(self.answers(numbers), new)
                self.load("--replace", self.old)
                self.assertEqual(self.answers(numbers), old)
                self.assertEqual(self.left(), ["store", "store.replaced"])

    def test_killed_without_a_store_leaves_none(self):
        for point in POINTS[:-1]:
            with self.subTest(point):
                self.load(self.new, point=point, code=-signal.SIGKILL)
                self.assertFalse(self.store.exists())
        self.load(self.new)

    def test_screen_does_not_build_it_again_by_itself(self):
        self.load(self.new)
        self.run_it("schemas", self.folder / "schemas")
        self.run_it("key", "new", "--identity-key", self.folder / "identity.key")
        config = self.write("checkit.yaml", "kafka: {bootstrap.servers: 'localhost:1'}\n"
                            "inputs: [{topic: bookings, preset: booking}]\n"
                            "store: {path: store, key: key}\nidentity_key: identity.key\n"
                            "schemas: {folder: schemas}\n")
        self.write("store/DAMAGED", "")
        _, errors = self.run_it("screen", "-c", config, code=78)
        self.assertIn("checkit list import -c CONFIG --replace FILE...", errors)
        self.assertEqual(self.left(), ["schemas", "store"])
        self.load("--replace", self.new)

    def test_wrong_use_is_told(self):
        self.run_it("list", "import", self.new, code=64)
        self.run_it("list", "import", "--store", self.store, self.new, code=64)
        self.run_it("list", "import", "--store", self.store, "--store-key", self.key, code=64)
        self.assertIn("nowhere.csv", self.load(self.folder / "nowhere.csv", code=69)[1])


if __name__ == "__main__":
    CHECKIT = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
