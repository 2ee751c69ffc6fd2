"""`checkit match` on Avro container files: those of `checkit generate` and of fastavro are answered
as the same documents in CSV, and what is no such file is told with its block.

Run: python3 test_match_avro.py CHECKIT, the path of the program. Needs fastavro.
"""

import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zlib

import fastavro

CHECKIT = ""
SYNC = bytes(range(16))
NAME = "orders"
ORDER = {
    "type": "record", "name": "Order", "namespace": "partner", "fields": [
        {"name": "key", "type": ["null", "string"]},
        {"name": "papers", "type": {"type": "array", "items": {
            "type": "record", "name": "Paper", "fields": [
                {"name": "no", "type": ["null", "string", "long"]},
                {"name": "state", "type": "string"}]}}}]}
CONFIG = f"""\
kafka: {{bootstrap.servers: 'localhost:1'}}
inputs:
- topic: {NAME}
  documents: [{{path: 'papers[]', number: no, issuer: state, number_width: 9}}]
  event: {{id: key}}
store: {{path: store, key: store.key}}
identity_key: identity.key
schemas: {{folder: schemas}}
"""
BOOKING = {
    "type": "record", "name": "BookingEvent", "fields": [
        {"name": "travellers", "type": {"type": "array", "items": {
            "type": "record", "name": "Traveller", "fields": [
                {"name": "documents", "type": {"type": "array", "items": {
                    "type": "record", "name": "Document", "fields": [
                        {"name": "number", "type": "string"}]}}}]}}}]}
# One traveller with the document AB1, as a datum.
AB1 = b"\x02\x02\x06AB1\x00\x00"
EVENT_ROOM = 1024 * 1024
HEADER_ROOM = 2 * 1024 * 1024
BLOCK_ROOM = 16 * 1024 * 1024


def varint(value):
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(data):
    return varint(len(data)) + data


def header(schema=None, codec=b"null", sync=SYNC, more=()):
    members = [(b"avro.codec", codec), *more]
    if schema is not False:
        members.append((b"avro.schema", json.dumps(schema or BOOKING).encode()))
    joined = b"".join(text(name) + text(value) for name, value in members)
    return b"Obj\x01" + varint(len(members)) + joined + b"\0" + sync


def block(count, data, sync=SYNC, size=None):
    return varint(count) + varint(len(data) if size is None else size) + data + sync


def number_of(digits):
    """An event of one document, as a datum, that has a number of so many digits."""
    return b"\x02\x02" + text(b"9" * digits) + b"\0\0"


def raw(data, level=9):
    return zlib.compress(data, level)[2:-4]


class MatchAvro(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.list = self.folder / "list.csv"
        self.list.write_text("id,number,issuer\nE-1,12AB34567,FRA\nE-2,012345678,FRA\n")

    def run_it(self, *arguments, code=0, given=None):
        done = subprocess.run([CHECKIT, *map(str, arguments)], capture_output=True, input=given,
                              timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        if code == 0:
            self.assertEqual(done.stderr, b"")
        return done.stdout.decode(), done.stderr.decode()

    def match(self, path, *more, **named):
        return self.run_it("match", "--entries", self.list, "--in", path, "-q", *more, **named)

    def answers(self, path, *more, **named):
        return list(csv.reader(self.match(path, *more, **named)[0].splitlines()))[1:]

    def of_bytes(self, data):
        path = self.folder / "in.avro"
        path.write_bytes(data)
        return path

    def refused(self, data, error, *more, code=65):
        path = self.of_bytes(data)
        _, errors = self.match(path, *more, code=code)
        self.assertIn(f"checkit: {path}: {error}", errors)

    def made(self, command, form):
        path = self.folder / f"{command}.{form}"
        self.run_it("generate", command, "--entries", 3000, "--events", 6000, "--hit-rate", 0.2,
                    "--seed", 5, "--out", path, "-q")
        return path

    def test_made_up_events_are_answered_as_their_rows(self):
        self.run_it("generate", "list", "--entries", 3000, "--seed", 5, "--out", self.list, "-q")
        for command in ("bookings", "banking"):
            rows, events = self.made(command, "csv"), self.made(command, "avro")
            expected = self.answers(rows)
            self.assertGreater(sum("EXACT" in answer for _, answer in expected), 100)
            self.assertEqual(self.answers(events), expected)
            self.assertEqual(self.answers(events, "--threads", 3), expected)
            self.assertEqual(self.answers("-", given=events.read_bytes()), expected)
            with events.open("rb") as file:
                reader = fastavro.reader(file)
                records, schema = list(reader), reader.writer_schema
            deflated = self.folder / "deflated"
            with deflated.open("wb") as file:
                fastavro.writer(file, schema, records, codec="deflate")
            self.assertLess(deflated.stat().st_size, events.stat().st_size)
            self.assertEqual(self.answers(deflated), expected)

    def test_explanation_tells_each_document_of_an_event(self):
        path = self.of_bytes(header() + block(2, 2 * AB1))
        output, _ = self.match(path, "--explain")
        for name in ("1/1: ", "2/1: "):
            self.assertIn(name, output)
        self.assertEqual(output.count("answer  "), 2)

    def test_events_of_another_schema_are_read_by_an_input_of_the_configuration(self):
        config = self.folder / "checkit.yaml"
        config.write_text(CONFIG)
        papers = [{"no": "12AB34567", "state": "FRA"}, {"no": 12345678, "state": "FRA"},
                  {"no": None, "state": "FRA"}, {"no": "12ab-34567", "state": "FR"}]
        events = self.folder / "orders.avro"
        with events.open("wb") as file:
            fastavro.writer(file, ORDER, [{"key": "k,1", "papers": papers},
                                          {"key": None, "papers": []},
                                          {"key": None, "papers": papers[:1]}])
        found = self.answers(events, "-c", config, "--topic", NAME)
        self.assertEqual([name for name, _ in found], ["k,1/1", "k,1/2", "k,1/3", "k,1/4", "3/1"])
        self.assertEqual(found[0][1], "E-1=TYPE_DIFFERS:page")
        self.assertEqual([found[3][1], found[4][1]], [found[0][1]] * 2)
        self.assertIn("E-2=", found[1][1])
        self.assertEqual(found[2][1], "unscreenable:number_missing")
        _, errors = self.match(events, code=64)
        self.assertIn("give --preset NAME, or --config FILE --topic TOPIC", errors)
        _, errors = self.match(events, "-c", config, "--topic", "x", code=78)
        self.assertIn("no input has the topic 'x'", errors)
        _, errors = self.match(events, "--preset", "banking", code=65)
        self.assertIn("the schema lacks the number path", errors)

    def test_large_events_and_blocks_are_read_whole(self):
        document = b"\x06AB1"
        events = [b"\x02" + varint(20000) + document * 20000 + b"\0\0",
                  number_of(EVENT_ROOM - 7), AB1]
        self.assertEqual(len(events[1]), EVENT_ROOM)
        found = self.answers(self.of_bytes(header() + block(3, b"".join(events))))
        self.assertEqual([name for name, _ in found],
                         [f"1/{i + 1}" for i in range(20000)] + ["2/1", "3/1"])
        self.assertEqual(found[20000][1], "unscreenable:number_invalid")
        self.refused(header() + block(1, AB1) +
                     block(1, number_of(EVENT_ROOM - 6)),
                     "block 2, record 2: it is larger than a record may be")
        many = b"\x02" + varint(65536) + b"\0" * 65536 + b"\0\0"
        self.assertEqual(len(self.answers(self.of_bytes(header() + block(1, many)))), 65536)
        many = b"\x02" + varint(65537) + b"\0" * 65537 + b"\0\0"
        self.refused(header() + block(1, many),
                     "block 1, record 1: it has more documents than a record may have")

    def test_blocks_are_as_large_as_they_may_be(self):
        """Of events as large as they may be, and of a million that are empty."""
        large, empty = number_of(EVENT_ROOM - 7), b"\0"
        self.assertEqual(len(large), EVENT_ROOM)
        some = AB1 + large * (BLOCK_ROOM // EVENT_ROOM - 1)
        count = BLOCK_ROOM // EVENT_ROOM + BLOCK_ROOM - len(some)
        data = some + empty * (BLOCK_ROOM - len(some))
        for codec, shape in ((b"null", bytes), (b"deflate", raw)):
            begin = header(codec=codec)
            found = self.answers(self.of_bytes(begin + block(count, shape(data))))
            self.assertEqual([name for name, _ in found],
                             [f"{i + 1}/1" for i in range(BLOCK_ROOM // EVENT_ROOM)])
            self.refused(begin + block(count + 1, shape(data + empty)),
                         "block 1: it is larger than a block may be")

    def test_headers_are_as_large_as_they_may_be(self):
        used = len(b"avro.codecnullavro.schema" + b"x") + len(
            json.dumps(BOOKING))
        room = HEADER_ROOM - used
        self.assertEqual(len(self.answers(self.of_bytes(
            header(more=[(b"x", b"y" * room)]) + block(1, AB1)))), 1)
        self.refused(header(more=[(b"x", b"y" * (room + 1))]) + block(1, AB1),
                     "header: a length below 0, or beyond what a header may take")

    def test_a_file_without_events_has_no_answers(self):
        for data in (header(), header() + block(0, b""), header(codec=b"deflate") +
                     block(0, raw(b"")), header() + block(1, b"\0")):
            self.assertEqual(self.match(self.of_bytes(data))[0], "id,answer\n")

    def test_what_is_no_container_file_is_told(self):
        good = block(1, AB1)
        for data, error in (
            (b"", "header: the file ends inside it"),
            (b"id,number\n", "header: this is no Avro container file"),
            (header()[:-1], "header: the file ends inside it"),
            (header(codec=b"snappy"),
             "header: a codec that is not known: null, deflate and zstandard are"),
            (header(codec=b"x" * 65), "header: a codec that is not known"),
            (header(schema=False), "header: avro.schema is missing"),
            (header(more=[(b"avro.schema", b"1")]), "header: avro.schema stands there twice"),
            (b"Obj\x01" + varint(-2 ** 63), "header: the file ends inside it"),
            (b"Obj\x01" + varint(-2 ** 63) + b"\0", "header: more members than a header may have"),
            (b"Obj\x01\x02" + varint(-1), "header: a length below 0"),
            (b"Obj\x01\x02" + varint(2 ** 62), "header: a length below 0, or beyond"),
            (b"Obj\x01" + b"\xff" * 9 + b"\x02", "header: a number of more than 64 bits"),
        ):
            with self.subTest(error):
                self.refused(data, error)
        for data, error in (
            (good[:-1], "block 1: the file ends inside it"),
            (good + good[:1], "block 2: the file ends inside it"),
            (good + block(1, AB1, sync=bytes(16)), "block 2: its sync marker is not the file's"),
            (block(1, AB1, size=2 ** 62), "block 1: it is larger than a block may be"),
            (block(1, AB1, size=-1), "block 1: a count or size below 0"),
            (block(-1, AB1), "block 1: a count or size below 0"),
            (block(2 ** 62, AB1), "block 1: more records than bytes"),
            (block(0, AB1), "block 1: bytes that belong to no record"),
            (good + block(2, AB1), "block 2, record 3: its bytes do not follow the schema"),
            (block(1, AB1 + b"\0"), "block 1, record 1: bytes are left behind it"),
            (block(1, b"\x02\x02\x7fAB1\0\0"), "block 1, record 1: its bytes do not follow"),
        ):
            with self.subTest(error):
                self.refused(header() + data, error)
        _, errors = self.match(self.of_bytes(header(schema="string") + good), code=64)
        self.assertIn("its schema is neither BookingEvent nor BankingEvent", errors)
        self.refused(header(schema={"type": "recrd", "name": "BookingEvent"}), "its schema: ")

    def test_deflated_blocks_that_cannot_be_inflated_are_told(self):
        begin, data = header(codec=b"deflate"), raw(AB1)
        self.assertEqual(len(self.answers(self.of_bytes(begin + block(1, data)))), 1)
        for rest in (b"", data[:-1], data + b"12345", b"\xff" + data[1:], AB1):
            self.refused(begin + block(1, data) + block(1, rest),
                         "block 2: it cannot be inflated")
        packer = zlib.compressobj(wbits=-15)
        piece = packer.compress(bytes(BLOCK_ROOM)) + packer.flush(zlib.Z_FULL_FLUSH)
        bomb = piece * 64 + packer.flush()
        self.refused(begin + block(1, bomb),
                     "block 1: it is larger than a block may be, once inflated")

    def test_damaged_files_are_refused_or_answered(self):
        data = bytearray(header(codec=b"deflate") + block(1, raw(AB1)) + block(2, raw(2 * AB1)))
        first = len(header(codec=b"deflate"))
        for at in range(first, len(data)):
            data[at] ^= 0x5A
            done = subprocess.run([CHECKIT, "match", "--entries", self.list, "--in",
                                   self.of_bytes(data), "-q"], capture_output=True, timeout=60)
            self.assertIn(done.returncode, (0, 65), done.stderr)
            data[at] ^= 0x5A

    def test_wrong_use_is_told(self):
        rows = self.folder / "rows.csv"
        rows.write_text("id,number\n1,AB1\n")
        for arguments, error in (
            (["--in", rows, "--preset", "booking"], "are for Avro files, and this is none"),
            (["--number", "1", "--preset", "booking"], "--preset and --config go with --in"),
            (["--in", rows, "-c", "x"], "--config and --topic go together"),
            (["--in", rows, "--topic", "x"], "--config and --topic go together"),
            (["--in", rows, "-c", "x", "--topic", "x", "--preset", "booking"],
             "give --preset, or --config and --topic"),
        ):
            _, errors = self.run_it("match", "--entries", self.list, *arguments, code=64)
            self.assertIn(error, errors)


if __name__ == "__main__":
    CHECKIT = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
