"""From runs to what is told and kept of them: medians with their spread, rows, files of results."""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
RESULTS = TOP / "benchmarks" / "results"


def spread(values):
    return f"{statistics.median(values):,.3g} ({min(values):,.3g} to {max(values):,.3g})"


def add_rounds(rounds):
    """One run out of several times through the topic."""
    return {"records": sum(r["records"] for r in rounds),
            "seconds": sum(r["seconds"] for r in rounds),
            "cpu_seconds": sum(r["cpu_seconds"] for r in rounds),
            "peak_mb": max(r["peak_mb"] for r in rounds), "rounds": len(rounds)}


class Runs:
    """The runs of one subject."""

    def __init__(self):
        self.runs = []

    def add(self, run):
        self.runs.append(run)

    @property
    def rates(self):
        return [run["records"] / run["seconds"] for run in self.runs]

    @property
    def costs(self):
        """ns of processor time an event."""
        return [run["cpu_seconds"] * 1e9 / run["records"] for run in self.runs]

    @property
    def peak_mb(self):
        return max(run["peak_mb"] for run in self.runs)

    def rows(self):
        return [{"events_per_s": round(rate), "cpu_ns_per_event": round(cost, 1),
                 "peak_mb": run["peak_mb"], "seconds": round(run["seconds"], 2),
                 "events": run["records"], "rounds": run["rounds"]}
                for run, rate, cost in zip(self.runs, self.rates, self.costs)]


def ratios(ours, theirs):
    """Pair by pair: what else the machine does changes both of a pair."""
    return [a / b for a, b in zip(ours, theirs)]


def median_ratios(ours, theirs, name):
    return {f"throughput_ratio_to_{name}": round(
                statistics.median(ratios(ours.rates, theirs.rates)), 3),
            f"cpu_ratio_to_{name}": round(
                statistics.median(ratios(ours.costs, theirs.costs)), 3)}


def rows_of(case, events, bare, ours, once=None):
    """A row a subject, as latest.json has them. once: the runs at least once that runs exactly once
    are also compared with."""
    about = {"case": case.name, "workers": case.workers, "entries": case.entries,
             "compression": case.compression, "profile": case.profile, "form": case.form,
             "delivery": case.delivery, "tls": case.tls, "partitions": case.partitions,
             "topic_events": events}
    rows = []
    for subject, runs in (("bare", bare), ("checkit", ours)):
        rows.append({
            "case": about["case"], "subject": subject, "workers": case.workers,
            "events_per_s": round(statistics.median(runs.rates)),
            "cpu_ns_per_event": round(statistics.median(runs.costs), 1),
            "peak_mb": runs.peak_mb,
            **median_ratios(runs, bare, "bare"), **about, "runs": runs.rows()})
    if once:
        rows[-1] |= median_ratios(ours, once, "at_least_once")
    return rows


def tell_ratios(ours, theirs, name):
    print(f"  ratio to {name}: throughput {spread(ratios(ours.rates, theirs.rates))}, "
          f"CPU {spread(ratios(ours.costs, theirs.costs))}", flush=True)


def tell(case, bare, ours, once=None):
    print(f"{case.name}: {spread(ours.rates)} events/s, {spread(ours.costs)} ns CPU an event, "
          f"{ours.peak_mb} MB peak")
    print(f"  bare: {spread(bare.rates)} events/s, {spread(bare.costs)} ns, {bare.peak_mb} MB")
    tell_ratios(ours, bare, "bare")
    if once:
        print(f"  at least once: {spread(once.rates)} events/s, {spread(once.costs)} ns")
        tell_ratios(ours, once, "at least once")


# --- files of results ---------------------------------------------------------------------------


def machine():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {"cpu": model, "cores": os.cpu_count(), "memory_mb": memory,
            "kernel": platform.release()}


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        return f"{command[0]}: not there"
    return (done.stdout.splitlines() or ["?"])[0]


def versions(checkit):
    said = subprocess.run([checkit, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    kafka = [re.sub(r"kafka_[\d.]+-(.*)\.jar", r"kafka \1", path.name)
             for path in pathlib.Path(os.environ["KAFKA_JARS"]).glob("kafka_2.13-*.jar")]
    return [*said.stdout.splitlines(), *kafka, first_line("java", "-version"),
            first_line("cc", "--version")]


def git(*arguments):
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(TOP), *arguments],
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def commit():
    """Of the sources as they are: results of an earlier run do not count as a change."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".",
                  ":!benchmarks/results")
    return git("rev-parse", "HEAD") + (" with changes" if changed else "")


class Results:
    """One file of one run: written anew whenever there is more to keep, whole or not at all."""

    def __init__(self, name, checkit, **about):
        self.path = RESULTS / name
        self.about = {
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": " ".join(["./dev bench", *sys.argv[1:]]),
            "machine": machine(), "versions": versions(checkit), "commit": commit(),
        } | about

    def keep(self, figures, is_complete):
        part = self.path.with_suffix(".part")
        kept = self.about | {"is_complete": is_complete} | figures
        part.write_text(json.dumps(kept, indent=1) + "\n")
        part.replace(self.path)
        if is_complete:
            print(f"bench: written: {self.path.relative_to(TOP)}", file=sys.stderr, flush=True)


class Progress:
    """How far it is, and about how long it will take."""

    def __init__(self, pairs, expected_pair_s):
        self.pairs = pairs
        self.expected_s = expected_pair_s
        self.done = 0
        self.took_s = 0.0

    def __call__(self, what):
        pair_s = self.took_s / self.done if self.done else self.expected_s
        left_s = pair_s * (self.pairs - self.done)
        left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
        print(f"bench: {what} [{self.done} of {self.pairs} pairs are done, about {left} left]",
              file=sys.stderr, flush=True)

    def add(self, seconds):
        self.done += 1
        self.took_s += seconds
