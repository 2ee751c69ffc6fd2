"""Output that does not get out: nothing is committed that was not delivered, and nothing is lost.

Run: KAFKA_JARS=DIR python3 test_blocked.py CHECKIT
"""

from collections import Counter

import harness
from cluster import wait_until
from harness import WAIT_S, GroupCase


def setUpModule():
    harness.CLUSTER.add_broker()


class Blocked(GroupCase):
    """Alerts lie on a broker of their own, which is killed: records come in, but no alert out.
    (The group's offsets lie on the first broker: they were there before the second.)"""

    def setUp(self):
        self.first, self.second = harness.CLUSTER.brokers
        self.addCleanup(self.release)
        self.start_site(nodes={"": [1], "alerts": [2]})
        self.process = self.new_process("p")
        for worker in (0, 1):
            self.process.wait_for_log("partition assigned", worker=worker)
        self.second.kill()

    def new_process(self, name):
        return self.site_.process(
            name, kafka={"queue.buffering.max.messages": 100},
            inputs=[{"topic": self.topics.bookings, "preset": "booking"}],
        ).start()

    def release(self):
        self.first.thaw()
        if not self.second.is_up():
            self.second.start()
        harness.CLUSTER.wait_ready()

    def check_all_is_there(self):
        alerts = self.alerts()
        self.assertEqual(set(alerts), self.sent())
        self.check_receipts_have_no_gap(self.committed())
        ends = Counter(place[1] for place in self.sent())
        self.assertEqual(self.committed(), dict(ends))

    def test_stopped_undelivered_it_says_so_and_the_next_run_waits_for_delivery(self):
        self.send(0, 20)
        receipts = self.reader(self.topics.receipts)
        receipts.wait_for(1)  # so its alerts have been handed over
        self.first.freeze()
        self.assertEqual(self.process.stop(), 69)
        self.assertIn("stopped without a commit", self.process.error())
        self.first.thaw()
        self.assertEqual(self.committed(), {})

        screened = len(receipts.read())
        self.process.start("--until-end")
        receipts.wait_for(screened + 1)  # read to the end, and the end is not reached
        self.release()
        self.assertEqual(self.process.wait(), 0)
        self.check_all_is_there()

    def test_reading_pauses_and_partitions_move_on_without_a_commit(self):
        self.send(0, 2000)
        self.process.wait_for_log("output is blocked: reading is paused")
        other = self.new_process("q")
        self.process.wait_for_log("partitions revoked")
        other.wait_for_log("partition assigned", offset=0)
        self.assertEqual(self.committed(), {})
        self.release()
        self.process.wait_for_log("reading goes on")
        wait_until(lambda: sum(self.committed().values()) == 2000, WAIT_S, "all is committed")
        for process in (self.process, other):
            self.assertEqual(process.stop(), 0)
        self.check_all_is_there()


if __name__ == "__main__":
    harness.main()
