"""No document number, name or locator in anything the program says: recognisable ones are planted
wherever an operator's data hold them, everything runs at log level debug, and all it writes is
searched. Alerts, dead letters, the feed and `checkit alerts` hold them, as they must; a receipt,
a metric, a message, a file on disk must not.

Run: KAFKA_JARS=DIR python3 test_canary.py CHECKIT
"""

import base64
import json
import os
import re
import subprocess

import harness
from cluster import wait_until
from harness import (SCHEMA_IDS, WAIT_S, Case, banking, booking, document, encode, prefix,
                     read_all, upsert, withdraw)

# Each is in one kind of place, so that what is found says where it came from. They are numbers as
# the rules take them (letters and digits, at most 24), but for those that must be refused.
LISTED = "QXLISTED4471"
LISTED_RANGE = "QXRANGE44710"
UNLISTED = "QXUNLISTED52"
INVALID_NUMBER = "QXINVALIDNUMBER6391746283"  # 25 characters: unscreenable
PLACEHOLDER = "QXPLACE0000000"
JOURNEY = "QXLOCATOR88"
NAME = "QXTRAVELLER"
ATTRIBUTE = "QXATTRIBUTE"
EVENT_KEY = "QXEVENTKEY31"
HEADER = "QXHEADER27"
NOT_AVRO = "QXNOTAVRO19"
CUT_SHORT = "QXCUTSHORT64"
NO_SCHEMA = "QXNOSCHEMA73"
TOO_LARGE = "QXTOOLARGE58"
CHANGE_INVALID = "QXCHANGEINVALID7746283995"
CHANGE_KEY = "QXCHANGEKEY12"
CHANGE_BROKEN = "QXCHANGEBROKEN"
NATIONAL = "QXNATIONAL93"
CSV_LISTED = "QXCSVLISTED35"
CSV_INVALID = "QXCSVINVALID4417739206618"
CSV_ISSUER = "QXCSVISSUER"
CSV_DATE = "QXCSVDATE"
CSV_QUOTE = "QXCSVQUOTE77"
CSV_COLUMN = "QXCSVCOLUMN62"
CSV_ROW = "QXCSVROW29"
CSV_ID = "QXCSVID:48"
CANARIES = {name: value for name, value in list(globals().items())
            if isinstance(value, str) and value.startswith("QX")}
HEADERS = "entry_id,op,revision,number,issuer,type,loss,reported_on,national_ref"
ROWS = [
    f"c1,UPSERT,1,{CSV_LISTED},ATA,PASSPORT,STOLEN,2025-01-31,{NATIONAL}",
    f"c2,UPSERT,1,{CSV_INVALID},ATA,PASSPORT,STOLEN,,",
    f"c3,UPSERT,1,{CSV_LISTED},{CSV_ISSUER},PASSPORT,STOLEN,,",
    f"c4,UPSERT,1,{CSV_LISTED},ATA,PASSPORT,STOLEN,{CSV_DATE},",
    f"c5,{CSV_ROW},1,{CSV_ROW},ATA,{CSV_ROW},{CSV_ROW},,",
    f"c6,UPSERT,{CSV_ROW},{CSV_ROW},ATA,PASSPORT,STOLEN,,",
    f"{CSV_ID},UPSERT,1,{CSV_LISTED},ATA,PASSPORT,STOLEN,,",
    f"c7,UPSERT,1,{CSV_ROW},ATA,PASSPORT,STOLEN,,,{CSV_ROW}",
]


def forms(text):
    """How a text may stand somewhere: as it is, in hexadecimal, in base64 at any place."""
    data = text.encode()
    yield text
    yield data.hex()
    for shift in range(3):  # base64 has three ways, by what stands in front
        coded = base64.b64encode(b"\0" * shift + data).decode()
        yield coded[4 if shift else 0:len(coded) // 4 * 4 - 4]


def found_in(text):
    """The names of the canaries in it, in any case and with or without what is dropped."""
    plain = text.lower()
    bare = re.sub(r"[-\s]", "", plain)
    return sorted(name for name, value in CANARIES.items()
                  if any(form.lower() in plain or form.lower() in bare for form in forms(value)))


class Canary(Case):
    def setUp(self):
        self.site_ = self.site(configs={"bookings": {"max.message.bytes": 4 << 20}})
        self.topics = self.site_.topics
        self.said = {}  # what was written, by where

    def say(self, where, text):
        self.said[where] = text

    def run_it(self, *arguments, **options):
        """Any exit code: what counts is what it says."""
        done = subprocess.run([harness.CHECKIT, *map(str, arguments)], capture_output=True,
                              text=True, timeout=WAIT_S, **options)
        self.say(" ".join(map(str, arguments)), done.stdout + done.stderr)
        return done

    # --- what is planted ---

    def plant_list(self):
        writer = self.writer()
        topic = self.topics.document_changes
        for change in (upsert("e1", LISTED, national_ref=NATIONAL),
                       upsert("e2", LISTED_RANGE, number_to=LISTED_RANGE[:-1] + "9"),
                       upsert("e3", CHANGE_INVALID), withdraw("e4", 2)):
            writer.change(topic, change)
        good = encode("DocumentChange", upsert("e5", LISTED))
        writer.send(topic, good, CHANGE_KEY.encode())
        writer.send(topic, None, CHANGE_KEY.encode())
        writer.send(topic, CHANGE_BROKEN.encode(), b"e6")
        writer.send(topic, prefix(SCHEMA_IDS["DocumentChange"]) + CHANGE_BROKEN.encode(), b"e7")
        writer.send(topic, prefix(77) + CHANGE_BROKEN.encode(), b"e8")
        writer.flush()

    def plant_events(self):
        """Returns how many records that is."""
        writer = self.writer(max_request_size=2 << 20)
        key, headers = EVENT_KEY.encode(), [("h", HEADER.encode()), (HEADER, b"v")]
        several = [document(LISTED), document(LISTED[:6] + "-" + LISTED[6:].lower()),
                   document(UNLISTED), document(INVALID_NUMBER), document(PLACEHOLDER)]
        event = booking(EVENT_KEY, journey_ref=JOURNEY, attributes={ATTRIBUTE: ATTRIBUTE},
                        travellers=[{"traveller_ref": NAME, "documents": several}])
        account = banking(EVENT_KEY, *several, customer_ref=JOURNEY)
        datum = encode("BookingEvent", event)
        cut = encode("BookingEvent", booking("cut", document(CUT_SHORT)))[:-6]
        values = [datum, NOT_AVRO.encode(), cut, prefix(1) + CUT_SHORT.encode(),
                  prefix(78) + NO_SCHEMA.encode(), (TOO_LARGE * 87500).encode(), None]
        for value in values:
            writer.send(self.topics.bookings, value, key, headers=headers)
        writer.send(self.topics.banking, encode("BankingEvent", account), key, headers=headers)
        writer.flush()
        return len(values) + 1

    # --- what is run ---

    def screen(self, name, log_format, records):
        process = self.site_.process(name, log={"level": "debug", "format": log_format},
                                     kafka={"debug": "all"})
        process.start()
        wait_until(lambda: "answers /livez" in process.log.read_text("utf-8"), WAIT_S, "it listens")
        found = re.search(r'address"?[=:]"?([0-9.:]+)', process.log.read_text("utf-8"))
        url = f"http://{found[1]}"
        wait_until(lambda: self.screened(url) >= records, WAIT_S, "all is screened")
        for path in ("/metrics", "/readyz", "/livez"):
            self.say(f"{name} {path}", self.get(url + path))
        self.run_it("stats", "--url", url)
        self.run_it("stats", "--url", url, "--json")
        self.assertEqual(process.stop(), 0)
        self.say(f"{name} log", process.log.read_text("utf-8", "replace"))
        self.say(f"{name} output", process.out.read_text("utf-8", "replace"))
        for folder, _, names in os.walk(process.folder):
            for file in names:
                path = os.path.join(folder, file)
                with open(path, "rb") as content:  # a national reference is not sealed
                    self.say(path, content.read().decode("latin-1").replace(NATIONAL, ""))
        return process

    def get(self, url):
        return subprocess.run(["curl", "-s", url], capture_output=True, text=True, check=True,
                              timeout=WAIT_S).stdout

    def screened(self, url):
        done = subprocess.run([harness.CHECKIT, "stats", "--url", url, "--json"],
                              capture_output=True, text=True, timeout=WAIT_S)
        return json.loads(done.stdout)["records"] if done.stdout else 0

    def feed_files(self, process):
        texts = {
            "rows": [HEADERS, *ROWS],
            "quote": [HEADERS, f'c1,UPSERT,1,"{CSV_QUOTE},ATA,PASSPORT,STOLEN,,'],
            "stray": [HEADERS, f'c1,UPSERT,1,{CSV_QUOTE}"{CSV_QUOTE},ATA,PASSPORT,STOLEN,,'],
            "headless": [f"c1,UPSERT,1,{CSV_COLUMN},ATA,PASSPORT,STOLEN,,"],
            "column": [f"entry_id,number,issuer,{CSV_COLUMN}", f"c1,{CSV_ROW},ATA,x"],
            "twice": ["entry_id,number,number,issuer", f"c1,{CSV_ROW},{CSV_ROW},ATA"],
        }
        for name, lines in texts.items():
            path = self.folder / f"{name}.csv"
            path.write_text("\n".join(lines) + "\n")
            command = ["feed", "-c", process.config, path]
            self.assertEqual(self.run_it(*command, "--dry-run").returncode, 65, name)
            self.run_it(*command, "--dry-run", "--contributor", "authority-1")
            rejections = self.folder / f"{name}-rejections.csv"
            self.run_it(*command, "--dry-run", "--rejections", rejections)
            if rejections.exists():
                self.say(str(rejections), rejections.read_text("utf-8"))
        self.run_it("feed", "-c", process.config, "--contributor", "authority-1",
                    "--skip-rejected", self.folder / "rows.csv")

    def test_nothing_says_a_number(self):
        self.plant_list()
        records = self.plant_events()
        process = self.screen("logfmt", "logfmt", records)
        self.feed_files(process)
        self.site_.forget_commits()
        self.screen("json", "json", records)
        config = process.config
        self.run_it("receipts", "verify", "-c", config)
        self.run_it("receipts", "verify", "-c", config, "--format", "json")
        self.run_it("config", "show", "-c", config)
        self.run_it("config", "check", "-c", config)
        redacted = self.run_it("alerts", "-c", config, "--since", "beginning", "--until-end",
                               "--redact")
        shown = self.run_it("alerts", "-c", config, "--since", "beginning", "--until-end")
        self.say("receipts", "".join(record.value.decode("latin-1") + str(record.headers)
                                     for record in read_all(self.topics.receipts)))
        self.check_the_search_finds_what_is_there(shown)
        # An alert names its event: journey and event id are what an analyst goes by.
        del self.said[" ".join(map(str, shown.args[1:]))]
        named = " ".join(map(str, redacted.args[1:]))
        self.said[named] = self.said[named].replace(JOURNEY, "").replace(EVENT_KEY, "")
        leaks = {where: found for where, text in self.said.items() if (found := found_in(text))}
        self.assertEqual(leaks, {}, self.lines_of(leaks))
        self.assertGreater(len(self.said), 40)

    def check_the_search_finds_what_is_there(self, shown):
        """What must hold them does, so that finding none elsewhere says something."""
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("LISTED", found_in(shown.stdout))
        letters = read_all(self.topics.dead_letters)
        held = found_in("".join((letter.value or b"").decode("latin-1") for letter in letters))
        self.assertLessEqual({"NOT_AVRO", "CUT_SHORT", "NO_SCHEMA", "TOO_LARGE"}, set(held))
        for coded in forms("xx" + LISTED + "yy"):
            self.assertIn("LISTED", found_in(f"...{coded}..."))

    def lines_of(self, leaks):
        values = [value.lower() for value in CANARIES.values()]
        return "\n".join(f"{where}: {line[:300]}" for where in leaks
                         for line in self.said[where].splitlines()
                         if any(value in line.lower() for value in values))[:8000]


if __name__ == "__main__":
    harness.main()
