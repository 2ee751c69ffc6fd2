"""How much of the same work other engines do per processor second: `./dev bench peers`.

  ./dev bench peers                   all that can be built here
  ./dev bench peers rust flink        only these
  ./dev bench peers --events 10000000 --entries 5000000 --runs 5 --workers 1 --profile border

Puts a list and events on a real broker as ./dev bench does, then runs checkit and each peer in
turn, RUNS times, each from the beginning of the topic, and compares every alert with the
generator's truth: one that is missed, or is none, ends the bench. What the peers are, and what they
do not do, stands in benchmarks/peers/README.md.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import figures
import list_figures
from cases import HIT_RATES, Case
from fixture import BUILD, SEED, say

import answers
import inputs

EVENTS = 3_000_000
ENTRIES = 1_000_000
RUNS = 3
OURS = "checkit"
QUEUED_KBYTES = 4096  # as checkit (kafka_settings.c)

JAVA = ["java", "-Xms2g", "-Xmx2g", "-XX:+UseParallelGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--add-opens=java.base/java.lang=ALL-UNNAMED"]

# By name: how it is started; what stands in braces ./dev says where it is.
PEERS = {
    "rust": ["{PEERS_RUST}/peer"],
    "go": ["{PEERS_GO}/peer"],
    "kafka-streams": [*JAVA, "-cp", "{PEERS_JVM}/*", "checkit.peers.StreamsPeer"],
    "kafka-streams-filter": [
        *JAVA, "-cp", "{PEERS_JVM}/*", "checkit.peers.StreamsPeer", "--filter"],
    "flink": [*JAVA, "-cp", "{PEERS_JVM}/*", "checkit.peers.FlinkPeer"],
}


def is_built(name):
    """./dev leaves out what this machine has no tools for, and says so."""
    try:
        return bool([word.format(**os.environ) for word in PEERS[name]])
    except KeyError:
        return False


class Contest:
    """One topic of events; every run reads it whole, and writes alerts to a topic of its own."""

    def __init__(self, site, options):
        self.site, self.options = site, options
        self.case = Case("peers", options.profile, workers=options.workers, entries=options.entries)
        self.topic = self.case.topic
        site.fill(self.case)
        self.answers = answers.Answers(site.broker.bootstrap, site.truth_file(self.topic),
                                       site.folder / "schemas")
        self.inputs = inputs.write(site, options.entries)
        self.runs = 0

    def alerts_topic(self, subject):
        self.runs += 1
        name = f"alerts.{subject}.{self.runs}"
        self.site.create(name, 1)
        return name

    def ours(self):
        topic = self.alerts_topic(OURS)
        told = self.site.screen(self.case, outputs={"alerts": topic})
        self.answers.check(OURS, self.answers.of_checkit(topic))
        return told

    def settings(self, name, topic):
        path = self.site.folder / f"{topic}.properties"
        state = self.site.folder / f"state-{self.runs}"
        state.mkdir()
        told = self.inputs | {
            "bootstrap": self.site.broker.bootstrap, "topic": self.topic, "alerts": topic,
            "group": f"peer-{name}-{self.runs}", "records": self.site.events,
            "partitions": self.case.partitions, "workers": self.options.workers, "state": state,
            "queued_kbytes": QUEUED_KBYTES}
        path.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
        return path

    def peer(self, name):
        topic = self.alerts_topic(name)
        command = [word.format(**os.environ) for word in PEERS[name]]
        took, printed = list_figures.run(*command, self.settings(name, topic))
        told = json.loads(printed)
        if told["records"] != self.site.events or told["unread"] != 0:
            sys.exit(f"bench: {name} did not read every event: {told}")
        self.answers.check(name, self.answers.of_peer(topic))
        late = told["late"]
        return told["measured"] | {
            "peak_mb": took["peak_mb"], "late_ns": late["cpu_seconds"] * 1e9 / late["records"]}

    def run(self, subject):
        return self.ours() if subject == OURS else self.peer(subject)


def row_of(subject, theirs, ours, workers):
    """The ratios compare runs that came one behind the other."""
    row = {"subject": subject, "workers": workers,
           "events_per_s": round(statistics.median(theirs.rates)),
           "cpu_ns_per_event": round(statistics.median(theirs.costs), 1),
           "events_per_cpu_s": round(1e9 / statistics.median(theirs.costs)),
           "peak_mb": theirs.peak_mb,
           "checkit_per_cpu_s": [round(x, 3) for x in figures.ratios(theirs.costs, ours.costs)],
           "checkit_events_per_s": [round(x, 3) for x in figures.ratios(ours.rates, theirs.rates)],
           "runs": [{"events_per_s": round(rate), "cpu_ns_per_event": round(cost, 1)}
                    for rate, cost in zip(theirs.rates, theirs.costs)]}
    late = [run["late_ns"] for run in theirs.runs if "late_ns" in run]
    if late:
        row["late_cpu_ns_per_event"] = round(statistics.median(late), 1)
    return row


def show(rows):
    """A table in Markdown."""
    print("| subject | events/s | ns CPU an event | after a third | events a CPU second | peak MB "
          "| checkit per CPU second | checkit events/s |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        late = row.get("late_cpu_ns_per_event")
        print(f"| {row['subject']} | {row['events_per_s']:,} | {row['cpu_ns_per_event']:,.0f} "
              f"| {'' if late is None else f'{late:,.0f}'} | {row['events_per_cpu_s']:,} "
              f"| {row['peak_mb']:,} | {figures.spread(row['checkit_per_cpu_s'])} "
              f"| {figures.spread(row['checkit_events_per_s'])} |")


def compete(site, options):
    names = options.peers or [name for name in PEERS if is_built(name)]
    contest = Contest(site, options)
    say("a run of checkit that does not count: loads the list, warms the page cache")
    contest.run(OURS)
    runs = {subject: figures.Runs() for subject in [OURS, *names]}
    for number in range(options.runs):
        for subject, of_subject in runs.items():
            say(f"run {number + 1} of {options.runs}: {subject}")
            of_subject.add(contest.run(subject))
    return [row_of(subject, of_subject, runs[OURS], options.workers)
            for subject, of_subject in runs.items()]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--profile", default="airline", choices=HIT_RATES)
    options = parser.parse_args(arguments)
    for name in options.peers:
        if name not in PEERS:
            parser.error(f"no peer '{name}': one of {', '.join(PEERS)}")
    return options


def main(arguments, with_site):
    """with_site(options, work): calls work with what a bench runs on."""
    options = parse(arguments)
    results = figures.Results("peers.json", BUILD / "checkit", entries=options.entries,
                              events=options.events, profile=options.profile, seed=SEED)

    def work(site):
        rows = compete(site, options)
        show(rows)
        results.keep({"subjects": rows}, True)

    with_site(options, work)
