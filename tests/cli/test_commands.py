"""The commands as a user types them: what they print, make and answer with their exit code.

Run: python3 test_commands.py CHECKIT, the path of the program. Standard library only.
"""

import csv
import http.server
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CHECKIT = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ["screen", "feed", "match", "list", "key", "schemas", "config", "alerts", "stats",
            "receipts", "generate", "demo"]
CONTRACTS = ["BookingEvent", "BankingEvent", "DocumentChange", "Alert", "Receipt"]
CONFIG = """\
kafka: {bootstrap.servers: 'localhost:1', sasl.password: hunter}
inputs: [{topic: bookings, preset: booking}]
store: {path: store, key: store.key}
identity_key: identity.key
schemas: {folder: schemas}
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.config = self.folder / "checkit.yaml"
        self.config.write_text(CONFIG)

    def run_it(self, *arguments, code=0):
        """Runs in another folder than the configuration's; returns (output, errors)."""
        done = subprocess.run(
            [CHECKIT, *map(str, arguments)], capture_output=True, text=True, cwd="/", timeout=60
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if code == 0:
            self.assertEqual(done.stderr, "")
        return done.stdout, done.stderr

    def fails(self, *arguments, code, error):
        """Runs and expects one line of error."""
        output, errors = self.run_it(*arguments, code=code)
        self.assertEqual(errors, f"checkit: {error}\n")
        return output


class Main(Case):
    def test_no_command_is_wrong_use(self):
        output, errors = self.run_it(code=64)
        self.assertEqual(output, "")
        self.assertTrue(errors.startswith("Usage: checkit COMMAND"))

    def test_help_names_every_command(self):
        for arguments in (["--help"], ["-h"], ["help"]):
            output, _ = self.run_it(*arguments)
            named = re.findall(r"^  (\w+) +\S", output, re.MULTILINE)
            self.assertEqual(named, COMMANDS + ["help"])

    def test_version_names_build_and_rules(self):
        output, _ = self.run_it("--version")
        self.assertRegex(output, r"\Acheckit \d+\.\d+\.\d+\nbuild \d+\.\d+\.\d+\+\S+\nrules 1\n\Z")

    def test_every_command_has_help(self):
        for command in COMMANDS:
            first, _ = self.run_it(command, "--help")
            second, _ = self.run_it("help", command)
            self.assertEqual(first, second)
            self.assertTrue(first.startswith(f"Usage: checkit {command}"), first)

    def test_help_of_a_command_tells_options_and_exit_codes(self):
        output, _ = self.run_it("help", "key", "new")
        for text in ("Usage: checkit key new", "--store-key FILE", "Exit codes:", "  78  "):
            self.assertIn(text, output)

    def test_a_slip_is_answered_with_the_command_meant(self):
        self.fails("scren", code=64, error="unknown command 'scren': is 'screen' meant?")
        self.fails("help", "kye", code=64, error="unknown command 'kye': is 'key' meant?")
        self.fails("key", "nwe", code=64, error="unknown command 'key nwe': is 'new' meant?")
        self.fails("key", code=64, error="key: a command is missing: one of new, rotate")
        self.fails(
            "help", "a", "b", "c", "d", code=64, error="help: 'd' is one argument too many"
        )

    def test_full_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [CHECKIT, "config", "reference"], stdout=full, stderr=subprocess.PIPE, text=True
            )
        self.assertEqual(done.returncode, 69)
        self.assertEqual(done.stderr, "checkit: standard output cannot be written\n")


class Key(Case):
    def test_configured_keys_are_made_once(self):
        output, _ = self.run_it("key", "new", "-c", self.config)
        for name in ("store.key", "identity.key"):
            path = self.folder / name
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o400)
            self.assertRegex(output, rf"made +\w+ key {re.escape(str(path))} \(mode 0400\)")
        self.assertIn("all must share it", output)

        before = [(self.folder / name).read_bytes() for name in ("store.key", "identity.key")]
        output, _ = self.run_it("key", "new", "-c", self.config)
        self.assertEqual(output.count("kept"), 2)
        after = [(self.folder / name).read_bytes() for name in ("store.key", "identity.key")]
        self.assertEqual(before, after)

    def test_a_missing_key_is_added_to_one_that_was_copied_here(self):
        identity = self.folder / "identity.key"
        self.run_it("key", "new", "--identity-key", identity)
        copied = identity.read_bytes()
        output, _ = self.run_it("key", "new", "-c", self.config)
        self.assertRegex(output, r"(?s)\Amade  store key .*kept  identity key ")
        self.assertEqual(identity.read_bytes(), copied)

    def test_no_two_keys_are_alike(self):
        paths = [self.folder / f"{i}.key" for i in range(2)]
        for path in paths:
            self.run_it("key", "new", "--store-key", path)
        self.assertNotEqual(paths[0].read_bytes(), paths[1].read_bytes())

    def test_nothing_is_overwritten_and_then_nothing_is_made(self):
        store, identity = self.folder / "a.key", self.folder / "b.key"
        identity.write_text("mine")
        _, errors = self.run_it(
            "key", "new", "--store-key", store, "--identity-key", identity, code=78
        )
        self.assertIn(f"identity key '{identity}' is there already", errors)
        self.assertEqual(identity.read_text(), "mine")
        self.assertFalse(store.exists())

    def test_either_files_or_a_configuration(self):
        error = (
            "key new: give either -c FILE, or --store-key FILE, --identity-key FILE or both; "
            "see checkit key new --help"
        )
        self.fails("key", "new", code=64, error=error)
        self.fails("key", "new", "-c", self.config, "--store-key", "x", code=64, error=error)

    def test_a_folder_that_is_missing_is_told(self):
        path = self.folder / "none" / "a.key"
        self.fails(
            "key", "new", "--store-key", path, code=78,
            error=f"store key '{path}' cannot be created: No such file or directory",
        )


class Schemas(Case):
    def setUp(self):
        super().setUp()
        self.schemas = self.folder / "a" / "schemas"

    def names(self):
        return sorted(path.name for path in self.schemas.iterdir())

    def test_each_contract_has_its_id(self):
        output, _ = self.run_it("schemas", self.schemas)
        self.assertEqual(self.names(), [f"{i}.avsc" for i in range(1, 6)])
        for i, contract in enumerate(CONTRACTS, 1):
            written = (self.schemas / f"{i}.avsc").read_bytes()
            self.assertEqual(written, (TOP / "schemas" / f"{contract}.avsc").read_bytes())
            self.assertEqual(json.loads(written)["name"], contract)
            self.assertIn(f"wrote {self.schemas}/{i}.avsc ({contract})\n", output)

    def test_again_changes_nothing(self):
        self.run_it("schemas", self.schemas)
        times = [path.stat().st_mtime_ns for path in sorted(self.schemas.iterdir())]
        (self.schemas / "3.avsc").unlink()
        output, _ = self.run_it("schemas", self.schemas)
        self.assertEqual((output.count("kept "), output.count("wrote ")), (4, 1))
        again = [path.stat().st_mtime_ns for path in sorted(self.schemas.iterdir())]
        self.assertEqual(times[:2] + times[3:], again[:2] + again[3:])

    def test_a_different_file_is_kept_and_then_nothing_is_written(self):
        contract = (TOP / "schemas" / "Receipt.avsc").read_bytes()
        self.schemas.mkdir(parents=True)
        path = self.schemas / "5.avsc"
        for other in (b"{}", contract + b"\n", contract[:-1], b""):
            path.write_bytes(other)
            _, errors = self.run_it("schemas", self.schemas, code=78)
            self.assertIn(f"'{path}' is there and is not our Receipt, id 5", errors)
            self.assertEqual(path.read_bytes(), other)
            self.assertEqual(self.names(), ["5.avsc"])

    def test_a_folder_that_cannot_be_made_is_told(self):
        (self.folder / "a").write_text("a file")
        self.fails(
            "schemas", self.schemas, code=69,
            error=f"'{self.schemas}' cannot be written: Not a directory",
        )
        _, errors = self.run_it("schemas", "", code=64)
        self.assertIn("DIR must be a path", errors)


class Feed(Case):
    """What needs no broker; the rest is in tests/broker/test_feed_command.c."""

    ROWS = "entry_id,number,issuer,contributor\nE-1,AB7654321,FRA,FRA-1\n"
    BAD_ROWS = ROWS + "E-2,XY7654321,QQQ,FRA-1\nE-3,X\u2603,FRA,FRA-1\nE-4,AB100,DEU,FRA-1\n"

    def setUp(self):
        super().setUp()
        self.list = self.folder / "list.csv"

    def feed(self, *arguments, code=0, text=None):
        """Returns (output, errors); text goes to standard input."""
        done = subprocess.run(
            [CHECKIT, "feed", "-c", str(self.config), *map(str, arguments)],
            capture_output=True, text=True, cwd="/", timeout=60, input=text,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("7654321", done.stdout + done.stderr, "a document number is told")
        return done.stdout, done.stderr

    def test_dry_run_validates_without_kafka_and_schemas(self):
        self.list.write_text(self.ROWS)
        output, errors = self.feed("--dry-run", self.list)
        self.assertEqual(output, "would send 1 upserts, 0 withdrawals, rejected 0\n")
        self.assertEqual(errors, "")

    def test_rejections_are_told_by_line_and_id_and_stop_all(self):
        self.list.write_text(self.BAD_ROWS)
        output, errors = self.feed("--dry-run", self.list, code=65)
        self.assertEqual(output, "")
        self.assertEqual(
            errors.splitlines(),
            [
                f"{self.list}:3: E-2: issuer: it is no code of a country or organisation we know",
                f"{self.list}:4: E-3: number: it is not 3 to 24 letters and digits",
                "checkit: feed: nothing was sent, rejected 2 of 4 rows (number_invalid 1, "
                "issuer_unknown 1); --skip-rejected sends the others",
            ],
        )

    def test_rejections_go_to_a_file_that_is_csv(self):
        self.list.write_text('entry_id,number,issuer,contributor\n"E,""1""",AB100,?,FRA-1\n')
        path = self.folder / "rejections.csv"
        output, errors = self.feed(
            "--dry-run", "--skip-rejected", "--rejections", path, self.list
        )
        self.assertEqual(errors, "")
        self.assertEqual(output, "would send 0 upserts, 0 withdrawals, rejected 1\n")
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        self.assertEqual(
            rows,
            [
                {
                    "file": str(self.list), "line": "2", "entry_id": 'E,"1"',
                    "reason": "issuer_unknown",
                    "what": "issuer: it is no code of a country or organisation we know",
                }
            ],
        )
        self.list.write_text(self.ROWS)
        self.feed("--dry-run", "--rejections", path, self.list)
        self.assertEqual(path.read_text(), "file,line,entry_id,reason,what\n")

    def test_many_rejections_do_not_flood_the_terminal(self):
        self.list.write_text(self.ROWS + "E-2,AB100,QQQ,FRA-1\n" * 101)
        _, errors = self.feed("--dry-run", self.list, code=65)
        lines = errors.splitlines()
        self.assertEqual(len(lines), 102)
        self.assertEqual(lines[100], "... and 1 more: --rejections FILE lists all")

    def test_what_another_program_writes_is_read(self):
        words = ["plain", 'a "quote"', "a,comma", "two\nlines", " blanks ", "\u00e9"]
        for end in ("\n", "\r\n"):
            with open(self.list, "w", newline="", encoding="utf-8-sig") as file:
                writer = csv.writer(file, lineterminator=end)
                writer.writerow(["national_ref", "entry_id", "number", "issuer", "contributor"])
                for i, word in enumerate(words):
                    writer.writerow([word, f"E-{i}", "AB100", "FRA", "FRA-1"])
                writer.writerow(["", "E-6", "", "FRA", "FRA-1"])
            _, errors = self.feed("--dry-run", self.list, code=65)
            self.assertIn(f"{self.list}:9: E-6: number: there is none\n", errors)
            self.assertIn("rejected 1 of 7 rows (number_missing 1)", errors)

    def test_standard_input_and_pipes_are_files_too(self):
        output, _ = self.feed("--dry-run", "-", text=self.ROWS)
        self.assertEqual(output, "would send 1 upserts, 0 withdrawals, rejected 0\n")
        _, errors = self.feed("--dry-run", "-", text=self.BAD_ROWS, code=65)
        self.assertIn("standard input:3: E-2: issuer: ", errors)
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        with subprocess.Popen(["cp", "/dev/stdin", str(fifo)], stdin=subprocess.PIPE) as writer:
            writer.stdin.write(self.ROWS.encode())
            writer.stdin.close()
            output, _ = self.feed("--dry-run", fifo)
        self.assertEqual(output, "would send 1 upserts, 0 withdrawals, rejected 0\n")

    def test_files_count_as_one_in_their_order(self):
        other = self.folder / "other.csv"
        header = "entry_id,op,revision,number,issuer,contributor\n"
        self.list.write_text(header + "E-1,,2,AB100,FRA,FRA-1\nE-2,,0,AB200,FRA,FRA-1\n")
        other.write_text(header + "E-1,WITHDRAW,1,,,FRA-1\nE-2,WITHDRAW,1,,,FRA-1\n")
        output, errors = self.feed("--dry-run", self.list, other)
        self.assertEqual(
            output,
            "would send 2 upserts, 1 withdrawals, rejected 0, left out 1 of a lower revision\n",
        )
        self.assertEqual(
            errors,
            f"{other}:2: E-1: revision: an earlier row of the entry has a higher one, "
            "which stays\n",
        )
        output, errors = self.feed("--dry-run", other, self.list)
        self.assertEqual(
            output,
            "would send 1 upserts, 2 withdrawals, rejected 0, left out 1 of a lower revision\n",
        )
        self.assertIn(f"{self.list}:3: E-2: revision: ", errors)

    def test_what_is_no_csv_stops_all_whatever_the_options(self):
        self.list.write_text(self.ROWS + 'E-2,"AB7654321,FRA,FRA-1\n')
        _, errors = self.feed("--dry-run", "--skip-rejected", self.list, code=65)
        self.assertEqual(
            errors,
            f"checkit: {self.list}:3: a quote is opened in this row and never closed\n",
        )

    def test_a_column_that_is_unknown_is_told_with_the_one_meant(self):
        self.list.write_text("entry_id,number,isuer\n")
        _, errors = self.feed("--dry-run", self.list, code=65)
        self.assertEqual(
            errors, f"checkit: {self.list}:1: unknown column 'isuer': is 'issuer' meant?\n"
        )
        self.list.write_text("AB7654321,FRA\n")
        _, errors = self.feed("--dry-run", self.list, code=65)
        self.assertIn(":1: the first row names none of the columns: entry_id, op", errors)

    def test_a_contributor_comes_from_the_file_or_the_option(self):
        self.list.write_text("entry_id,op\nE-1,WITHDRAW\n")
        _, errors = self.feed("--dry-run", self.list, code=65)
        self.assertEqual(errors, f"checkit: {self.list}:1: column 'contributor' is missing\n")
        output, _ = self.feed("--dry-run", "--contributor", "x" * 64, self.list)
        self.assertEqual(output, "would send 0 upserts, 1 withdrawals, rejected 0\n")
        for name in ("x" * 65, "", b"\xff"):
            name = os.fsdecode(name)
            _, errors = self.feed("--dry-run", "--contributor", name, self.list, code=64)
            self.assertEqual(
                errors, "checkit: feed: --contributor must be 1 to 64 bytes of UTF-8\n"
            )

    def test_nothing_to_send_needs_no_broker(self):
        self.run_it("schemas", self.folder / "schemas")
        self.list.write_text("entry_id,op,contributor\n")
        output, errors = self.feed(self.list)
        self.assertEqual(output, "sent 0 upserts, 0 withdrawals, rejected 0\n")
        self.assertEqual(errors, "")

    def test_faults_of_the_configuration_are_told(self):
        self.list.write_text(self.ROWS)
        _, errors = self.feed(self.list, code=78)
        self.assertIn("schemas folder", errors)
        self.config.write_text(CONFIG + "feeds: {}\n")
        _, errors = self.feed("--dry-run", self.list, code=78)
        self.assertIn("feeds: unknown key: is 'feed' meant?", errors)

    def test_files_that_cannot_be_used_are_told(self):
        path = self.folder / "none"
        _, errors = self.feed("--dry-run", path, code=69)
        self.assertEqual(errors, f"checkit: {path}: cannot be opened: No such file or directory\n")
        _, errors = self.feed("--dry-run", self.folder, code=69)
        self.assertEqual(errors, f"checkit: {self.folder}: cannot be read: Is a directory\n")
        self.list.write_text(self.ROWS)
        _, errors = self.feed("--dry-run", "--rejections", path / "x", self.list, code=69)
        self.assertIn("cannot be written: No such file or directory", errors)
        _, errors = self.feed("--dry-run", "--rejections", "/dev/full", self.list, code=69)
        self.assertIn("/dev/full: cannot be written: No space left on device", errors)


class Match(Case):
    CASES = TOP / "tests" / "golden" / "rules" / "vectors.csv"

    def answers_of_cases(self):
        with self.CASES.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] == "doc"]
        return [[row["id"], row["expected"]] for row in rows]

    def list_of(self, *rows):
        path = self.folder / "list.csv"
        path.write_text("\n".join(["id,number,number_to,issuer,type", *rows]) + "\n")
        return path

    def test_worked_cases_are_answered_as_written(self):
        out = self.folder / "answers.csv"
        for threads in (1, 3):
            self.run_it(
                "match", "--entries", self.CASES, "--in", self.CASES, "--out", out, "-q",
                "--threads", threads
            )
            with out.open(newline="") as file:
                rows = list(csv.reader(file))
            self.assertEqual(rows[0], ["id", "answer"])
            self.assertEqual(rows[1:], self.answers_of_cases())

    def test_answers_say_what_the_truth_of_made_up_events_says(self):
        listed, events = self.folder / "list.csv", self.folder / "events.csv"
        self.run_it("generate", "list", "--entries", 3000, "--out", listed, "-q")
        self.run_it(
            "generate", "bookings", "--entries", 3000, "--events", 9000, "--hit-rate", 0.2,
            "--out", events, "-q"
        )
        output, _ = self.run_it("match", "--entries", listed, "--in", events, "-q")
        with events.open(newline="") as file:
            expected = [[row["id"], row["expected"]] for row in csv.DictReader(file)]
        self.assertEqual(list(csv.reader(output.splitlines()))[1:], expected)
        self.assertGreater(sum("EXACT" in answer for _, answer in expected), 100)

    def test_one_document_has_its_answer_alone(self):
        listed = self.list_of("E-1,12AB34567,,FRA,PASSPORT", 'E-2,20AA00000,20AA00099,FRA,P')
        ask = ["match", "--entries", listed, "-q"]
        output, _ = self.run_it(*ask, "--number", "12 ab-34567", "--issuer", "FR", "--type", "P")
        self.assertEqual(output, "E-1=EXACT:page\n")
        output, _ = self.run_it(*ask, "--number", "20AA00050", "--nationality", "FRA")
        self.assertEqual(output, "E-2=ISSUER_INFERRED:review\n")
        output, _ = self.run_it(*ask, "--number", "N/A", "--issuer", "FRA")
        self.assertEqual(output, "unscreenable:number_invalid\n")
        output, _ = self.run_it(*ask, "--number", "12AB34568", "--issuer", "FRA")
        self.assertEqual(output, "none\n")

    def test_explanation_tells_the_tier_and_why_none_before_it(self):
        listed = self.list_of("E-1,12AB34567,,FRA,PASSPORT")
        output, _ = self.run_it(
            "match", "--entries", listed, "--number", "l2AB34S67", "--issuer", "FRA", "--type",
            "P", "--explain"
        )
        for text in ("it may be a misread 12AB34567", "entry E-1: 12AB34567, FRA, PASSPORT",
                     "REPAIRED, confidence 85 of 100: an officer is called",
                     "not EXACT, since the numbers differ", "answer       1 hit"):
            self.assertIn(text, output)

    def test_ids_that_need_quotes_have_them(self):
        listed = self.list_of('"E,""1",12AB34567,,FRA,PASSPORT')
        documents = self.folder / "documents.csv"
        documents.write_text('issuer,id,number\nFRA,"a,b",12AB34567\nFRA,"c\nd",12AB34568\n')
        output, _ = self.run_it("match", "--entries", listed, "--in", documents, "-q")
        self.assertEqual(output, 'id,answer\n"a,b","E,""1=TYPE_DIFFERS:page"\n"c\nd",none\n')

    def test_standard_input_is_documents_or_entries(self):
        listed = self.list_of("E-1,12AB34567,,FRA,PASSPORT")
        documents = self.folder / "documents.csv"
        documents.write_text("id,number,issuer\n1,12AB34567,FRA\n")
        expected = "id,answer\n1,E-1=TYPE_DIFFERS:page\n"
        for given, arguments in (
            (documents, ["--entries", listed, "--in", "-"]),
            (listed, ["--entries", "-", "--in", documents]),
        ):
            with given.open() as file:
                done = subprocess.run(
                    [CHECKIT, "match", "-q", *map(str, arguments)], stdin=file,
                    capture_output=True, text=True, timeout=60
                )
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, expected, ""))

    def test_summary_counts(self):
        done = subprocess.run(
            [CHECKIT, "match", "--entries", self.CASES, "--in", self.CASES, "--out", "/dev/null"],
            capture_output=True, text=True, timeout=60
        )
        answers = [answer for _, answer in self.answers_of_cases()]
        hits = sum("=" in answer for answer in answers)
        self.assertIn(f"{len(answers)} documents against ", done.stderr)
        self.assertIn(f"{hits} with hits", done.stderr)

    def test_nothing_is_left_behind(self):
        folder = self.folder / "tmp"
        folder.mkdir()
        environment = dict(os.environ, TMPDIR=str(folder))
        listed = self.list_of("E-1,12AB34567,,FRA,PASSPORT")
        command = [CHECKIT, "match", "--entries", str(listed), "-q", "--in", "-"]
        subprocess.run(command, input="id,number\n", env=environment, text=True, check=True,
                       capture_output=True, timeout=60)
        self.assertEqual(list(folder.iterdir()), [])
        out = self.folder / "answers.csv"
        with subprocess.Popen([*command, "--out", str(out)], stdin=subprocess.PIPE,
                              env=environment) as process:
            process.stdin.write(b"id,number\n")
            process.stdin.flush()
            # The list is loaded, and it waits for documents.
            while not out.with_name("answers.csv.part").exists() and process.poll() is None:
                time.sleep(0.01)
            self.assertEqual(len(list(folder.iterdir())), 1)
            process.terminate()
            self.assertEqual(process.wait(60), -15)
        self.assertEqual(list(folder.iterdir()), [])

    def test_wrong_use_is_told(self):
        for arguments, error in (
            (["--in", "x"], "one of --entries and --store is needed"),
            (["--entries", "x", "--store", "y", "--in", "x"],
             "one of --entries and --store is needed"),
            (["--store", "x", "--in", "x"], "--store needs --store-key"),
            (["--entries", "x"], "one of --in and --number is needed"),
            (["--entries", "x", "--in", "x", "--issuer", "FRA"],
             "--issuer, --type and --nationality go with --number"),
            (["--entries", "-", "--in", "-"],
             "standard input cannot be both the entries and the documents"),
        ):
            self.fails("match", *arguments, code=64, error=f"match: {error}")

    def test_what_cannot_be_read_is_told(self):
        listed = self.list_of("E-1,12AB34567,,FRA,PASSPORT")
        documents = self.folder / "documents.csv"
        self.fails("match", "--entries", listed, "--in", documents, code=69,
                   error=f"{documents}: cannot be opened: No such file or directory")
        for text, error in (
            ("id,issuer\n", ": the first row must name the columns, among them id and number"),
            ("id,number,id\n", ": the column id stands there twice"),
            ("id,number\n1,2,3\n", ":2: 3 fields, the first row has 2"),
            ("kind,id,number\nx,1,2\n", ":2: kind is neither entry nor doc"),
        ):
            documents.write_text(text)
            self.fails("match", "--entries", listed, "--in", documents, "-q", code=65,
                       error=f"{documents}{error}")
        self.run_it("key", "new", "--store-key", self.folder / "store.key")
        self.fails("match", "--store", self.folder, "--store-key", self.folder / "store.key",
                   "--number", "123", code=78,
                   error=f"'{self.folder}' is not a store")


class Config(Case):
    def make_all(self):
        self.run_it("key", "new", "-c", self.config)
        self.run_it("schemas", self.folder / "schemas")

    def check(self, code=0):
        output, _ = self.run_it("config", "check", "--offline", "-c", self.config, code=code)
        return output

    def test_check_is_content_when_all_is_there(self):
        self.make_all()
        lines = self.check().splitlines()
        self.assertEqual(lines[0], f"ok     {self.config}: 1 input")
        self.assertEqual([line.split()[0] for line in lines], ["ok"] * 8)
        self.assertEqual(lines[7], "ok     mapping: fits schema 1: bookings")

    def test_check_tells_a_mapping_that_fits_no_schema(self):
        self.make_all()
        (self.folder / "schemas" / "1.avsc").unlink()
        output = self.check()
        self.assertIn("warn   mapping: fits no schema that can be found: bookings\n", output)
        self.assertRegex(output, r"\n {7}2: .*travellers")

    def test_check_tells_optional_paths_the_schema_lacks(self):
        self.make_all()
        for path in (self.folder / "schemas").glob("[2-5].avsc"):
            if "BookingEvent" not in path.read_text():
                path.rename(path.with_suffix(".kept"))
        self.config.write_text(CONFIG.replace("preset: booking", (
            "documents: [{path: 'travellers[].documents[]', number: number, issuer: isuer, "
            "type: type}], event: {id: event_id, place: plaice}")))
        output = self.check(code=78)
        self.assertIn(
            "ok     mapping: fits schema 1: bookings\n"
            "warn   mapping: bookings: the schema lacks optional paths, whose fields stay empty: "
            "isuer, plaice: correct or remove them\n", output)

    def test_check_tells_what_a_store_is(self):
        self.make_all()
        (self.folder / "store").mkdir()
        self.assertIn("ok     store.path: empty: it is read from the feed at the start\n",
                      self.check())
        (self.folder / "store" / "CURRENT").write_text("no store\n")
        self.assertRegex(self.check(), r"warn   store\.path: .*: the next start sets it aside")
        self.assertEqual([file.name for file in (self.folder / "store").iterdir()], ["CURRENT"])

    def test_check_names_each_fault(self):
        output = self.check(code=78)
        for key in ("store.key", "identity_key", "schemas"):
            self.assertIn(f"fault  {key}: ", output)
        self.assertIn("checkit key new", output)
        for key in ("store.path", "rules.folder"):
            self.assertIn(f"ok     {key}\n", output)

    def test_check_tells_a_key_with_a_wide_mode(self):
        self.make_all()
        os.chmod(self.folder / "store.key", 0o440)
        output = self.check(code=78)
        self.assertRegex(output, r"fault  store\.key: .*0440")
        self.assertIn("ok     identity_key\n", output)

    def test_check_tells_keys_that_were_swapped(self):
        self.make_all()
        os.rename(self.folder / "store.key", self.folder / "x")
        os.rename(self.folder / "identity.key", self.folder / "store.key")
        os.rename(self.folder / "x", self.folder / "identity.key")
        output = self.check(code=78)
        self.assertIn("fault  store.key: ", output)
        self.assertIn("fault  identity_key: ", output)

    def test_check_tells_a_store_that_cannot_be(self):
        self.make_all()
        (self.folder / "store").write_text("a file")
        self.assertIn(f"fault  store.path: '{self.folder}/store' is not a folder", self.check(78))
        self.config.write_text(CONFIG.replace("path: store", "path: none/store"))
        self.assertIn("fault  store.path: ", self.check(78))

    def test_check_tells_a_contract_that_is_missing(self):
        self.make_all()
        (self.folder / "schemas" / "4.avsc").unlink()
        self.assertRegex(self.check(78), r"fault  schemas: .*Alert")

    def test_check_tells_rule_data_that_is_missing(self):
        self.make_all()
        self.config.write_text(CONFIG + "rules: {folder: none}\n")
        self.assertIn("fault  rules.folder: ", self.check(78))

    def test_check_tells_brokers_that_do_not_answer(self):
        self.make_all()
        output, errors = self.run_it("config", "check", "-c", self.config, code=69)
        self.assertRegex(output, r"\nfault  kafka: .*cluster id")
        self.assertIn("checkit: kafka: ", errors)

    def test_a_fault_in_the_file_is_told_with_its_line(self):
        self.config.write_text(CONFIG + "\nworkres: 2\n")
        error = f"{self.config}:7: workres: unknown key: is 'workers' meant?"
        for command in (["config", "check", "--offline"], ["config", "show"], ["key", "new"]):
            self.fails(*command, "-c", self.config, code=78, error=error)

    def test_show_prints_what_is_in_effect_without_secrets(self):
        output, _ = self.run_it("config", "show", "-c", self.config)
        self.assertIn('\n  alerts: "alerts"\n', output)
        self.assertIn(f'\n  key: "{self.folder}/store.key"\n', output)
        self.assertIn('"sasl.password": "(hidden)"', output)
        self.assertNotIn("hunter", output)

    def test_what_show_prints_is_shown_alike(self):
        first, _ = self.run_it("config", "show", "-c", self.config)
        self.config.write_text(first)
        second, _ = self.run_it("config", "show", "-c", self.config)
        self.assertEqual(first, second)

    def test_reference_is_the_one_in_the_readme(self):
        output, _ = self.run_it("config", "reference")
        self.assertIn(output, (TOP / "config" / "README.md").read_text())

    def test_topics_are_printed_as_commands(self):
        output, _ = self.run_it("config", "topics", "-c", self.config)
        lines = output.splitlines()
        self.assertEqual(len(lines), 7)
        begin = "kafka-topics.sh --bootstrap-server 'localhost:1' --create --if-not-exists --topic "
        for line, name in zip(
            lines, ("bookings", "document-changes", "alerts", "alerts.test", "heartbeat",
                    "receipts", "dead-letters")
        ):
            self.assertTrue(line.startswith(f"{begin}{name} --partitions "), line)
        self.assertTrue(lines[1].endswith("--config cleanup.policy=compact"))
        self.assertIn("--config max.message.bytes=1114112", lines[6])
        self.assertNotIn("hunter", output)

    def test_partitions_and_replication_are_taken(self):
        output, _ = self.run_it(
            "config", "topics", "-c", self.config, "--partitions", 7, "--replication", 3
        )
        self.assertEqual(output.count(" --partitions 7 --replication-factor 3 "), 7)
        for option, most in (("--partitions", 10000), ("--replication", 100)):
            for value in (0, most + 1):
                self.fails(
                    "config", "topics", "-c", self.config, option, value, code=64,
                    error=f"config topics: {option} '{value}': must be a whole number, 1 to {most}",
                )


class Generate(Case):
    EVENTS = ["--events", "1000", "--entries", "500", "--profile", "stress"]

    def lines(self, name):
        return (self.folder / name).read_text("utf-8").splitlines()

    def test_list_as_csv(self):
        path = self.folder / "list.csv"
        output, _ = self.run_it("generate", "list", "--entries", 1000, "--out", path)
        written = f"wrote 1000 entries to {path} in "
        self.assertRegex(output, rf"\A{re.escape(written)}\d+\.\d s\n\Z")
        lines = self.lines("list.csv")
        self.assertEqual(len(lines), 1001)
        self.assertTrue(lines[0].startswith("entry_id,op,revision,number,number_to,issuer,type,"))
        self.assertEqual(len({line.split(",")[0] for line in lines}), 1001)

    def test_list_to_standard_output_is_the_same_and_alone(self):
        path = self.folder / "list.csv"
        self.run_it("generate", "list", "--entries", 10, "--out", path)
        output, _ = self.run_it("generate", "list", "--entries", 10, "--out", "-")
        self.assertEqual(output, path.read_text("utf-8"))
        other, _ = self.run_it("generate", "list", "--entries", 10, "--seed", 2, "--out", "-")
        self.assertNotEqual(output, other)

    def test_events_as_csv_say_what_the_truth_says(self):
        for kind in ("bookings", "banking"):
            out, truth = self.folder / f"{kind}.csv", self.folder / f"{kind}.truth"
            output, _ = self.run_it("generate", kind, *self.EVENTS, "--out", out, "--truth", truth)
            expected = set()
            for line in self.lines(f"{kind}.csv")[1:]:
                fields = line.split(",")
                if "=" in fields[-1]:
                    entry, tier, hit_class = re.split("[=:]", fields[-1])
                    event = fields[1].partition("/")[0]
                    expected.add(f"{kind},{event},{entry},{tier},{hit_class.upper()}")
            lines = self.lines(f"{kind}.truth")
            self.assertEqual(lines[0], "topic,event_id,entry_id,tier,class")
            self.assertEqual(set(lines[1:]), expected)
            self.assertEqual(len(lines), len(expected) + 1)
            self.assertGreater(len(expected), 0)
            self.assertIn(f"; {len(expected)} hits to be found", output)

    def test_parts_of_a_stream_are_the_stream(self):
        whole, _ = self.run_it("generate", "bookings", *self.EVENTS, "--out", "-")
        header, _, whole = whole.partition("\n")
        parts = ""
        for first, count in ((0, 300), (300, 700)):
            part, _ = self.run_it(
                "generate", "bookings", *self.EVENTS, "--events", count, "--first", first,
                "--out", "-",
            )
            self.assertTrue(part.startswith(header + "\n"))
            parts += part.partition("\n")[2]
        self.assertEqual(parts, whole)

    def test_container_is_one_and_its_name_decides(self):
        path = self.folder / "b.avro"
        output, _ = self.run_it("generate", "bookings", *self.EVENTS, "--quiet", "--out", path)
        self.assertEqual(output, "")
        written = path.read_bytes()
        self.assertTrue(written.startswith(b"Obj\x01"))
        self.assertIn((TOP / "schemas" / "BookingEvent.avsc").read_bytes(), written)
        self.assertEqual(os.listdir(self.folder).count("b.avro.part"), 0)

    def test_topic_stands_in_the_truth(self):
        truth = self.folder / "truth.csv"
        self.run_it(
            "generate", "bookings", *self.EVENTS, "--hit-rate", "1", "--topic", "air.bookings",
            "--truth", truth, "--out", self.folder / "b.csv",
        )
        lines = self.lines("truth.csv")
        self.assertGreater(len(lines), 1000)
        self.assertTrue(all(line.startswith("air.bookings,") for line in lines[1:]))

    def test_no_hits_leave_a_truth_without_lines(self):
        truth = self.folder / "truth.csv"
        self.run_it(
            "generate", "banking", *self.EVENTS, "--hit-rate", "0", "--truth", truth,
            "--out", self.folder / "b.csv",
        )
        self.assertEqual(self.lines("truth.csv"), ["topic,event_id,entry_id,tier,class"])

    def test_wrong_use_is_told(self):
        out = ["--out", self.folder / "x.csv"]
        where = "give either -c FILE or --out FILE; see checkit generate list --help"
        rate = "must be a number, 0 to 1, such as 1e-4"
        for arguments, error in (
            (["list"], "generate list: option --entries N is missing; "
             "see checkit generate list --help"),
            (["list", "--entries", 1], f"generate list: {where}"),
            (["list", "--entries", 1, *out, "-c", self.config], f"generate list: {where}"),
            (["list", "--entries", 0, *out],
             "generate list: --entries '0': must be a whole number, 1 to 200000000"),
            (["list", "--entries", 200000001, *out],
             "generate list: --entries '200000001': must be a whole number, 1 to 200000000"),
            (["list", "--entries", 1, "--out", "x.txt"],
             "generate list: --out 'x.txt': must end in .avro or .csv, or be -"),
            (["bookings", *self.EVENTS, "--profile", "navy", *out],
             "generate bookings: --profile 'navy': must be one of airline|border|stress"),
            (["bookings", *self.EVENTS, "--hit-rate", "1.1", *out],
             f"generate bookings: --hit-rate '1.1': {rate}"),
            (["bookings", *self.EVENTS, "--hit-rate", "nan", *out],
             f"generate bookings: --hit-rate 'nan': {rate}"),
            (["bookings", *self.EVENTS, "--hit-rate", "", *out],
             f"generate bookings: --hit-rate '': {rate}"),
            (["banking", *self.EVENTS, "--hit-rate", "0.1x", *out],
             f"generate banking: --hit-rate '0.1x': {rate}"),
            (["banking", *self.EVENTS, "--topic", "a,b", *out],
             "generate banking: --topic 'a,b': must be 1 to 249 letters, digits, '.', '_', '-'"),
            (["banking", *self.EVENTS, "--out", "-", "--truth", "-"],
             "generate banking: --out and --truth are both '-'"),
            (["events"],
             "unknown command 'generate events': it is one of list, bookings, banking"),
        ):
            self.fails("generate", *arguments, code=64, error=error)
        self.assertFalse((self.folder / "x.csv").exists())

    def test_file_that_cannot_be_written_is_told_and_nothing_is_left(self):
        path = self.folder / "none" / "x.csv"
        self.fails(
            "generate", "list", "--entries", 1, "--out", path, code=69,
            error=f"'{path}' cannot be written: No such file or directory",
        )
        truth = self.folder / "truth.csv"
        self.run_it(
            "generate", "bookings", *self.EVENTS, "--truth", truth, "--out", path, code=69
        )
        self.assertEqual(os.listdir(self.folder), ["checkit.yaml"])

    def test_full_output_is_told(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [CHECKIT, "generate", "list", "--entries", "10", "--out", "-"],
                stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            )
        self.assertEqual(done.returncode, 69)
        self.assertEqual(
            done.stderr,
            "checkit: standard output cannot be written: No space left on device\n",
        )

    def test_configuration_without_the_schema_is_told(self):
        (self.folder / "schemas").mkdir()
        _, errors = self.run_it("generate", "list", "--entries", 1, "-c", self.config, code=78)
        self.assertIn("DocumentChange", errors)


class Alerts(Case):
    def test_wrong_use_is_told(self):
        since = (
            "must be beginning, now, a time back such as 90s, 10m, 2h or 3d, or a time such as "
            "2026-01-31T12:00:00Z"
        )
        for arguments, error in (
            (["--since", "1 week"], f"--since '1 week': {since}"),
            (["--class", "PAGE"], "--class 'PAGE': must be one of page|review"),
            (["--format", "xml"], "--format 'xml': must be one of table|json"),
        ):
            self.fails("alerts", "-c", self.config, *arguments, code=64, error=f"alerts: {error}")

    def test_a_schema_folder_that_is_missing_is_told(self):
        _, errors = self.run_it("alerts", "-c", self.config, code=78)
        self.assertIn("schemas", errors)


class Stats(Case):
    def test_wrong_use_is_told(self):
        either = "stats: give either -c FILE or --url URL; see checkit stats --help"
        self.fails("stats", code=64, error=either)
        self.fails("stats", "-c", self.config, "--url", "http://[::1]:1", code=64, error=either)
        self.run_it("stats", "--url", "file:///etc/hostname", code=64)
        self.run_it("stats", "--url", "http://" + "a" * 600, code=64)

    def test_a_configuration_that_names_no_port_is_told(self):
        for listen in ("off", "'127.0.0.1:0'"):
            self.config.write_text(CONFIG + f"http: {{listen: {listen}}}\n")
            self.fails(
                "stats", "-c", self.config, code=78,
                error=f"stats: http.listen in '{self.config}' is off or has port 0: it cannot be "
                "asked, or give --url with the port the log tells")

    def test_nobody_there_is_told(self):
        with socket.socket() as taken:  # bound, so that nobody else listens there either
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            for listen in (f"127.0.0.1:{port}", f"0.0.0.0:{port}"):
                self.config.write_text(CONFIG + f"http: {{listen: '{listen}'}}\n")
                _, errors = self.run_it("stats", "-c", self.config, code=69)
                self.assertIn(f"stats: http://127.0.0.1:{port}/readyz: ", errors)

    def test_another_server_is_no_checkit(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"checks": 1}')

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            self.fails("stats", "--url", url, code=65,
                       error=f"stats: what answers at {url} is no checkit")
            server.shutdown()


class Demo(Case):
    def test_limits_are_told(self):
        for option, value, least in (("events", 999, 1000), ("events", 1000001, 1000),
                                     ("entries", 0, 1), ("entries", 1000001, 1)):
            self.fails(
                "demo", f"--{option}", value, code=64,
                error=f"demo: --{option} '{value}': must be a whole number, {least} to 1000000",
            )


class List(Case):
    """What needs no store; the rest is tests/broker/test_list.py."""

    def list(self, command, *arguments, code, error):
        return self.fails("list", command, "-c", self.config, *arguments, code=code, error=error)

    def make_key(self):
        self.run_it("key", "new", "-c", self.config)

    def test_a_slip_is_answered_with_the_command_meant(self):
        self.fails("list", "exprot", code=64,
                   error="unknown command 'list exprot': is 'export' meant?")
        _, errors = self.run_it("list", code=64)
        self.assertIn("list: a command is missing: one of import, get, ", errors)

    def test_what_is_missing_is_named(self):
        self.fails("list", "get", "-c", self.config, code=64,
                   error="list get: ID is missing; see checkit list get --help")
        self.fails("list", "export", "-c", self.config, code=64,
                   error="list export: option --out FILE is missing; see checkit list export "
                         "--help")
        self.list("get", "i" * 65, code=64, error="list get: an id has at most 64 bytes")

    def test_without_a_key_or_a_store_it_says_so(self):
        _, errors = self.run_it("list", "stat", "-c", self.config, code=78)
        self.assertIn("checkit key new", errors)
        self.make_key()
        for command in (["stat"], ["verify"], ["get", "E-1"], ["export", "-o", "/dev/null"],
                        ["snapshot", self.folder / "kept"]):
            _, errors = self.run_it("list", *command, "-c", self.config, code=78)
            self.assertIn("store", errors)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["checkit.yaml", "identity.key", "store.key"])

    def test_what_is_no_snapshot_is_not_restored(self):
        self.make_key()
        (self.folder / "kept").mkdir()
        (self.folder / "kept" / "letter").write_text("mine")
        _, errors = self.run_it("list", "restore", "-c", self.config, self.folder / "kept",
                                code=78)
        self.assertIn("is not a store", errors)
        self.assertFalse((self.folder / "store").exists())
        self.assertEqual((self.folder / "kept" / "letter").read_text(), "mine")

    def test_a_snapshot_never_replaces_what_is_there(self):
        self.make_key()
        self.list("snapshot", self.folder, code=78,
                  error=f"'{self.folder}' is there already: name a new folder")

    def test_a_snapshot_leaves_alone_what_another_one_copies(self):
        self.make_key()
        part = self.folder / "kept.part"
        part.mkdir()
        (part / "CURRENT").write_text("")
        self.list("snapshot", self.folder / "kept", code=78,
                  error=f"'{part}' is there: a snapshot is under way, or one was killed; then "
                        "remove it")
        self.assertTrue((part / "CURRENT").exists())

    def test_a_socket_nobody_listens_at_is_in_nobodys_way(self):
        self.make_key()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.folder / "store.sock"))
        _, errors = self.run_it("list", "stat", "-c", self.config, code=78)
        self.assertIn("store", errors)

    def test_an_answer_that_is_none_is_told(self):
        self.make_key()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.folder / "store.sock"))
            other.listen()
            served = threading.Thread(target=self.answer_nonsense, args=[other])
            served.start()
            _, errors = self.run_it("list", "get", "-c", self.config, "E-1", code=69)
            served.join()
        self.assertIn("nothing that is known", errors)

    @staticmethod
    def answer_nonsense(listening):
        for _ in range(2):  # a look whether someone listens, then the question
            client, _ = listening.accept()
            with client:
                if client.recv(4096):
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhmm\n")


class ManPage(Case):
    PAGE = (TOP / "config" / "checkit.1").read_text().replace("\\-", "-")

    def commands(self, words=()):
        """Every command that does something, found by --help."""
        output, _ = self.run_it(*words, "--help")
        names = re.findall(r"^  (\w+) +\S", output.partition("Commands:\n")[2], re.MULTILINE)
        if not names:
            return [(words, output)]
        return [
            command for name in names if name != "help" for command in self.commands([*words, name])
        ]

    def section(self, words):
        found = re.search(
            rf"(?ms)^\.Ss {' '.join(words)}\n(.*?)^\.S[hs] ", self.PAGE
        )
        self.assertIsNotNone(found, f"no section for {words}")
        return found.group(1)

    def test_every_command_has_a_section_with_its_options_and_no_other(self):
        commands = self.commands()
        self.assertGreater(len(commands), len(COMMANDS))
        for words, output in commands:
            options = set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", output, re.MULTILINE)) - {"help"}
            letters = set(re.findall(r"^ +-(\w), --", output, re.MULTILINE)) - {"h"}
            items = re.findall(r"^\.It (.*)$", self.section(words), re.MULTILINE)
            told = {option for item in items for option in re.findall(r"Fl -([\w-]+)", item)}
            told_letters = {letter for item in items for letter in re.findall(r"Fl (\w)\b", item)}
            self.assertEqual(told, options, words)
            self.assertEqual(told_letters, letters, words)

    def test_every_exit_code_is_explained(self):
        exits = self.PAGE.partition(".Sh EXIT STATUS\n")[2].partition(".Sh ")[0]
        told = re.findall(r"^\.It (\d+)$", exits, re.MULTILINE)
        for words, output in self.commands():
            codes = re.findall(r"^  (\d+) ", output.partition("Exit codes:\n")[2], re.MULTILINE)
            self.assertIn("64", codes)
            self.assertLessEqual(set(codes), set(told), words)

    def test_every_command_is_in_the_synopsis(self):
        synopsis = self.PAGE.partition(".Sh SYNOPSIS\n")[2].partition(".Sh ")[0]
        for words, _ in self.commands():
            self.assertRegex(synopsis, rf"\bCm {' '.join(words)}\b")

    def test_every_column_of_a_list_is_explained(self):
        output, _ = self.run_it("feed", "--help")
        names = output.partition("columns, in any order:")[2].partition("Needed:")[0]
        names = re.findall(r"[a-z]\w+", re.sub(r"\([^)]*\)", "", names))
        self.assertEqual(len(names), 16)
        table = self.PAGE.partition(".Sh LIST FILES\n")[2].partition(".Sh ")[0]
        told = re.findall(r"[\w]+", " ".join(re.findall(r"^\.It Li (.*)$", table, re.MULTILINE)))
        self.assertEqual(told, names)


if __name__ == "__main__":
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
