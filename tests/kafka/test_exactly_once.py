"""Delivery exactly once: whoever reads committed messages alone sees each sighting, each dead
letter and each receipt once, whatever ends or stops a process and wherever it does.

The reader is Kafka's own (ReadCommitted.java). Every event is a hit, so every offset of the input
must have one alert.

Run: KAFKA_JARS=DIR python3 test_exactly_once.py CHECKIT
"""

import signal
from collections import Counter

import harness
from cluster import freeze, wait_until
from harness import WAIT_S, CommittedReader, GroupCase, checkit, decode

READER = None  # set by setUpModule
LETTER_BYTES = 2000  # what the topic of the dead letters takes
KAFKA = {
    "session.timeout.ms": 2000,
    "transaction.timeout.ms": 4000,  # others wait so long for what a dead process left open
}
POINTS = ["worker_after_receipts", "worker_before_commit", "transaction_has_offsets",
          "worker_after_commit", "worker_before_abort", "worker_after_abort"]


def setUpModule():
    global READER
    READER = CommittedReader()


class ExactlyOnce(GroupCase):
    def setUp(self):
        self.start_site(configs={"dead-letters": {"max.message.bytes": str(LETTER_BYTES)}})
        self.broken = 0
        self.inputs = self.reader(self.topics.bookings, self.topics.banking)

    def process(self, name, **settings):
        settings = {"delivery": "exactly_once", "transaction_ms": 50, "kafka": KAFKA} | settings
        return self.site_.process(name, **settings)

    def send_broken(self):
        """A record that cannot be read, too large for a dead letter: the broker refuses that, and
        with it the transaction."""
        self.writer_.send(self.topics.banking, b"\xff" * 3 * LETTER_BYTES, partition=0)
        self.writer_.flush()
        self.broken += 1

    # --- what is seen ---

    def screened(self):
        """Whether the group has committed all that was sent."""
        committed = {(p.topic, p.partition): offset
                     for p, offset in self.site_.committed().items()}
        ends = self.inputs.ends()
        return all(committed.get((p.topic, p.partition), 0) == end for p, end in ends.items())

    def wait_screened(self):
        wait_until(self.screened, WAIT_S, "everything is screened and committed", pause_s=0.2)

    def wait_screened_or_ended(self, process):
        wait_until(lambda: not process.is_up() or self.screened(), WAIT_S,
                   "it ends, or everything is screened", pause_s=0.2)

    def check(self):
        """Everything sent has been screened: what is seen of it?"""
        topics = self.topics
        seen = READER.read(topics.alerts, topics.receipts, topics.dead_letters)
        alerts = [decode("Alert", value) for value in seen[topics.alerts]]
        places = Counter((a["event"]["topic"], a["event"]["partition"], a["event"]["offset"])
                         for a in alerts)
        self.assertEqual(set(places), self.sent(), "not every event has its alert")
        self.assertEqual([p for p, count in places.items() if count > 1], [], "seen twice")
        self.assertEqual(len({a["sighting_id"] for a in alerts}), len(alerts))
        self.assertEqual(seen[topics.dead_letters], [None] * self.broken)
        self.check_receipts(seen[topics.receipts])
        checkit("receipts", "verify", "-c", self.site_.processes[0].config)

    def check_receipts(self, values):
        """They follow each other without gap or overlap, from the beginning to the end."""
        receipts = [decode("Receipt", value) for value in values]
        ends = self.inputs.ends()
        for partition, end in ends.items():
            stretches = sorted(
                (r["from_offset"], r["to_offset"]) for r in receipts
                if (r["topic"], r["partition"]) == (partition.topic, partition.partition))
            edges = [0, *(to for _, to in stretches)]
            self.assertEqual([begin for begin, _ in stretches], edges[:-1], partition)
            self.assertEqual(edges[-1], end, partition)

    # --- killed ---

    def test_a_kill_anywhere_doubles_and_loses_nothing(self):
        process = self.process("p")
        events = 0
        for point in POINTS:
            self.send(events, 40)
            events += 40
            if point.endswith("abort"):
                self.send_broken()
            process.start(kill_point=point)
            self.assertEqual(process.wait(), -signal.SIGKILL, point)
        summary = process.run_until_end()
        self.assertGreater(summary["transactions"]["committed"], 0)
        self.check()
        self.assertGreater(sum(self.alerts().values()), events,
                           "no kill left an alert that only others see: what was tried?")

    def test_positions_of_a_process_killed_in_a_commit_are_waited_for(self):
        """They may yet be committed: until the broker has ended that transaction nobody knows."""
        # One worker each: half of six partitions, so there are bookings among them.
        first = self.process("a", workers=1)
        # Long enough that the other has the partitions before: then it has to wait.
        second = self.process("b", workers=1, kafka=KAFKA | {"transaction.timeout.ms": 10000})
        first.start().wait_ready()
        second.start(kill_point="transaction_has_offsets:5")
        events = 0
        while second.is_up():
            self.send(events, 4)
            events += 4
            self.wait_screened_or_ended(second)
        self.assertEqual(second.wait(), -signal.SIGKILL)
        self.send(events, 40)
        self.wait_screened()
        first.wait_for_log("waiting for offsets of new partitions")
        self.check()

    # --- partitions move ---

    def test_partitions_that_move_double_and_lose_nothing(self):
        first, second = self.process("a"), self.process("b")
        first.start().wait_ready()
        self.send(0, 200)
        second.start()
        self.send(200, 200)
        second.wait_for_log("partition assigned")
        self.send(400, 200)
        self.assertEqual(second.stop(), 0)
        self.send(600, 200)
        second.start()
        self.send(800, 200)
        second.wait_for_log("partition assigned")
        self.wait_screened()
        self.check()
        self.assertEqual((first.stop(), second.stop()), (0, 0))

    def test_a_process_that_was_away_doubles_nothing(self):
        """Stopped in a transaction until others have its partitions; then it goes on."""
        away = self.process("away", transaction_ms=5000, commit_interval_ms=10000)
        other = self.process("other")
        away.start().wait_ready()
        away.wait_for_log("partition assigned", count=6)
        self.send(0, 40)
        self.reader(self.topics.alerts).wait_for(40)
        freeze(away.process)
        other.start()
        other.wait_for_log("partition assigned", count=6)
        self.send(40, 40)
        self.wait_screened()
        away.process.send_signal(signal.SIGCONT)
        away.wait_for_log("partitions lost")
        self.send(80, 40)
        self.wait_screened()
        self.check()

    # --- two with one id ---

    def test_a_process_with_the_id_of_another_ends_it(self):
        # Whose transaction was open for long may have lost the id to time, and takes it back.
        kafka = KAFKA | {"transaction.timeout.ms": 60000}
        first = self.process("p", workers=1, kafka=kafka)
        second = self.process("q", workers=1, instance="p", kafka=kafka)
        first.start().wait_ready()
        self.send(0, 40)
        self.wait_screened()
        second.start()
        second.wait_for_log("partition assigned")
        events = 40  # one worker each, so there are bookings among the partitions of the first
        while first.is_up():
            self.send(events, 4)
            events += 4
            self.wait_screened_or_ended(first)
        self.assertEqual(first.wait(), 69)
        transactional_id = f"{self.topics.prefix}group-p-0"
        self.assertIn(f"transactional id '{transactional_id}' is another process's now: give each "
                      "an `instance` of its own", first.error())
        self.wait_screened()
        self.check()


if __name__ == "__main__":
    harness.main()
