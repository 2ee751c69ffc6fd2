"""From an event to its alert, at shares of what can be kept up with: `./dev bench latency`.

One screening process runs all the time, as in real life. `latency_bench` sends events at an even
rate, each named by the moment it was due, and reads the alerts as a subscriber would: what lies
between is all of it, the producer's linger, the broker twice, fetching, screening, acknowledging.
Writer, broker and screener share the machine, so the capacity is theirs together: the highest rate
of a staircase that was kept up with.

Another process then screens exactly once, at half of the same capacity. The reader is given what is
committed alone, so an alert waits there for its transaction, `transaction_ms` and what a commit
takes.
"""

import json
import re
import statistics
import sys
import urllib.request

from cluster import end, spawn, wait_until
from fixture import BUILD, SEED, checkit, run, say

TOPIC = "bookings.latency"
PARTITIONS = 4
WORKERS = 2
SHARES = [0.1, 0.5, 0.9]
CHANGES_PER_S = 10_000
CHANGES_SHARE = 0.5
EXACTLY_ONCE_SHARE = 0.5
ALERTS_PER_S = 200
STAIR_S = 6
STAIR = 1.2  # from one step of the staircase to the next
STEPS_MAX = 16
LATE_US = 1_000_000  # an alert later than that, and the rate is not kept up with
BEHIND_MAX = 0.01    # of what is due: more, and it is the writer that cannot
SECONDS = 2          # times --seconds: of each load
READY_S = 120
COUNTED_S = 10
ALL = float("inf")  # the last bound of a histogram
KEPT_UP = "kept up with"
BUCKETS = 8          # a doubling, of the histogram that is kept


class Screener:
    """A process that screens until it is told to stop; fails when it does not stop well. Another
    one goes on where it stopped."""

    def __init__(self, site, store, **more):
        self.log_path = site.folder / "latency.log"
        self.config = site.config(
            TOPIC, group="bench-latency", workers=WORKERS, kafka={"compression.type": "lz4"},
            store={"path": store.name, "key": site.store_key.name}, log={"level": "info"},
            heartbeat={"interval_s": 0}, **more)
        self.log = self.log_path.open("wb")
        self.process = spawn([BUILD / "checkit", "screen", "-c", self.config], stderr=self.log)
        wait_until(self.is_ready, READY_S, "the screener is ready", pause_s=0.2)

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(f"bench: the screener ended:\n{self.log_path.read_text()}")
        return "message=ready" in self.log_path.read_text()

    def address(self):
        """Where it answers over HTTP."""
        return re.search(r"address=(\S+)", self.log_path.read_text()).group(1)

    def transaction_ms(self):
        """How long an alert waits at most for others of its transaction, as configured."""
        shown = checkit("config", "show", "-c", self.config)
        return int(re.search(r"(?m)^transaction_ms: (\d+)$", shown).group(1))

    def told(self):
        """{upper bound in ms: alerts} since its start, as its metrics tell: from a record's
        timestamp to when the alert was acknowledged."""
        with urllib.request.urlopen(f"http://{self.address()}/metrics") as answer:
            metrics = answer.read().decode()
        found = re.findall(r'(?m)^checkit_event_to_alert_seconds_bucket{le="(.*)"} (\d+)$', metrics)
        return {float(bound) * 1000: int(count) for bound, count in found}

    def told_of(self, alerts):
        """The same once it has counted so many: a subscriber may have one a moment before."""
        return wait_until(lambda: (told := self.told())[ALL] == alerts and told, COUNTED_S,
                          f"the screener counts {alerts} alerts, as many as came")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = end(self.process)
        self.log.close()
        if kind is None and code != 0:
            sys.exit(f"bench: the screener ended with {code}:\n{self.log_path.read_text()}")


def quantile(sorted_us, share):
    return sorted_us[min(len(sorted_us) - 1, int(share * len(sorted_us)))]


def below_ms(before, after, share):
    """The bound of its metrics' histogram, a power of two, that so many alerts stay below."""
    alerts = {bound: after[bound] - before[bound] for bound in after}
    return next(bound for bound, count in sorted(alerts.items())
                if count >= share * alerts[ALL])


def histogram(sorted_us):
    """[upper bound, how many] of buckets a little wider each, empty ones left out."""
    counted, bound, at = [], 100.0, 0
    while at < len(sorted_us):
        first = at
        while at < len(sorted_us) and sorted_us[at] <= bound:
            at += 1
        if at > first:
            counted.append([round(bound), at - first])
        bound *= 2 ** (1 / BUCKETS)
    return counted


class Load:
    """Events at a rate for so many seconds, and what came of them. Hits are of entries below
    unchanged; 0: of any."""

    def __init__(self, config, entries, rate, seconds, changes=0, unchanged=0):
        told = json.loads(run(
            BUILD / "latency_bench", "-c", config, "--topic", TOPIC, "--entries", entries,
            "--seed", SEED, "--rate", round(rate), "--seconds", seconds,
            "--alerts", ALERTS_PER_S, "--changes", changes, "--unchanged", unchanged))
        self.rate, self.seconds, self.changes = rate, seconds, changes
        self.told = told
        self.us = told["us"]
        if not self.us:
            sys.exit(f"bench: no alert was timed: {told}")

    @property
    def verdict(self):
        if self.told["behind"] > BEHIND_MAX * self.told["sent"]:
            return "the writer falls behind"
        return KEPT_UP if quantile(self.us, 0.99) < LATE_US else "screening falls behind"

    def ms(self, share):
        return round(quantile(self.us, share) / 1000, 2)

    def figures(self, name, share):
        return {
            "name": name, "delivery": "at_least_once", "share_of_capacity": share,
            "events_per_s": round(self.rate),
            "sent": self.told["sent"], "seconds": self.seconds,
            "changes_per_s": round(self.told["changes"] / self.told["written_s"]),
            "events_behind": self.told["behind"], "alerts": len(self.us),
            "p50_ms": self.ms(0.5), "p90_ms": self.ms(0.9), "p99_ms": self.ms(0.99),
            "p999_ms": self.ms(0.999), "max_ms": round(self.us[-1] / 1000, 2),
            "mean_ms": round(statistics.fmean(self.us) / 1000, 2),
            "histogram_us": histogram(self.us)}


def find_capacity(load):
    """The highest rate that was kept up with, and what stopped the next. It begins with what is
    screened of events written as fast as they can be: less, as the writer then takes what it can
    get of the machine."""
    first = load(0, STAIR_S)
    rate = first.told["sent"] / first.told["screened_s"]
    stairs = []
    kept = None
    while len(stairs) < STEPS_MAX:
        step = load(rate, STAIR_S)
        stairs.append({"events_per_s": round(rate), "verdict": step.verdict,
                       "p99_ms": step.ms(0.99), "events_behind": step.told["behind"]})
        say(f"latency: {rate:,.0f} events/s: {step.verdict}, p99 {step.ms(0.99)} ms")
        is_again = len(stairs) > 1 and stairs[-2]["events_per_s"] == round(rate)
        if step.verdict == KEPT_UP:
            kept, rate = rate, rate * STAIR
        elif not is_again:
            continue  # once more: something else may have taken the machine
        elif kept:
            return kept, step.verdict, stairs
        else:
            rate /= STAIR
    sys.exit(f"bench: no capacity is found: {stairs}")


def tell(told):
    print(f"latency: {told['name']}: {told['events_per_s']:,} events/s, {told['alerts']:,} alerts "
          f"within {told['p50_ms']} ms (p50), {told['p99_ms']} ms (p99), "
          f"{told['max_ms']} ms (max)", flush=True)


def measure_at_least_once(screener, load, capacity):
    """A row a load, what the screener's own metrics tell beside it."""
    wanted = [(f"{share:.0%} of the capacity", share, 0) for share in SHARES]
    wanted.append((f"{CHANGES_SHARE:.0%}, with {CHANGES_PER_S:,} changes of the list a second",
                   CHANGES_SHARE, CHANGES_PER_S))
    rows = []
    for name, share, changes in wanted:
        before = screener.told()
        loaded = load(share * capacity, changes)
        after = screener.told_of(before[ALL] + loaded.told["alerts"])
        rows.append(loaded.figures(name, share) | {
            f"metrics_p{part}_below_ms": below_ms(before, after, part / 100) for part in (50, 99)})
        tell(rows[-1])
    return rows


def measure_exactly_once(screener, load, capacity):
    """One row, without what the metrics tell: they end before the commit."""
    loaded = load(EXACTLY_ONCE_SHARE * capacity)
    row = loaded.figures(f"{EXACTLY_ONCE_SHARE:.0%}, exactly once", EXACTLY_ONCE_SHARE) | {
        "delivery": "exactly_once", "transaction_ms": screener.transaction_ms()}
    tell(row)
    return row


def measure(site, options):
    store = site.list(options.entries)
    site.create(TOPIC, PARTITIONS)
    config = site.config(TOPIC, kafka={"compression.type": "lz4", "linger.ms": 1,
                                       "queue.buffering.max.messages": 1_000_000})
    seconds = max(1, round(SECONDS * options.seconds))

    def step(rate, for_seconds):
        return Load(config, options.entries, rate, for_seconds)

    def load(rate, changes=0):
        return Load(config, options.entries, rate, seconds, changes)

    with Screener(site, store) as screener:
        say(f"latency: the capacity, with a list of {options.entries:,}")
        capacity, limit, stairs = find_capacity(step)
        loads = measure_at_least_once(screener, load, capacity)
    with Screener(site, store, delivery="exactly_once") as screener:
        step(EXACTLY_ONCE_SHARE * capacity, STAIR_S)  # while it joins its group: not counted
        loads.append(measure_exactly_once(screener, load, capacity))
    return {"workers": WORKERS, "partitions": PARTITIONS, "capacity_events_per_s": round(capacity),
            "capacity_limited_by": limit, "stairs": stairs, "loads": loads}
