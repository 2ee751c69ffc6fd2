"""What a list of so many entries costs to import, to open and to look into: `./dev bench list`."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BASELINE = 5_000_000  # a look-up that misses is compared with one at this size
DISK_BYTES_AN_ENTRY = 420  # while it is built
WATCH_S = 1
EVENTS = 10_000_000  # that go through the steps, for what a look-up costs there
RUNS = 3


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def files_open_in(folder):
    """Of all processes, by their links below /proc: files that have no name any more show there."""
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith(f"{folder}/"):
                yield link
        except OSError:
            pass  # closed meanwhile, or another user's


def bytes_in(folder):
    """On disk, each file once however many names it has, and those without a name too."""
    found = {}
    for item in [*folder.rglob("*"), *files_open_in(folder.resolve())]:
        try:
            info = item.stat()
            found[info.st_dev, info.st_ino] = info.st_blocks * 512
        except OSError:
            pass
    return sum(found.values())


class DiskWatch:
    """The most that a folder grew on disk while something ran."""

    def __init__(self, folder):
        self.folder, self.most = folder, 0
        self.before = bytes_in(folder)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.wait(WATCH_S):
            self.most = max(self.most, bytes_in(self.folder) - self.before)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def run(*command):
    """Seconds, processor seconds and peak memory of a child, and what it printed."""
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {command[0]}: exit {process.returncode}")
    return {"s": round(time.monotonic() - began, 1),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_mb": usage.ru_maxrss // 1024}, printed


def generate(checkit, entries, seed, path):
    """Packed as it comes: a list of 128 million is 13 GB of text."""
    with path.open("wb") as out:
        made = subprocess.Popen([checkit, "generate", "list", "--entries", str(entries), "--seed",
                                 str(seed), "--quiet", "--out", "-"], stdout=subprocess.PIPE)
        packed = subprocess.run(["zstd", "-1", "-q", "-c"], stdin=made.stdout, stdout=out)
        made.stdout.close()
    if made.wait() != 0 or packed.returncode != 0:
        sys.exit("bench: the list could not be made")


def measure(build, entries, seed, folder):
    checkit = build / "checkit"
    key, store, rows = folder / "store.key", folder / "store", folder / "list.csv.zst"
    run(checkit, "key", "new", "--store-key", key)
    say(f"a list of {entries:,} made up")
    generate(checkit, entries, seed, rows)
    say("imported")
    with DiskWatch(folder) as disk:
        took, _ = run(checkit, "list", "import", "--store", store, "--store-key", key, rows)
    rows_bytes = rows.stat().st_size
    rows.unlink()
    figures = {"entries": entries, "import_s": took["s"], "import_cpu_s": took["cpu_s"],
               "entries_per_s": round(entries / took["s"]), "import_peak_mb": took["peak_mb"],
               "list_mb": round(rows_bytes / 1e6), "store_mb": round(bytes_in(store) / 1e6),
               "import_disk_mb": round(disk.most / 1e6)}
    say("bookings, of which none has a listed document, go through the steps")
    figures |= steps_of(build, entries, store, key, seed)
    say("a process that changes it is killed; opened, looked into, its filter made anew")
    _, printed = run(build / "store_bench", store, key)
    return figures | json.loads(printed)


def steps_of(build, entries, store, key, seed):
    """What a document costs in the match step, and an event in all: medians."""
    command = [build / "line_bench", EVENTS, entries, store, key, seed]
    told = [json.loads(run(*command)[1]) for _ in range(RUNS)]
    return {"match_ns_a_document": statistics.median(one["ns_a_document"]["match"] for one in told),
            "steps_ns_an_event": statistics.median(one["ns_an_event"]["all"] for one in told)}


def show(figures):
    print(f"list of {figures['entries']:,}: imported in {figures['import_s']} s, "
          f"{figures['entries_per_s']:,} entries/s, {figures['import_cpu_s']} s CPU, "
          f"{figures['import_peak_mb']} MB peak; {figures['store_mb']:,} MB on disk, at most "
          f"{figures['import_disk_mb']:,} MB while it was built")
    print(f"  open after kill -9: {figures['open_s']} s; resident {figures['looked_resident_mb']} "
          f"MB, {figures['rebuild_peak_mb']} MB while its filter was made anew "
          f"({figures['rebuild_s']} s)")
    print(f"  a probe that misses: {figures['probe_missing_ns']} ns, "
          f"{figures['false_passes']:.5f} pass falsely; past the filter "
          f"{figures['find_missing_ns']} ns")
    print(f"  a document in the match step: {figures['match_ns_a_document']} ns; an event in all "
          f"steps: {figures['steps_ns_an_event']} ns", flush=True)


def main(build, entries, seed):
    rows = []
    for size in sorted({min(BASELINE, entries), entries}):
        with tempfile.TemporaryDirectory(prefix="checkit-bench-",
                                         dir=os.environ.get("CHECKIT_BENCH_DIR")) as folder:
            rows.append(measure(build, size, seed, pathlib.Path(folder)))
        show(rows[-1])
    first, last = rows[0], rows[-1]
    probe = [row["probe_missing_ns"] + row["false_passes"] * row["find_missing_ns"]
             for row in (first, last)]
    match = [row["match_ns_a_document"] for row in (first, last)]
    print(f"a look-up that misses at {last['entries']:,} costs {match[1]:.1f} ns, "
          f"{match[1] / match[0]:.2f} times what it costs at {first['entries']:,}: fingerprint, "
          f"filter, gates and what passes falsely (the filter and that alone: {probe[1]:.1f} ns, "
          f"{probe[1] / probe[0]:.2f} times)")
    return {"sizes": rows, "miss_ns": [round(value, 1) for value in match],
            "filter_miss_ns": [round(value, 1) for value in probe]}
