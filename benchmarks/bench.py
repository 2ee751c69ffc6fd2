"""What the benches share: a broker with a generated list and generated events on it, the runs of
checkit and of the bare consumer over them, and how figures are made and kept."""

import csv
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build"
SEED = 20261124
PARTITIONS = 4


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))}: exit {done.returncode}")
    return done.stdout


def checkit(*arguments):
    return run(BUILD / "checkit", *arguments)


class Bench:
    """A broker, the list on its feed topic, and a topic of events a profile and compression."""

    def __init__(self, broker, folder, events, entries):
        self.broker = broker
        self.folder = folder
        self.events = events
        self.entries = entries
        self.groups = 0
        checkit("schemas", folder / "schemas")
        checkit("key", "new", "--store-key", folder / "store.key", "--identity-key",
                folder / "identity.key")
        config = self.config("bookings", 1, "lz4")
        say(f"a list of {entries:,} to the feed")
        checkit("generate", "list", "-c", config, "--entries", entries, "--seed", SEED)

    def config(self, topic, workers, compression, store="store", **outputs):
        self.groups += 1
        path = self.folder / f"checkit-{self.groups}.yaml"
        path.write_text(json.dumps({  # JSON is YAML
            "kafka": {"bootstrap.servers": self.broker.bootstrap, "compression.type": compression},
            "group": f"bench-{self.groups}",
            "workers": workers,
            "inputs": [{"topic": topic, "preset": "booking"}],
            "outputs": outputs,
            "store": {"path": store, "key": "store.key"},
            "identity_key": "identity.key",
            "schemas": {"folder": "schemas"},
            "log": {"level": "warn"},
        }))
        return path

    def topic(self, profile, compression):
        """The topic of these events, made once, and the file of its truth."""
        name = f"bookings.{profile}.{compression}"
        truth = self.folder / f"{name}.csv"
        if not truth.exists():
            say(f"{self.events:,} events to {name}")
            self.broker.admin.create_topics(
                {name: {"num_partitions": PARTITIONS, "replication_factor": 1}},
                wait_for_metadata=True)
            checkit("generate", "bookings", "-c", self.config(name, 1, compression),
                    "--topic", name, "--events", self.events, "--entries", self.entries,
                    "--profile", profile, "--seed", SEED, "--truth", truth)
        return name, truth

    def bare(self, topic, workers):
        figures = json.loads(run(BUILD / "bare",
                                 self.config(topic, workers, "none"), workers))
        return figures["measured"] | {"peak_mb": figures["peak_memory_mb"]}

    def screen(self, topic, workers, truth, **outputs):
        config = self.config(topic, workers, "lz4", **outputs)
        summary = json.loads(checkit("screen", "-c", config, "--until-end"))
        found = sum(count for tier in summary["hits"].values() for count in tier.values())
        with open(truth, newline="") as lines:
            planted = sum(1 for _ in csv.DictReader(lines))
        if summary["records"] != self.events or found != planted:
            sys.exit(f"bench: screened {summary['records']:,} of {self.events:,} events, "
                     f"found {found} of {planted} planted hits: {summary}")
        return summary["measured"] | {"peak_mb": summary["peak_memory_mb"]}


def figures_of(runs):
    rates = [run["records"] / run["seconds"] for run in runs]
    costs = [run["cpu_seconds"] * 1e9 / run["records"] for run in runs]
    return rates, costs, max(run["peak_mb"] for run in runs)


def spread(values):
    return f"{statistics.median(values):,.3g} ({min(values):,.3g} to {max(values):,.3g})"


def machine():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


def keep(options, figures, name):
    results = TOP / "benchmarks" / "results" / name
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps({
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": "./dev bench " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "versions": checkit("--version").split("\n")[:-1],
        "commit": run("git", "-C", TOP, "rev-parse", "HEAD").strip(),
        "entries": options.entries} | figures, indent=1) + "\n")
    say(f"written: {results.relative_to(TOP)}")
