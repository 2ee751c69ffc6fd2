"""The store's key rotated beside screening: `./dev bench rotate --entries N`.

A process screens events at an even rate, and takes changes of the list, while `checkit key rotate`
builds the store again under another key and has the process go over to it. Every event with a
listed document must have its one alert, before, while and after; `latency_bench` sees to that.
"""

import concurrent.futures
import pathlib
import re

import latency
import list_figures
from fixture import BUILD, checkit, say

RATE = 100_000  # events a second
CHANGES_PER_S = 1_000
LOAD_S = 10


def peak_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1024


def load_until(done, load):
    """One load behind the other; the last begins after it."""
    loads = []
    while not done():
        loads.append(load())
    return [*loads, load()]


def rotate_beside(site, config, load, screener):
    """What the command took, what its disk took at most, and the loads meanwhile."""
    command = [BUILD / "checkit", "key", "rotate", "-c", config, "--quiet",
               "--new-store-key", site.folder / "new.key"]
    disk = list_figures.DiskWatch(site.folder)
    with concurrent.futures.ThreadPoolExecutor() as beside, disk:
        rotating = beside.submit(list_figures.run, *command)
        loads = load_until(rotating.done, load)
        took, _ = rotating.result()
    return took | {"disk_mb": round(disk.most / 1e6),
                   "screener_peak_mb": peak_mb(screener.process)}, loads


def measure(site, entries):
    store = site.list(entries)
    store_mb = round(list_figures.bytes_in(store) / 1e6)
    site.create(latency.TOPIC, latency.PARTITIONS)
    config = site.config(latency.TOPIC, store={"path": store.name, "key": site.store_key.name},
                         kafka={"compression.type": "lz4", "linger.ms": 1,
                                "queue.buffering.max.messages": 1_000_000})

    def load():
        return latency.Load(config, entries, RATE, LOAD_S, CHANGES_PER_S)

    with latency.Screener(site, store) as screener:
        load()  # warms up
        before = load()
        before_mb = peak_mb(screener.process)
        say(f"rotate: a list of {entries:,} is put under another key")
        told, loads = rotate_beside(site, config, load, screener)
    checkit("list", "verify", "-c", site.config(
        latency.TOPIC, store={"path": store.name, "key": "new.key"}))
    told |= {"entries": entries, "store_mb": store_mb, "screener_before_mb": before_mb,
             "events_per_s": RATE, "changes_per_s": CHANGES_PER_S, "p99_before_ms": before.ms(0.99),
             "p99_ms": [one.ms(0.99) for one in loads],
             "alerts": sum(len(one.us) for one in loads),
             "verdicts": [one.verdict for one in loads]}
    print(f"rotate: a list of {entries:,} under another key in {told['s']} s ({told['cpu_s']} s "
          f"CPU, {told['peak_mb']} MB), {told['disk_mb']:,} MB of disk at most beside a store of "
          f"{store_mb:,} MB; the screener takes {told['screener_peak_mb']} MB at most, "
          f"{before_mb} before; alerts of {RATE:,} events/s within {max(told['p99_ms'])} ms (p99), "
          f"{told['p99_before_ms']} before; {', '.join(sorted(set(told['verdicts'])))}", flush=True)
    return told
