"""Stopping, lost offsets, and a group with a foreign member.

Run: KAFKA_JARS=DIR python3 test_group.py CHECKIT
"""

from collections import Counter

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

import harness
from cluster import wait_until
from harness import WAIT_S, GroupCase, event, headers_of, read_all

class Stop(GroupCase):
    def setUp(self):
        self.start_site()
        self.process = self.site_.process("p")

    def test_a_stop_delivers_and_commits_what_was_read_and_repeats_nothing(self):
        self.process.start()
        for worker in (0, 1):
            self.process.wait_for_log("partition assigned", worker=worker)
        self.send(0, 2000)
        reader = self.reader(self.topics.alerts)
        reader.wait_for(1)
        self.assertEqual(self.process.stop(), 0)

        committed = self.committed()
        alerts = self.alerts()
        below = {place for place in self.sent() if place[2] < committed.get(place[1], 0)}
        self.assertEqual(set(alerts), below)
        self.check_receipts_have_no_gap(committed)

        self.process.run_until_end()
        alerts = self.alerts()
        self.assertEqual(set(alerts), self.sent())
        self.assertEqual(set(alerts.values()), {1})
        self.check_receipts_have_no_gap({partition: 500 for partition in range(4)})

    def test_a_stop_before_it_is_ready_is_a_stop(self):
        self.process.configure(feed={"topic": self.topics.prefix + "missing"})
        self.process.start()
        self.process.wait_for_log("not reached, trying again", where="feed")
        self.assertEqual(self.process.stop(), 0)
        self.assertEqual(self.committed(), {})


class OffsetsLost(GroupCase):
    """Records deleted below a committed position that were never read."""

    def setUp(self):
        self.start_site(partitions={"bookings": 1})
        self.process = self.site_.process("p")

    def delete_below(self, offset):
        harness.CLUSTER.admin.delete_records({TopicPartition(self.topics.bookings, 0): offset})

    def test_the_gap_is_told_and_screening_goes_on_behind_it(self):
        self.send(0, 10, partitions=1)
        self.process.run_until_end()
        self.send(10, 20, partitions=1)
        self.delete_below(25)
        summary = self.process.run_until_end()

        self.assertEqual(summary["offsets_lost"], 15)
        self.assertEqual(summary["dead_letters"]["offsets_lost"], 1)
        said = self.process.logged("records were deleted before they were read")
        self.assertEqual([(s["topic"], s["partition"], s["offset"], s["low"], s["lost"])
                          for s in said], [(self.topics.bookings, 0, 10, 25, 15)])
        letter, = read_all(self.topics.dead_letters)
        headers = headers_of(letter)
        self.assertEqual((letter.key, letter.value), (None, None))
        self.assertEqual(
            [headers["checkit." + name] for name in ("reason", "topic", "partition", "offset",
                                                     "offsets_lost", "timestamp", "size")],
            ["offsets_lost", self.topics.bookings, "0", "10", "15", "-1", "0"])
        self.assertEqual(sorted(place[2] for place in self.alerts()), [*range(10), *range(25, 30)])
        self.assertEqual(self.committed(), {0: 30})
        self.check_receipts_have_no_gap({0: 30})
        receipts = self.receipts()
        self.assertEqual(sum(r["records"] for r in receipts), 15)
        self.assertEqual(sum(r["dead_letters"] for r in receipts), 1)

    def test_a_group_without_a_commit_has_lost_nothing(self):
        self.send(0, 10, partitions=1)
        self.delete_below(4)
        summary = self.process.run_until_end()
        self.assertEqual((summary["records"], summary["offsets_lost"]), (6, 0))
        self.assertEqual(read_all(self.topics.dead_letters), [])
        self.assertEqual(min(r["from_offset"] for r in self.receipts()), 4)

    def test_a_topic_created_anew_is_read_from_its_beginning(self):
        self.send(0, 10, partitions=1)
        self.process.run_until_end()
        self.recreate(self.topics.bookings)
        self.send(10, 3, partitions=1)
        self.process.run_until_end()
        places = Counter(place[2] for place in self.alerts().elements())
        self.assertEqual(places, Counter([*range(10), *range(3)]))
        self.assertEqual(self.committed(), {0: 3})

    def recreate(self, topic):
        admin = harness.CLUSTER.admin
        admin.delete_topics([topic])
        wait_until(lambda: topic not in admin.list_topics(), WAIT_S, f"{topic} is deleted")
        admin.create_topics({topic: self.topics.specifications[topic]}, wait_for_metadata=True)


class Keeper(CooperativeStickyAssignor):
    """As leader of the group it keeps one partition for itself and gives the rest to the other."""

    kept = rest = None

    def metadata(self, topics):
        told = super().metadata(topics)
        told.user_data = b"keeper"
        return told

    def assign(self, cluster, members):
        def shape(places):
            return [(topic, sorted(p for t, p in places if t == topic))
                    for topic in sorted({t for t, _ in places})]

        others = [m.member_id for m in members if m.metadata.user_data != b"keeper"]
        given = {m.member_id: [] if m.member_id in others else [self.kept] for m in members}
        for other in others:  # one at most
            given[other] = self.rest
        return {member: ConsumerProtocolAssignment(self.version, shape(places), b"")
                for member, places in given.items()}


class UntilEnd(GroupCase):
    def test_it_waits_for_what_another_member_holds(self):
        """Old ends were taken for reached when as many other partitions were held."""
        self.start_site()
        self.send(0, 2, partitions=2)
        kept = TopicPartition(self.topics.bookings, 0)
        keeper = self.keeper(kept)
        wait_until(lambda: keeper.poll(100) is not None and keeper.assignment() == {kept}, WAIT_S,
                   "the keeper has its partition")

        process = self.site_.process("p", workers=1).start("--until-end")
        mine = self.committed_by(process, keeper, 1)
        self.assertEqual(mine, {1: 1})
        self.writer_.send(self.topics.bookings, event(2), partition=1)
        self.writer_.flush()
        self.assertEqual(self.committed_by(process, keeper, 2), {1: 2})  # so it has not ended

        keeper.close(autocommit=False)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(set(self.alerts()), self.sent())

    def keeper(self, kept):
        rest = [(topic, partition) for topic, specification in self.topics.specifications.items()
                if topic in (self.topics.bookings, self.topics.banking)
                for partition in range(specification["num_partitions"])]
        rest.remove(tuple(kept))
        assignor = type("Named", (Keeper,), {"kept": tuple(kept), "rest": rest})
        keeper = KafkaConsumer(
            bootstrap_servers=harness.CLUSTER.bootstrap, group_id=self.topics.prefix + "group",
            enable_auto_commit=False, auto_offset_reset="latest",
            partition_assignment_strategy=[assignor], heartbeat_interval_ms=500,
        )
        self.addCleanup(keeper.close, autocommit=False)
        keeper.subscribe([self.topics.bookings, self.topics.banking])
        return keeper

    def committed_by(self, process, keeper, offset):
        def look():
            self.assertTrue(process.is_up(), "it ended before all ends were reached")
            keeper.poll(100)
            return self.committed().get(1) == offset and self.committed()

        return wait_until(look, WAIT_S, f"offset {offset} is committed")


if __name__ == "__main__":
    harness.main()
