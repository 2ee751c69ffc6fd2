"""What a running process says of itself over HTTP: lag up to the last stable offset and over
transaction markers, and readiness while the output is blocked.

Run: KAFKA_JARS=DIR python3 test_watch.py CHECKIT
"""

import harness
from cluster import wait_until
from harness import WAIT_S, GroupCase, event

INPUT = 'checkit_lag_records{{topic="{topic}",partition="{partition}"}}'


def setUpModule():
    harness.CLUSTER.add_broker()


class Watch(GroupCase):
    def setUp(self):
        self.first, self.second = harness.CLUSTER.brokers
        self.addCleanup(self.release)
        self.start_site(nodes={"": [1], "alerts": [2]})
        self.process = self.site_.process(
            "p", kafka={"queue.buffering.max.messages": 100, "statistics.interval.ms": 500},
            inputs=[{"topic": self.topics.bookings, "preset": "booking"}],
        ).start()
        self.process.wait_ready()
        self.wait_for_lag([0, 0, 0, 0])

    def release(self):
        if not self.second.is_up():
            self.second.start()
        harness.CLUSTER.wait_ready()

    def lags(self):
        samples = self.process.metrics()
        return [samples.get(INPUT.format(topic=self.topics.bookings, partition=partition))
                for partition in range(4)]

    def wait_for_lag(self, lags):
        wait_until(lambda: self.lags() == lags, WAIT_S, lambda: f"lag {lags}, it is {self.lags()}")

    def wait_for_readiness(self, ready, check=None, reason=None):
        def is_so():
            self.answer = self.process.ready()
            told = self.answer["checks"][check].get("reason") if check else None
            return self.answer["ready"] == ready and told == reason

        wait_until(is_so, WAIT_S, lambda: f"ready {ready}, {reason}: it is {self.answer}")

    def test_lag_ends_where_an_open_transaction_begins_and_passes_markers(self):
        writer = self.writer(transactional_id=f"{self.topics.prefix}open")
        writer.producer.init_transactions()
        for partition in (0, 1):  # aborted: only the marker is to be passed
            writer.producer.begin_transaction()
            writer.send(self.topics.bookings, event(partition), partition=partition)
            writer.flush()
            writer.producer.abort_transaction()
        self.send(10, 4)
        wait_until(lambda: self.process.metrics()["checkit_records_total"] == 4, WAIT_S,
                   "what is no transaction's is screened")
        self.wait_for_lag([0, 0, 0, 0])

        writer.producer.begin_transaction()
        writer.send(self.topics.bookings, event(20), partition=2)
        writer.flush()
        self.send(30, 4)  # the one on partition 2 lies behind the open transaction
        wait_until(lambda: self.process.metrics()["checkit_records_total"] == 7, WAIT_S,
                   "what lies behind an open transaction waits")
        self.wait_for_lag([0, 0, 0, 0])
        writer.producer.commit_transaction()
        wait_until(lambda: self.process.metrics()["checkit_records_total"] == 9, WAIT_S,
                   "all is screened")
        self.wait_for_lag([0, 0, 0, 0])

    def test_blocked_output_is_not_ready_and_its_lag_grows_until_it_goes_on(self):
        self.wait_for_readiness(True)
        self.second.kill()
        self.send(0, 2000)
        self.wait_for_readiness(False, "workers", "output_blocked")
        paused = [name for name, value in self.process.metrics().items()
                  if name.startswith("checkit_worker_paused") and value == 1]
        self.assertTrue(paused)
        self.assertTrue(all('reason="output_blocked"' in name for name in paused), paused)
        before = sum(self.lags())
        self.send(2000, 400)  # while reading is paused
        wait_until(lambda: sum(self.lags()) >= before + 400, WAIT_S,
                   lambda: f"400 more than {before} behind, {self.lags()}")
        self.release()
        self.wait_for_readiness(True)
        self.wait_for_lag([0, 0, 0, 0])
        self.reader(self.topics.alerts).wait_for(2400)
        self.assertEqual(self.process.stop(), 0)


if __name__ == "__main__":
    harness.main()
