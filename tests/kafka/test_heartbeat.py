"""Heartbeats: events of our own through the whole way and back, and what is said when one of its
parts is missing.

Run: KAFKA_JARS=DIR python3 test_heartbeat.py CHECKIT
"""

import harness
from cluster import wait_until
from harness import WAIT_S, GroupCase, checkit, decode, event, read_all

SUCCESS = "checkit_heartbeat_last_success_timestamp_seconds"


class Heartbeat(GroupCase):
    def process_(self, name="p", **settings):
        heartbeat = {"topic": self.topics.heartbeat, "interval_s": 1}
        return self.site_.process(name, heartbeat=heartbeat | settings.pop("heartbeat", {}),
                                  **settings)

    def told(self, process):
        return process.ready()["checks"]["heartbeat"]

    def wait_for(self, process, reason):
        wait_until(lambda: self.told(process).get("reason") == reason, WAIT_S,
                   lambda: f"{reason}: it is {self.told(process)}")

    def wait_for_success(self, process):
        """A beat later than all there were so far."""
        before = process.metrics()[SUCCESS]
        wait_until(lambda: process.metrics()[SUCCESS] > before, WAIT_S,
                   lambda: f"no success: {self.told(process)}")

    def test_silence_is_proven_healthy_by_every_process(self):
        self.start_site()
        process = self.process_().start()
        process.wait_ready()
        self.wait_for(process, "no_test_entry")
        self.assertIn("checkit feed --test-entry -c FILE", self.told(process)["detail"])
        wait_until(lambda: process.ready()["ready"], WAIT_S, "ready without a heartbeat")
        self.assertEqual(process.ready()["status"], "degraded")
        self.assertEqual(process.metrics()[SUCCESS], 0)

        said = checkit("feed", "--test-entry", "-c", process.config)
        self.assertEqual(said, "sent 1 upserts, 0 withdrawals, rejected 0\n")
        self.wait_for_success(process)
        wait_until(lambda: process.ready()["status"] == "ok", WAIT_S, "all is well")

        # Both of one group: whoever reads a beat, its sender sees the alert.
        other = self.process_("q").start()
        other.wait_ready()
        self.wait_for_success(other)
        self.wait_for_success(process)
        self.send(0, 4)
        self.reader(self.topics.alerts).wait_for(4)
        self.assertEqual(other.stop(), 0)
        self.wait_for_success(process)
        self.assertEqual(process.stop(), 0)
        self.check_what_was_written({"p", "q"})
        verified = checkit("receipts", "verify", "-c", process.config)
        self.assertIn(f"ok        {self.topics.heartbeat}/", verified)

    def check_what_was_written(self, instances):
        alerts = [decode("Alert", record.value) for record in read_all(self.topics.alerts_test)]
        self.assertGreaterEqual(len(alerts), 4)
        for alert in alerts:
            self.assertEqual(alert["entry"]["entry_id"], "checkit-test")
            self.assertEqual(alert["tier"], "EXACT")
            self.assertIn("TEST", alert["flags"])
        self.assertEqual({alert["event"]["journey_ref"] for alert in alerts}, instances)
        # A stop may alert what it does not commit, amid a rebalance, or what comes while it stops.
        ends = self.committed(self.topics.heartbeat)
        sent = {(record.partition, record.offset): decode("BookingEvent", record.value)["event_id"]
                for record in read_all(self.topics.heartbeat)}
        committed = {event_id for (partition, offset), event_id in sent.items()
                     if offset < ends.get(partition, 0)}
        alerted = {alert["event"]["event_id"] for alert in alerts}
        self.assertLessEqual(committed, alerted, "each has its alert")
        self.assertLessEqual(alerted, set(sent.values()))
        for record in read_all(self.topics.alerts):
            self.assertNotIn("TEST", decode("Alert", record.value)["flags"])
        proven = sum(receipt["records"] for receipt in self.receipts()
                     if receipt["topic"] == self.topics.heartbeat)
        self.assertGreaterEqual(proven, len(committed), "receipts count them as any record")

    def test_topic_that_is_missing_is_told_and_so_is_an_entry_withdrawn(self):
        self.start_site()
        process = self.process_(heartbeat={"topic": self.topics.prefix + "none"}).start()
        process.wait_ready()
        process.wait_for_log("off until a restart: its topics do not exist")
        self.wait_for(process, "no_topic")
        self.assertIn("checkit config topics -c FILE --create", self.told(process)["detail"])
        checkit("config", "topics", "--create", "--replication", 1, "-c", process.config)
        self.assertEqual(process.stop(), 0)

        process.start().wait_ready()
        checkit("feed", "--test-entry", "-c", process.config)
        self.wait_for_success(process)
        rows = self.folder / "withdrawn.csv"
        rows.write_text("entry_id,op,revision,contributor\ncheckit-test,WITHDRAW,2,checkit\n")
        checkit("feed", "-c", process.config, rows)
        self.wait_for(process, "no_test_entry")
        self.assertEqual(process.stop(), 0)

    def test_without_its_topics_documents_are_screened_all_the_same(self):
        self.start_site()
        process = self.process_(outputs={"alerts_test": self.topics.prefix + "none"}).start()
        process.wait_ready()
        checkit("feed", "--test-entry", "-c", process.config)
        self.wait_for(process, "no_test_topic")
        self.writer_.send(self.topics.bookings, harness.encode(
            "BookingEvent", harness.booking("test", harness.document("CHECKITHEARTBEAT1",
                                                                    issuer="ATA"))), partition=0)
        self.writer_.send(self.topics.bookings, event(1), partition=0)
        self.writer_.flush()
        (alert,) = self.reader(self.topics.alerts).wait_for(1)
        self.assertEqual(decode("Alert", alert.value)["entry"]["entry_id"], "e")
        self.assertEqual(process.stop(), 0)
        self.assertEqual(len(read_all(self.topics.alerts)), 1, "a TEST alert goes nowhere else")

    def test_nothing_is_sent_where_it_is_off(self):
        self.start_site()
        process = self.process_(heartbeat={"interval_s": 0}).start()
        process.wait_ready()
        checkit("feed", "--test-entry", "-c", process.config)
        self.send(0, 4)
        self.reader(self.topics.alerts).wait_for(4)
        self.assertEqual(self.told(process), {"status": "ok", "on": False})
        self.assertEqual(process.metrics()["checkit_heartbeat_age_seconds"], 0)
        self.assertEqual(process.stop(), 0)
        self.assertEqual(read_all(self.topics.heartbeat), [])


if __name__ == "__main__":
    harness.main()
