"""Changes of the list applied beside screening at half load: `./dev bench live --entries N`.

A list is imported, then a process that screens with it is stopped, and a backlog of changes put on
the feed: seven in ten are entries the list does not have, three in ten give an entry that it has
another number. Started again, the process screens events at half of what it can keep up with, while
it applies the backlog.
"""

import subprocess
import sys
import threading
import time
import urllib.request

import latency
from cluster import wait_until
from fixture import BUILD, FEED, SEED, checkit, say

BACKLOG = 2_000_000
UPDATES_IN_TEN = 3
SHARE = 0.5  # of the capacity
REVISION = "9"  # above any that is generated
LOAD_S = 30
MORE_LOADS = 10
LOOK_S = 0.5
COUNTED = (0.1, 0.9)  # of the backlog: neither the start nor the end


def generate(entries):
    return subprocess.Popen(
        [BUILD / "checkit", "generate", "list", "--entries", str(entries), "--seed", str(SEED),
         "--quiet", "--out", "-"], stdout=subprocess.PIPE, text=True)


def import_list(site, entries):
    """The store of the first so many rows of a list; and the backlog, made of the rows behind
    them, so that no number stands twice. Corrections are of the list's second half."""
    corrected = BACKLOG * UPDATES_IN_TEN // 10
    step = entries // 2 // corrected
    store = site.folder / "store-live"
    rows = site.folder / "live.csv.zst"
    ids, rest = [], []
    say(f"a list of {entries:,} is made up and imported")
    with generate(entries + BACKLOG) as made, rows.open("wb") as out:
        with subprocess.Popen(["zstd", "-1", "-q", "-c"], stdin=subprocess.PIPE, stdout=out,
                              text=True) as packed:
            header = next(made.stdout)
            packed.stdin.write(header)
            for number, row in enumerate(made.stdout):
                if number >= entries:
                    rest.append(row)
                    continue
                packed.stdin.write(row)
                if number >= entries // 2 and number % step == 0 and len(ids) < corrected:
                    ids.append(row.partition(",")[0])
            packed.stdin.close()
    checkit("list", "import", "--store", store, "--store-key", site.store_key, rows)
    rows.unlink()
    return store, [header, *backlog_of(ids, rest)]


def backlog_of(ids, rest):
    """Evenly mixed: an entry of the list gets the number of every so many-th row."""
    ids = iter(ids)
    for number, row in enumerate(rest):
        if number % 10 < UPDATES_IN_TEN:
            fields = row.split(",", 3)
            row = ",".join([next(ids), fields[1], REVISION, fields[3]])
        yield row


class Watch(threading.Thread):
    """How many changes were applied by when, until all of the backlog are."""

    def __init__(self, screener):
        super().__init__(daemon=True)
        self.address = screener.address()
        self.seen = []  # (time, changes)

    def applied(self):
        with urllib.request.urlopen(f"http://{self.address}/metrics") as answer:
            lines = answer.read().decode().split("\n")
        name = 'checkit_changes_total{outcome="applied"} '
        return next(int(line[len(name):]) for line in lines if line.startswith(name))

    def run(self):
        while not self.seen or self.seen[-1][1] < BACKLOG:
            self.seen.append((time.monotonic(), self.applied()))
            time.sleep(LOOK_S)

    def rate(self):
        low, high = (share * BACKLOG for share in COUNTED)
        counted = [at for at in self.seen if low <= at[1] <= high]
        (began, first), (ended, last) = counted[0], counted[-1]
        return (last - first) / (ended - began), ended - began


def measure(site, entries):
    if entries < BACKLOG:
        sys.exit(f"bench: live needs --entries {BACKLOG} or more")
    store, backlog = import_list(site, entries)
    site.create(latency.TOPIC, latency.PARTITIONS)
    config = site.config(latency.TOPIC, kafka={"compression.type": "lz4", "linger.ms": 1,
                                               "queue.buffering.max.messages": 1_000_000})

    def load(rate, seconds):
        return latency.Load(config, entries + BACKLOG, rate, seconds, unchanged=entries // 2)

    with latency.Screener(site, store):
        say(f"live: the capacity, with a list of {entries:,}")
        capacity, _, _ = latency.find_capacity(load)
    path = site.folder / "backlog.csv"
    path.write_text("".join(backlog))
    say(f"{BACKLOG:,} changes to the feed")
    checkit("feed", "-c", config, path)
    path.unlink()
    loads = []
    feed = {"topic": FEED, "wait_s": 1}  # then it screens, though the feed's end is far
    with latency.Screener(site, store, feed=feed) as screener:
        watch = Watch(screener)
        watch.start()
        for _ in range(MORE_LOADS):
            loads.append(load(SHARE * capacity, LOAD_S))
            if not watch.is_alive():
                break
        wait_until(lambda: not watch.is_alive(), LOAD_S, "the backlog is applied")
    rate, seconds = watch.rate()
    print(f"live: {rate:,.0f} changes/s applied to a list of {entries:,} for {seconds:.0f} s, "
          f"{UPDATES_IN_TEN} in ten of them corrections, beside {SHARE * capacity:,.0f} events/s "
          f"({SHARE:.0%} of the capacity), alerts within {max(one.ms(0.99) for one in loads)} ms "
          f"(p99); {', '.join(sorted({one.verdict for one in loads}))}", flush=True)
    return {"changes_per_s": round(rate), "seconds": round(seconds, 1), "backlog": BACKLOG,
            "events_per_s": round(SHARE * capacity), "capacity_events_per_s": round(capacity),
            "p99_ms": [one.ms(0.99) for one in loads],
            "verdicts": [one.verdict for one in loads],
            "applied": [[round(at - watch.seen[0][0], 1), count] for at, count in watch.seen]}
