"""`checkit key rotate` while a process screens: events and changes keep coming, each listed
document is found once, no other is, and what changed meanwhile is in effect under the new key.

Run: KAFKA_JARS=DIR python3 test_rotate.py CHECKIT
"""

import concurrent.futures
import json
import os
import threading

import harness
from cluster import wait_until
from harness import (
    WAIT_S, CommittedReader, GroupCase, Writer, booking, checkit, decode, document, encode,
    read_all, upsert, withdraw,
)

ENTRIES = 30_000
MOVING, LEAVING, STEADY = range(10_000), range(10_000, 20_000), range(20_000, ENTRIES)
EVENTS_A_ROUND = 20
ROUNDS = 10  # of events, and of changes: before it and after it
KAFKA = {"session.timeout.ms": 30000}  # a rebalance might screen again what nobody had lost


def number(i):
    return f"NV{1000000 + i}"


def moved(i):
    return f"KM{1000000 + i}"


def added(i):
    return f"KN{1000000 + i}"


class Stream:
    """Rounds of something, one behind the other, in a thread with a writer of its own."""

    def __init__(self, case, send_round):
        self.case = case
        self.send_round = send_round
        self.rounds = 0
        self.done = threading.Event()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        case.addCleanup(pool.shutdown)
        case.addCleanup(self.done.set)
        self.ended = pool.submit(self.run)

    def run(self):
        writer = Writer()
        while not self.done.is_set():
            self.send_round(writer, self.rounds)
            self.rounds += 1
        writer.close()

    def more(self):
        """Returns when there were some more rounds."""
        rounds = self.rounds + ROUNDS
        wait_until(lambda: self.rounds >= rounds or self.ended.done(), WAIT_S, "rounds")

    def end(self):
        self.done.set()
        self.ended.result(WAIT_S)


class Rotation(GroupCase):
    delivery = "at_least_once"

    def setUp(self):
        self.start_site()
        self.events = {}  # (topic, partition, offset): whether it names a listed document
        inputs = [{"topic": self.topics.bookings, "preset": "booking"}]
        self.process = self.site_.process("p", kafka=KAFKA, inputs=inputs, delivery=self.delivery)
        rows = "".join(f"E-{i},{number(i)},ATA,PASSPORT,authority-1\n" for i in range(ENTRIES))
        path = self.folder / "list.csv"
        path.write_text("entry_id,number,issuer,type,contributor\n" + rows)
        checkit("list", "import", "-c", self.process.config, "-q", path)
        self.start()

    def start(self):
        """Returns once each worker has its share: what moves later may be screened again."""
        self.process.start()
        for worker in (0, 1):
            self.process.wait_for_log("partition assigned", count=2, worker=worker)

    def config_with(self, key):
        """The process's, as it is to be under that key."""
        config = json.loads(self.process.config.read_text())
        config["store"]["key"] = key
        path = self.process.folder / f"{key}.yaml"
        path.write_text(json.dumps(config))
        return path

    # --- what is sent ---

    def send_events(self, writer, numbers, are_listed):
        for one in numbers:
            value = booking(f"event-{one}-{len(self.events)}", document(one))
            writer.send(self.topics.bookings, encode("BookingEvent", value))
        for place, is_listed in zip(writer.flush(), are_listed):
            self.events[place.topic, place.partition, place.offset] = is_listed

    def event_round(self, writer, turn):
        """Every second event names an entry that stays; the others, one that never was."""
        steady = [STEADY[(turn * EVENTS_A_ROUND + i) % len(STEADY)] for i in range(EVENTS_A_ROUND)]
        are_listed = [i % 2 == 0 for i in range(EVENTS_A_ROUND)]
        numbers = [number(i) if is_listed else f"PW{i}" for i, is_listed in zip(steady, are_listed)]
        self.send_events(writer, numbers, are_listed)

    def change_round(self, writer, turn):
        """An entry comes, one gets another number, one goes."""
        topic = self.topics.document_changes
        writer.change(topic, upsert(f"new-{turn}", added(turn)))
        writer.change(topic, upsert(f"E-{MOVING[turn]}", moved(turn), 2))
        writer.change(topic, withdraw(f"E-{LEAVING[turn]}", 2))
        writer.flush()

    def send_changed(self, turns):
        """Events that name what changed, as it is now and as it was."""
        for turn in turns:
            numbers = [added(turn), moved(turn), number(MOVING[turn]), number(LEAVING[turn])]
            self.send_events(self.writer_, numbers, [True, True, False, False])

    # --- what is awaited ---

    def wait_until_applied(self, config):
        feed = self.reader(self.topics.document_changes)
        ends = {str(p.partition): end for p, end in feed.ends().items()}

        def is_applied():
            return json.loads(checkit("list", "stat", "-c", config, "--json"))["offsets"] == ends

        wait_until(is_applied, WAIT_S, f"the feed is applied to {ends}")

    def wait_until_committed(self):
        ends = {p.partition: end for p, end in self.reader(self.topics.bookings).ends().items()}
        wait_until(lambda: self.committed() == ends, WAIT_S, lambda: f"{ends} is committed")
        return ends

    # --- what must hold ---

    def check_alerts(self):
        """No process died and no partition moved, so once is what at least once comes to."""
        expected = {place: 1 for place, is_listed in self.events.items() if is_listed}
        self.assertEqual(dict(self.alerts()), expected)

    def check_list_of_receipts(self):
        """What they say was applied never goes back, whichever list it was applied to."""
        newest = {}
        for record in read_all(self.topics.receipts):
            receipt = decode("Receipt", record.value)
            for told in receipt["list_offsets"]:
                place = receipt["partition"], told["partition"]
                self.assertGreaterEqual(told["next_offset"], newest.get(place, 0))
                newest[place] = told["next_offset"]

    def check_directories(self):
        """The list before is kept aside, and nobody has it open."""
        self.assertEqual(sorted(path.name for path in self.process.folder.glob("store*")
                                if path.is_dir()), ["store", "store.replaced"])
        files = f"/proc/{self.process.process.pid}/fd"
        opened = [os.readlink(f"{files}/{file}") for file in os.listdir(files)]
        self.assertTrue([path for path in opened if f"{self.process.store}/" in path])
        self.assertFalse([path for path in opened if f"{self.process.store}." in path
                          and not path.endswith(".sock")])
        checkit("list", "stat", "-c", self.process.config, "--store",
                self.process.folder / "store.replaced")

    # --- the whole ---

    def rotate_under_load(self):
        """Returns how many rounds of changes there were."""
        events, changes = Stream(self, self.event_round), Stream(self, self.change_round)
        events.more()
        changes.more()
        before = changes.rounds
        said = checkit("key", "rotate", "-c", self.process.config, "-q", "--new-store-key",
                       self.process.folder / "new.key")
        self.assertIn("it is screened with", said)
        self.assertGreater(changes.rounds, before)
        events.more()
        changes.more()
        events.end()
        changes.end()
        return changes.rounds

    def rotate_and_check(self):
        """Returns the configuration that goes on, and how many rounds of changes there were."""
        rounds = self.rotate_under_load()
        new = self.config_with("new.key")
        self.wait_until_applied(new)
        self.send_changed(range(rounds))
        ends = self.wait_until_committed()
        self.check_alerts()
        self.check_receipts_have_no_gap(ends)
        self.check_list_of_receipts()
        self.check_directories()
        checkit("list", "verify", "-c", new)
        return new, rounds


class AtLeastOnce(Rotation):
    def test_nothing_is_missed_and_the_next_start_goes_on(self):
        self.check_the_next_start(*self.rotate_and_check())

    def check_the_next_start(self, new, rounds):
        """Of both keys: the one before is refused, the new one goes on."""
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(self.process.start().wait(), 78)
        self.assertIn("configure store.key", self.process.error())
        self.process.config = new
        self.start()
        self.change_round(self.writer_, rounds)
        self.wait_until_applied(new)
        self.send_changed([rounds])
        self.wait_until_committed()
        self.check_alerts()
        self.assertEqual(self.process.stop(), 0)


class ExactlyOnce(Rotation):
    """Whatever the group does: what a rebalance aborts is sent again, and seen once."""

    delivery = "exactly_once"

    @classmethod
    def setUpClass(cls):
        cls.reader_ = CommittedReader()

    def alert_values(self):
        return self.reader_.read(self.topics.alerts)[self.topics.alerts]

    def test_nothing_is_missed_or_told_twice(self):
        self.rotate_and_check()


if __name__ == "__main__":
    harness.main()
