"""What an event costs from 1 to 64 partitions and 1 to 4 workers: `./dev bench scaling`."""

import statistics
import time

import figures
from cases import Case

PARTITIONS = [1, 4, 16, 64]
WORKERS = [1, 2, 4]
SHARE = 1 / 3  # of the run's events in each topic: all of them are there at once


def cases(entries):
    """A worker has at least a partition; those of one topic stand together."""
    return [Case(f"scaling-{partitions}-{workers}", partitions=partitions, workers=workers,
                 share=SHARE, entries=entries)
            for partitions in PARTITIONS for workers in WORKERS if workers <= partitions]


def measure(site, options, go_through, results):
    """All cases once, then all of them again: what changes on the machine meanwhile changes all."""
    told = {case: (figures.Runs(), figures.Runs()) for case in cases(options.entries)}
    pair_s = 2 * options.seconds + 8
    progress = figures.Progress(len(told) * options.runs, pair_s)
    for case in told:
        site.fill(case)
    site.screen(next(iter(told)))  # reads the list into memory
    for number in range(options.runs):
        for case, (bare, ours) in told.items():
            progress(f"{case.name}: pair {number + 1} of {options.runs}")
            began = time.monotonic()
            bare.add(go_through(lambda: site.bare(case), options.seconds))
            ours.add(go_through(lambda: site.screen(case), options.seconds))
            progress.add(time.monotonic() - began)
        rows = [row for case, both in told.items()
                for row in figures.rows_of(case, site.events_of(case), *both)]
        results.keep({"rows": rows}, number + 1 == options.runs)
    for case, (bare, ours) in told.items():
        print(f"{case.partitions} partitions, {case.workers} workers: "
              f"{figures.spread(ours.costs)} ns CPU an event, bare "
              f"{statistics.median(bare.costs):.0f}", flush=True)
