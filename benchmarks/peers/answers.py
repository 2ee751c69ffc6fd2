"""What the generator planted, and what a subject's alerts say it found."""

import csv
import io
import json
import subprocess
import sys

import fastavro

ALERT_SCHEMA = "4.avsc"  # as `checkit schemas` numbers them
PREFIX = 5  # a zero, and the schema's id
SHOWN = 5


class Answers:
    """Hits are pairs of event and entry, each with the place its event stands at."""

    def __init__(self, bootstrap, truth, schemas):
        self.bootstrap = bootstrap
        self.truth = truth
        with open(truth, newline="") as lines:
            self.planted = {(row["event_id"], row["entry_id"]) for row in csv.DictReader(lines)}
        self.alert = fastavro.schema.load_schema(schemas / ALERT_SCHEMA)
        self.places = None  # by event: topic, partition, offset; as the first subject told them

    def read(self, topic):
        """Every value of the topic; by kcat, since kafka-python knows no lz4."""
        told = subprocess.run(["kcat", "-C", "-b", self.bootstrap, "-t", topic, "-o", "beginning",
                               "-e", "-q", "-f", "%S\\n%s"], check=True, capture_output=True)
        stream = io.BytesIO(told.stdout)
        while size := stream.readline():
            yield stream.read(int(size))

    def of_checkit(self, topic):
        for value in self.read(topic):
            alert = fastavro.schemaless_reader(io.BytesIO(value[PREFIX:]), self.alert)
            event = alert["event"]
            yield ((event["event_id"], alert["entry"]["entry_id"]),
                   (event["topic"], event["partition"], event["offset"]))

    def of_peer(self, topic):
        for value in self.read(topic):
            alert = json.loads(value)
            yield ((alert["event_id"], alert["entry_id"]),
                   (alert["topic"], alert["partition"], alert["offset"]))

    def check(self, subject, alerts):
        """Ends the bench unless the hits are those that were planted, each at its place."""
        alerts = list(alerts)
        found = {hit for hit, _ in alerts}
        if found != self.planted:
            missed, false = self.planted - found, found - self.planted
            sys.exit(f"bench: {subject} missed {len(missed)} of {len(self.planted)} hits: "
                     f"{sorted(missed)[:SHOWN]}; {len(false)} are none: {sorted(false)[:SHOWN]}")
        places = {(event, place) for (event, _), place in alerts}
        self.places = self.places or places
        if places != self.places:
            sys.exit(f"bench: {subject} tells other places of events: "
                     f"{sorted(places ^ self.places)[:SHOWN]}")
