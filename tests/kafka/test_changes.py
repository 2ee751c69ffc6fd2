"""The list changes while events flow, and processes of the group are killed, stopped and started:
every listed document is found, none that is not, and the receipts prove it without a gap.

The oracle. A receipt says which list its records were screened against at least: its list offsets,
by partition of the feed the changes applied before. What was sent after the receipt had been read
here cannot have been applied before. Between the two, an entry stood as one of a few states:

    must hit       all of them match the document
    must not hit   none of them does
    either         else

A process may be killed between its receipt and an alert of the same interval; nothing is committed
then, and another screens the same again. So the last receipt for a record counts. An alert says the
same of the list it was made from. Besides, what every process had applied before
an event was produced (a barrier) is told from outside, and holds whatever alerts say.

Run: KAFKA_JARS=DIR python3 test_changes.py CHECKIT
"""

import sys
import time
from collections import Counter, defaultdict, namedtuple

import harness
from cluster import wait_until
from harness import (
    Case, booking, checkit, decode, document, encode, headers_of, read_all, seeded, upsert,
    withdraw,
)

KINDS = {  # how many entries there are of each
    "steady": 10,  # listed before all events, and never changed
    "hot": 10,  # changed all the time, but always listed under the same number
    "moving": 40,  # changed in every way
    "leaving": 20,  # withdrawn for good, two a round
    "coming": 20,  # listed for good, two a round
}
UNLISTED = 10
EVENTS_PER_STEP = 12
CHANGES_PER_STEP = 4
STEPS_MIN = 6  # of each round, however fast the disturbance is over
PATIENCE_S = 90
POINTS = ["worker_after_receipts", "worker_before_commit", "store_before_write",
          "store_after_write", "store_after_settle"]

# Where an entry stands after a change: number and type are None when it is withdrawn.
State = namedtuple("State", "revision number type")
# seen: how many receipts had been read when it was sent.
Change = namedtuple("Change", "state partition offset seen")
Receipt = namedtuple("Receipt", "index topic partition first end told")
Event = namedtuple("Event", "documents barrier")  # barrier: how many there were before it
NEVER = State(-1, None, None)


def numbers_of(i):
    return f"KX{100000 + i}", f"NV{100000 + i}"


class List:
    """The entries, what was sent of each, and where the feed ends for what was sent."""

    def __init__(self, topic, writer, random):
        self.topic = topic
        self.writer = writer
        self.random = random
        self.history = defaultdict(list)  # entry id: its changes in their order
        self.ends = {}  # partition of the feed: after the last change sent
        self.entry_of = {}  # number: entry id
        self.ids = {kind: [f"{kind}-{i}" for i in range(count)] for kind, count in KINDS.items()}
        for i, entry_id in enumerate(sum(self.ids.values(), [])):
            for number in numbers_of(i):
                self.entry_of[number] = entry_id

    def numbers(self, entry_id):
        return [number for number, owner in self.entry_of.items() if owner == entry_id]

    def now(self, entry_id):
        history = self.history[entry_id]
        return history[-1].state if history else NEVER

    def next_state(self, entry_id):
        state = self.now(entry_id)
        first, second = self.numbers(entry_id)
        revision = state.revision + 1
        other_type = "ID_CARD" if state.type == "PASSPORT" else "PASSPORT"
        if entry_id.startswith("leaving") and state is not NEVER:
            return State(revision, None, None)
        if not entry_id.startswith("moving") or state is NEVER:
            return State(revision, first, other_type)
        number = second if state.number == first else first
        return self.random.choice([
            State(revision, number, "PASSPORT"), State(revision, state.number or first, other_type),
            State(revision, None, None), State(state.revision, number, other_type),
            State(state.revision - 1, number, "PASSPORT"),  # too low: changes nothing
        ])

    def send(self, entry_ids, seen):
        """Sends one change of each, and waits until the broker has them."""
        states = [self.next_state(entry_id) for entry_id in entry_ids]
        for entry_id, state in zip(entry_ids, states):
            value = (upsert(entry_id, state.number, state.revision, type=state.type)
                     if state.number else withdraw(entry_id, state.revision))
            self.writer.change(self.topic, value)
        for entry_id, state, sent in zip(entry_ids, states, self.writer.flush()):
            if state.revision < self.now(entry_id).revision:
                state = self.now(entry_id)
            self.history[entry_id].append(Change(state, sent.partition, sent.offset, seen))
            self.ends[sent.partition] = sent.offset + 1

    def possible(self, entry_id, told, seen_max):
        """The states it may have stood in: from what `told` had applied on, without what was sent
        when more than seen_max receipts had been read."""
        states = [NEVER]
        for change in self.history[entry_id]:
            if change.seen > seen_max:
                break
            if change.offset < told.get(change.partition, 0):
                states = []
            states.append(change.state)
        return states

    def matches(self, state, number):
        return state.number == number


class Observer:
    """Reads receipts as they come."""

    def __init__(self, reader):
        self.reader = reader
        self.receipts = []
        self.newest = {}  # (topic, partition) screened: its newest receipt

    def look(self):
        self.reader.poll(timeout_ms=0)
        for record in self.reader.records[len(self.receipts):]:
            value = decode("Receipt", record.value)
            receipt = Receipt(
                len(self.receipts), value["topic"], value["partition"], value["from_offset"],
                value["to_offset"],
                {o["partition"]: o["next_offset"] for o in value["list_offsets"]})
            assert (record.partition, record.offset) == (0, receipt.index)
            self.receipts.append(receipt)
            self.newest[receipt.topic, receipt.partition] = receipt
        return len(self.receipts)


class Fleet:
    """The processes, restarted when they die."""

    def __init__(self, case, site, random):
        self.case = case
        self.random = random
        # Alerts linger longer than an interval lasts: a commit that does not wait for them shows.
        kafka = {"session.timeout.ms": 3000, "linger.ms": 300}
        self.processes = [site.process(name, kafka=kafka) for name in "abc"]
        self.up = self.processes[:2]
        for process in self.up:
            process.start()
        self.died = Counter()

    def look(self, expected=()):
        """Restarts who was killed; who ended otherwise is a failure."""
        for process in self.up:
            if process.is_up():
                continue
            code = process.process.returncode
            self.case.assertEqual(code, -9, f"{process.name}: {process.error()}")
            self.died[process.kill_point or "kill"] += 1
            process.start()

    def pick(self):
        return self.random.choice(self.up)


class Changes(Case):
    def setUp(self):
        self.random = seeded("test_changes")
        self.site_ = self.site(partitions={"bookings": 8})
        self.topics = self.site_.topics
        self.writer_ = self.writer()
        self.list = List(self.topics.document_changes, self.writer_, self.random)
        self.events = {}  # (topic, partition, offset): Event, or None for what cannot be read
        self.barriers = []  # told offsets every process had applied
        self.snapshots = []
        self.observer = Observer(self.reader(self.topics.receipts))
        ids = self.list.ids
        self.list.send(ids["steady"] + ids["hot"] + ids["leaving"] + ids["moving"][::2], 0)
        self.fleet = Fleet(self, self.site_, self.random)

    # --- driving -----------------------------------------------------------------------------

    def make_event(self, i):
        listed = self.random.choices(list(self.list.entry_of), k=self.random.randint(1, 3))
        unlisted = [f"PW{200000 + self.random.randrange(UNLISTED)}"]
        numbers = listed + (unlisted if self.random.random() < 0.3 else [])
        documents = [document(number) for number in numbers]
        if self.random.random() < 0.05:
            documents.append(document("TBA"))
        return booking(f"event-{i}", *documents), numbers

    def send_events(self, count):
        sent = []
        for _ in range(count):
            value, numbers = self.make_event(len(self.events) + len(sent))
            if self.random.random() < 0.02:
                self.writer_.send(self.topics.bookings, b"not ours")
                sent.append(None)
                continue
            self.writer_.send(self.topics.bookings, encode("BookingEvent", value))
            placeholders = sum(d["number"] == "TBA" for d in value["travellers"][0]["documents"])
            sent.append((numbers, placeholders))
        for event, place in zip(sent, self.writer_.flush()):
            self.events[place.topic, place.partition, place.offset] = (
                event and Event(event, len(self.barriers)))

    def step(self, changes=CHANGES_PER_STEP):
        """One go: some events and changes, whatever receipts came, who died is started again."""
        self.send_events(EVENTS_PER_STEP)
        seen = self.observer.look()
        if changes:
            moving = self.random.sample(self.list.ids["moving"], changes)
            self.list.send(moving + self.random.sample(self.list.ids["hot"], 2), seen)
        self.fleet.look()
        if self.random.random() < 0.1:
            self.snapshot()

    def steps_until(self, condition, what, changes=CHANGES_PER_STEP):
        steps = 0

        def go():
            nonlocal steps
            self.step(changes)
            steps += 1
            return steps >= STEPS_MIN and condition()

        wait_until(go, PATIENCE_S, what)

    def barrier(self):
        """Until every partition was screened against all that was sent, by whoever holds it now;
        who starts later reads the feed to its end first."""
        ends = dict(self.list.ends)
        began = self.observer.look()
        partitions = {place[:2] for place in self.events}

        def reached():
            newest = self.observer.newest
            return all(place in newest and newest[place].index >= began
                       and all(newest[place].told.get(p, 0) >= end for p, end in ends.items())
                       for place in partitions)

        self.steps_until(reached, "all is applied everywhere", changes=0)
        self.barriers.append(ends)

    def snapshot(self):
        """What was committed; and then, thus no earlier, how far the outputs went."""
        committed = self.site_.committed()
        outputs = self.reader(self.topics.alerts, self.topics.receipts, self.topics.dead_letters)
        ends = {(p.topic, p.partition): end for p, end in outputs.ends().items()}
        outputs.close()
        self.snapshots.append(({tuple(p): offset for p, offset in committed.items()}, ends))

    # --- disturbances ------------------------------------------------------------------------

    def kill(self):
        process = self.fleet.pick()
        for _ in range(self.random.randrange(4)):
            self.step()
        process.kill()
        self.snapshot()
        self.settle_in(process)

    def kill_at(self, point):
        """Starts it anew, to die as it comes by."""
        process = self.fleet.pick()
        self.assertEqual(process.stop(), 0)
        died = self.fleet.died[f"{point}"]
        process.start(kill_point=f"{point}:{self.random.randint(1, 4)}")
        self.steps_until(lambda: self.fleet.died[point] > died, f"{process.name} dies at {point}")
        self.snapshot()
        self.settle_in(process)

    def stop(self):
        process = self.fleet.pick()
        process.terminate()
        self.fleet.up.remove(process)
        self.steps_until(lambda: not process.is_up(), f"{process.name} stops")
        self.assertEqual(process.wait(), 0, process.error())
        self.fleet.up.append(process.start())
        self.settle_in(process)

    def grow(self):
        """A third one comes and goes: partitions move twice."""
        process = self.fleet.processes[2].start()
        self.fleet.up.append(process)
        self.settle_in(process)
        self.fleet.up.remove(process)
        self.assertEqual(process.stop(), 0, process.error())

    def settle_in(self, process):
        def assigned():
            return process.logged("partition assigned", where="worker")

        self.steps_until(assigned, f"{process.name} has partitions")

    # --- the test ----------------------------------------------------------------------------

    def test_all_that_is_listed_is_found_and_nothing_else(self):
        disturbances = [lambda point=point: self.kill_at(point) for point in POINTS]
        disturbances += [self.kill, self.kill, self.stop, self.grow]
        self.random.shuffle(disturbances)
        self.barrier()
        ids = self.list.ids
        for i, disturb in enumerate(disturbances):
            self.list.send(ids["leaving"][2 * i: 2 * i + 2] + ids["coming"][2 * i: 2 * i + 2],
                           self.observer.look())
            disturb()
            self.barrier()
        self.drain()

        self.last = {(receipt.topic, receipt.partition, offset): receipt
                     for receipt in self.receipts
                     for offset in range(receipt.first, receipt.end)}
        self.alerts = self.read_alerts()
        self.letters = self.read_letters()
        self.check_ids()
        self.check_alerts()
        self.check_receipts()
        self.check_hits()
        self.check_snapshots()

    def drain(self):
        ends = Counter(place[:2] for place in self.events)

        def drained():
            self.observer.look()
            self.fleet.look()
            committed = {tuple(p): offset for p, offset in self.site_.committed().items()}
            return all(committed.get(place, 0) == end for place, end in ends.items())

        wait_until(drained, PATIENCE_S, "all is screened and committed", pause_s=0.2)
        for process in self.fleet.up:
            self.assertEqual(process.stop(), 0, process.error())
        self.snapshot()
        self.observer.reader.read()
        self.observer.look()
        self.receipts = self.observer.receipts

    def read_alerts(self):
        """{(topic, partition, offset): [(alert, its place in the output)]}."""
        alerts = defaultdict(list)
        for record in read_all(self.topics.alerts):
            alert = decode("Alert", record.value)
            event = alert["event"]
            place = (event["topic"], event["partition"], event["offset"])
            self.assertIn(place, self.events)
            alerts[place].append((alert, (record.topic, record.partition, record.offset)))
        return alerts

    def read_letters(self):
        letters = defaultdict(list)
        for record in read_all(self.topics.dead_letters):
            headers = headers_of(record)
            self.assertEqual(headers["checkit.reason"], "wire_invalid")
            place = (headers["checkit.topic"], int(headers["checkit.partition"]),
                     int(headers["checkit.offset"]))
            letters[place].append((record.topic, record.partition, record.offset))
        return letters

    def check_ids(self):
        """One sighting has one id however often it is told, and no other has it; alerts merge."""
        by_sighting = {}
        by_alert = {}
        for place, alerts in self.alerts.items():
            for alert, _ in alerts:
                sighting = (place, alert["document"]["canonical_number"],
                            alert["entry"]["entry_id"])
                self.assertEqual(by_sighting.setdefault(alert["sighting_id"], sighting), sighting)
                merged = (alert["event"]["partner_id"], alert["event"]["journey_ref"],
                          alert["entry"]["entry_id"], alert["entry"]["revision"], alert["class"])
                self.assertEqual(by_alert.setdefault(alert["alert_id"], merged), merged)
        self.assertEqual(len(set(by_sighting.values())), len(by_sighting))
        self.assertEqual(len(set(by_alert.values())), len(by_alert))

    def check_alerts(self):
        """Every alert tells of a state its entry was in, not older than the list it names, and not
        older than what was applied everywhere before the event."""
        for place, alerts in self.alerts.items():
            for alert, _ in alerts:
                entry_id = alert["entry"]["entry_id"]
                number = alert["document"]["canonical_number"]
                told = {o["partition"]: o["next_offset"] for o in alert["list"]["offsets"]}
                self.assertFalse(alert["list"]["stale"])
                self.assertIn(number, self.events[place].documents[0])
                self.check_alert(alert, entry_id, number, told)
                self.check_alert(alert, entry_id, number, self.applied_before(place))

    def applied_before(self, place):
        barrier = self.events[place].barrier
        return self.barriers[barrier - 1] if barrier else {}

    def check_alert(self, alert, entry_id, number, told):
        found = [state for state in self.list.possible(entry_id, told, len(self.receipts))
                 if state.revision == alert["entry"]["revision"] and state.number == number
                 and alert["tier"] == ("EXACT" if state.type == "PASSPORT" else "TYPE_DIFFERS")]
        self.assertTrue(found, (alert, self.list.history[entry_id], told))

    def check_receipts(self):
        """From the first record to the committed end without a gap; each counts what is there."""
        ends = Counter(place[:2] for place in self.events)
        reached = Counter()
        values = [decode("Receipt", record.value) for record in read_all(self.topics.receipts)]
        self.assertEqual(len(values), len(self.receipts))
        for receipt, value in zip(self.receipts, values):
            place = (value["topic"], value["partition"])
            first, end = value["from_offset"], value["to_offset"]
            self.assertLessEqual(first, reached[place], value)
            self.assertLess(first, end, value)
            reached[place] = max(reached[place], end)
            events = [self.events[*place, offset] for offset in range(first, end)]
            read = [event.documents for event in events if event]
            self.assertEqual(value["records"], len(events))
            self.assertEqual(value["dead_letters"], len(events) - len(read))
            self.assertEqual(value["documents"], sum(len(n) + p for n, p in read))
            placeholders = sum(p for _, p in read)
            self.assertEqual(value["unscreenable"].get("number_placeholder", 0), placeholders)
            places = [(*place, offset) for offset in range(first, end)]
            if all(self.last[each].index == receipt.index for each in places):
                self.assertLessEqual(sum(value["hits"].values()),
                                     sum(len(self.alerts[each]) for each in places))
        self.assertEqual(reached, ends)

    def verdict(self, place, number):
        """True: must be alerted; False: must not; None: either."""
        entry_id = self.list.entry_of[number]
        last = self.last[place]
        if all(state.number == number
               for state in self.list.possible(entry_id, last.told, last.index)):
            return True
        before = self.list.possible(entry_id, self.applied_before(place), len(self.receipts))
        return False if all(state.number != number for state in before) else None

    def explain(self, place, number, must):
        entry_id = self.list.entry_of[number]
        lines = [f"{place} names {number} of {entry_id}, which must{'' if must else ' not'} hit",
                 f"applied everywhere before: {self.applied_before(place)}"]
        lines += [f"receipt {r.index} [{r.first}, {r.end}) list {r.told}: "
                  f"{self.list.possible(entry_id, r.told, r.index)}" for r in self.receipts
                  if (r.topic, r.partition) == place[:2] and r.first <= place[2] < r.end]
        lines += map(str, self.list.history[entry_id])
        lines += [f"alert of {a['entry']} list {a['list']['offsets']}"
                  for a, _ in self.alerts[place]]
        return "\n".join(lines)

    def check_hits(self):
        """What must be found is, what must not is not, and most of it is one or the other."""
        count = Counter()
        self.musts = []
        for place, event in self.events.items():
            if not event:
                self.assertIn(place, self.letters)
                continue
            found = {alert["document"]["canonical_number"] for alert, _ in self.alerts[place]}
            self.assertFalse({n for n in found if n not in self.list.entry_of})
            for number in set(event.documents[0]) & set(self.list.entry_of):
                must = self.verdict(place, number)
                count[self.list.entry_of[number].split("-")[0], must] += 1
                if must is not None and must != (number in found):
                    self.fail(self.explain(place, number, must))
                if must:
                    self.musts.append((place, number))
        print(f"events {len(self.events)}, receipts {len(self.receipts)}, "
              f"died {dict(self.fleet.died)},"
              f" verdicts {dict(count)}", file=sys.stderr)
        for kind in ("steady", "hot", "coming", "moving"):
            self.assertGreater(count[kind, True], 100, kind)
        for kind in ("leaving", "moving"):
            self.assertGreater(count[kind, False], 20, kind)

    def check_snapshots(self):
        """Nothing was committed before its alerts, dead letters and receipts were there."""
        self.assertGreater(len(self.snapshots), len(POINTS))
        for committed, ends in self.snapshots:
            def is_below(place):
                return place[2] < committed.get(place[:2], 0)

            def is_out(output):
                return output[2] < ends[output[:2]]

            for place, number in self.musts:
                if is_below(place):
                    self.assertTrue(any(
                        is_out(output) for alert, output in self.alerts[place]
                        if alert["document"]["canonical_number"] == number), (place, number))
            for place, event in self.events.items():
                if event is None and is_below(place):
                    self.assertTrue(any(is_out(output) for output in self.letters[place]), place)
            written = self.receipts[: ends[self.topics.receipts, 0]]
            for place, offset in committed.items():
                reached = max([r.end for r in written if (r.topic, r.partition) == place],
                              default=0)
                self.assertLessEqual(offset, reached, place)


if __name__ == "__main__":
    harness.main()
