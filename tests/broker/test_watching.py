"""A real `checkit screen` on an embedded broker, watched over HTTP as an operator watches it.

Run: python3 test_watching.py CHECKIT MOCK_BROKER, the paths of the two programs. Needs fastavro,
kcat and promtool.
"""

import http.client
import io
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import fastavro

CHECKIT = ""
MOCK_BROKER = ""
PROMTOOL = os.environ.get("PROMTOOL", "promtool")
KCAT = os.environ.get("KCAT", "kcat")
TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 40  # only a failing test waits so long
LISTED = "KX4731902"  # made up, all of them; never to be seen in metrics, health or log
ALSO_LISTED = "KX4731903"
UNLISTED = "ZQ8842617"
CONFIG = """\
kafka:
  bootstrap.servers: {servers}
  session.timeout.ms: 6000  # so long the embedded broker waits for who joins second
  heartbeat.interval.ms: 200
  statistics.interval.ms: 200
  reconnect.backoff.max.ms: 200
instance: one
workers: 2
commit_interval_ms: 100
inputs:
  - {{topic: bookings, preset: booking}}
  - {{topic: banking, preset: banking}}
store: {{path: store, key: store.key}}
identity_key: identity.key
schemas: {{folder: schemas}}
heartbeat: {{interval_s: 0}}
http: {{listen: '127.0.0.1:{port}'}}
"""
SCHEMAS = {name: json.loads((TOP / "schemas" / f"{name}.avsc").read_text("utf-8"))
           for name in ("BookingEvent", "DocumentChange")}
IDS = {"BookingEvent": 1, "DocumentChange": 3}
UNKNOWN_ID = 77


def wait_until(condition, what):
    """The first true value of condition()."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.05)


def encode(contract, value, schema_id=None):
    out = io.BytesIO()
    out.write(b"\0" + (schema_id or IDS[contract]).to_bytes(4, "big"))
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMAS[contract]), value)
    return out.getvalue()


def booking(number, schema_id=None):
    document = {"number": number, "number_source": "CHIP", "type": "PASSPORT", "issuer": "NLD"}
    return encode("BookingEvent", {
        "event_id": "e", "event_time": 1_700_000_000_000, "partner_id": "p", "sector": "AIR",
        "stage": "BOOK", "journey_ref": "j",
        "travellers": [{"traveller_ref": "1", "documents": [document]}]}, schema_id)


def change(entry_id, number):
    return encode("DocumentChange", {
        "entry_id": entry_id, "op": "UPSERT", "revision": 1, "number": number, "issuer": "NLD",
        "type": "PASSPORT", "loss": "STOLEN", "contributor": "c",
        "effective_at": 1_700_000_000_000})


class Broker:
    """The embedded broker as a process, behind a door (a port of ours) that is shut at first."""

    def __init__(self):
        self.process = subprocess.Popen([MOCK_BROKER], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        self.door = socket.socket()
        self.door.bind(("127.0.0.1", 0))
        self.door_address = f"127.0.0.1:{self.door.getsockname()[1]}"
        self.sockets = []

    def add_topic(self, name, partitions):
        self.process.stdin.write(f"topic {name} {partitions}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            raise AssertionError(f"topic {name}: {answer}")

    def open_door(self):
        """From now on who comes is passed on to the broker, which then names its own address."""
        self.door.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            host, port = self.address.split(":")
            server = socket.create_connection((host, int(port)))
            self.sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=pair, daemon=True).start()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def produce(self, topic, partition, key, value):
        with tempfile.NamedTemporaryFile() as file:
            file.write(value)
            file.flush()
            subprocess.run(
                [KCAT, "-P", "-b", self.address, "-t", topic, "-p", str(partition), "-k", key,
                 file.name], check=True, timeout=PATIENCE_S)

    def close(self):
        self.door.close()
        for one in self.sockets:
            one.close()
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


class Screener:
    def __init__(self, folder, servers, port=0):
        self.config = folder / "checkit.yaml"
        self.config.write_text(CONFIG.format(servers=servers, port=port))
        for command in (["key", "new", "-c", self.config], ["schemas", folder / "schemas"]):
            subprocess.run([CHECKIT, *map(str, command)], check=True, capture_output=True)
        self.log = open(folder / "log", "w+b")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.told = []
        threading.Thread(target=self.read_manager, daemon=True).start()
        environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "400000"}
        self.process = subprocess.Popen([CHECKIT, "screen", "-c", str(self.config)],
                                        stderr=self.log, env=os.environ | environment)
        address = wait_until(self.find_address, "the log tells the address")
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)

    def read_manager(self):
        """What the service manager is told, as lines; few messages wait unread."""
        while said := self.manager.recv(4096):
            self.told += said.decode().split("\n")

    def wait_told(self, begin):
        wait_until(lambda: any(line.startswith(begin) for line in self.told),
                   lambda: (begin, self.told))

    def read_log(self):
        return pathlib.Path(self.log.name).read_text("utf-8")

    def find_address(self):
        if self.process.poll() is not None:
            raise AssertionError(self.read_log())
        found = re.search(r"/livez.* address=(\S+)", self.read_log())
        return found and found[1]

    def stats(self, *arguments):
        url = f"http://127.0.0.1:{self.port}"
        return subprocess.run([CHECKIT, "stats", "--url", url, *arguments], capture_output=True,
                              text=True, timeout=PATIENCE_S)

    def get(self, path):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8")
        connection.close()
        return answer.status, body

    def ready(self):
        code, body = self.get("/readyz")
        answer = json.loads(body)
        if answer["ready"] != (code == 200):
            raise AssertionError(f"{code}: {body}")
        return answer

    def reason(self, check):
        return self.ready()["checks"][check].get("reason")

    def metrics(self):
        """The whole text, and its samples by name and labels."""
        code, text = self.get("/metrics")
        if code != 200:
            raise AssertionError(text)
        samples = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return text, samples

    def sample(self, name):
        return self.metrics()[1].get(name)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        self.manager.shutdown(socket.SHUT_RD)  # ends its reader
        self.manager.close()


def lint(text):
    """What promtool has to say; nothing, when all is well."""
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=PATIENCE_S)
    return done.returncode, done.stdout + done.stderr


def names_in(text):
    """Metrics that an expression or a dashboard speaks of; recorded ones (a:b) are not of ours."""
    return set(re.findall(r"(?<![\w:])(?:checkit|process)_[a-z0-9_]+(?![\w:])", text))


def expressions_of(node):
    """Every PromQL expression in a dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions_of(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions_of(item)


class Watching(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        for topic, partitions in (("bookings", 3), ("banking", 1), ("alerts", 1), ("receipts", 1),
                                  ("dead-letters", 1), ("document-changes", 2)):
            self.broker.add_topic(topic, partitions)
        self.broker.produce("document-changes", 0, "one", change("one", LISTED))
        self.broker.produce("document-changes", 1, "two", change("differs", LISTED))

    def start(self, servers):
        screener = Screener(self.folder, servers)
        self.addCleanup(screener.close)
        return screener

    def test_from_unreachable_to_ready_and_through_its_troubles(self):
        screener = self.start(self.broker.door_address)
        self.check_before_the_feed_is_reached(screener)
        self.broker.open_door()
        answer = wait_until(lambda: (one := screener.ready())["status"] == "ok" and one,
                            lambda: (screener.ready(), screener.read_log()))
        self.assertTrue(answer["ready"], answer)
        self.assertEqual(answer["checks"]["list"]["entries"], 1)
        screener.wait_told("READY=1")
        screener.wait_told("STATUS=ready")
        screener.told.clear()
        screener.wait_told("WATCHDOG=1")
        self.check_after_screening(screener)
        self.check_a_held_partition(screener)
        self.check_a_taken_port(screener)
        self.check_a_configuration_read_again(screener)
        self.check_rules_read_again(screener)
        self.check_configuration_looked_at_meanwhile(screener)
        self.check_what_stands_on_the_metrics(screener)
        self.check_stats_watched(screener)
        screener.process.send_signal(signal.SIGTERM)
        self.assertEqual(screener.process.wait(PATIENCE_S), 0, screener.read_log())
        screener.wait_told("STOPPING=1")
        self.assertNotIn("READY=1", screener.told)
        for number in (LISTED, ALSO_LISTED, UNLISTED):
            self.assertNotIn(number, screener.read_log())
        done = screener.stats()
        self.assertEqual(done.returncode, 69)
        self.assertRegex(done.stderr, r"\Acheckit: stats: http://127.0.0.1:\d+/readyz: .+\n\Z")

    def check_before_the_feed_is_reached(self, screener):
        code, body = screener.get("/livez")
        self.assertEqual((code, json.loads(body)["live"]), (200, True), body)
        answer = screener.ready()
        self.assertFalse(answer["ready"])
        screener.wait_told("STATUS=feed_unreachable: topic document-changes ")
        self.assertNotIn("READY=1", screener.told)
        self.assertEqual(answer["instance"], "one")
        self.assertEqual(answer["checks"]["list"]["reason"], "feed_unreachable")
        self.assertIn("document-changes", answer["checks"]["list"]["detail"])
        self.assertEqual(answer["checks"]["workers"]["reason"], "workers_waiting")
        text, samples = screener.metrics()
        self.assertEqual(lint(text), (0, ""))
        self.assertEqual(samples["checkit_ready"], 0)
        self.assertEqual(samples["checkit_feed_connected"], 0)
        self.assertNotIn("checkit_list_age_seconds", samples)
        done = screener.stats()
        self.assertEqual(done.returncode, 75)
        self.assertIn("  not ready\n  list        failed  feed_unreachable: topic ", done.stdout)
        self.assertIn("stats: not ready: feed_unreachable: topic document-changes", done.stderr)

    def check_after_screening(self, screener):
        self.broker.produce("bookings", 0, "k", booking(LISTED))
        self.broker.produce("bookings", 2, "k", booking(UNLISTED))
        self.broker.produce("bookings", 2, "k", b"\x01no Avro")
        wait_until(lambda: screener.sample("checkit_records_total") == 3, "three records screened")
        wait_until(lambda: screener.sample("checkit_event_to_alert_seconds_count") == 1,
                   "the alert delivered")
        wait_until(lambda: screener.sample('checkit_lag_records{topic="bookings",partition="2"}')
                   == 0, "no lag")
        self.broker.produce("document-changes", 1, "three", change("three", ALSO_LISTED))
        wait_until(lambda: screener.sample("checkit_change_to_effect_seconds_count") == 1,
                   "a change applied")
        wait_until(lambda: screener.sample('checkit_feed_lag_records{partition="1"}') == 0,
                   "no lag of the feed")
        wait_until(lambda: all(screener.sample(f'checkit_kafka_in_group{{worker="{i}"}}') == 1
                               for i in (0, 1)), "librdkafka's figures")
        _, samples = screener.metrics()
        expected = {
            "checkit_ready": 1,
            "checkit_documents_total": 2,
            'checkit_hits_total{tier="EXACT",class="PAGE"}': 1,
            'checkit_hits_total{tier="EXACT",class="REVIEW"}': 0,
            'checkit_dead_letters_total{reason="wire_invalid"}': 1,
            'checkit_unscreenable_total{reason="number_missing"}': 0,
            "checkit_partitions": 4,
            "checkit_partitions_held": 0,
            "checkit_workers": 2,
            'checkit_list_entries{state="live"}': 2,
            'checkit_feed_position{partition="0"}': 1,
            'checkit_feed_position{partition="1"}': 2,
            'checkit_changes_total{outcome="applied"}': 2,
            'checkit_changes_total{outcome="skipped"}': 1,
            'checkit_event_to_alert_seconds_bucket{le="+Inf"}': 1,
            "checkit_filter_keys": 4,  # a point and a number each
            'checkit_worker_paused{worker="1",reason="output_blocked"}': 0,
        }
        self.assertEqual({name: samples.get(name) for name in expected}, expected)
        self.check_stats(screener)
        broker = f'broker="{self.broker.address}/1"'
        self.assertEqual(
            samples[f'checkit_kafka_broker_up{{worker="0",client="consumer",{broker}}}'], 1)
        for name in ("checkit_commits_total", "checkit_rebalances_total",
                     "checkit_filter_probes_total", "process_cpu_seconds_total",
                     "process_resident_memory_bytes", "process_open_fds",
                     'checkit_step_seconds_total{step="match"}',
                     'checkit_kafka_received_bytes_total{worker="0",client="consumer"}'):
            self.assertGreater(samples[name], 0, name)
        self.assertLess(abs(samples["process_start_time_seconds"] - time.time()), 2 * PATIENCE_S)

    def check_stats(self, screener):
        def told():
            """None while a check is not well: the broker may pause for a moment."""
            done = screener.stats("--json")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            answer = json.loads(done.stdout)
            self.assertEqual(set(answer["checks"]), set(screener.ready()["checks"]))
            return answer if all(check["status"] == "ok" for check in answer["checks"].values()) \
                else None

        answer = wait_until(told, lambda: (screener.ready(), screener.read_log()))
        self.assertEqual((answer["ready"], answer["instance"]), (True, "one"))
        expected = {"records": 3, "documents": 2, "records_per_s": 0, "lag_records": 0}
        self.assertEqual({name: answer[name] for name in expected}, expected)
        self.assertEqual(answer["hits"]["EXACT"], {"PAGE": 1, "REVIEW": 0})
        self.assertEqual(answer["dead_letters"]["wire_invalid"], 1)
        self.assertEqual(answer["unscreenable"]["number_missing"], 0)
        self.assertEqual((answer["list"]["entries"], answer["list"]["feed_lag_records"]), (2, 0))
        self.assertGreaterEqual(answer["list"]["age_seconds"], 0)
        self.assertGreater(answer["event_to_alert_seconds"]["p99"], 0)
        done = screener.stats()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^records +3  0 a second$")
        self.assertRegex(done.stdout, r"(?m)^dead letters +1  wire_invalid 1$")

    def check_stats_watched(self, screener):
        process = subprocess.Popen(
            [CHECKIT, "stats", "--url", f"http://127.0.0.1:{screener.port}/", "--watch", "--json"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        self.assertNotIn("records_per_s", first)
        self.assertEqual(second["records_per_s"], 0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)  # closes the pipe
        self.assertEqual(process.returncode, 0)

    def check_a_held_partition(self, screener):
        """An empty schema file is one being written: its partition waits, the others go on."""
        schema = self.folder / "schemas" / f"{UNKNOWN_ID}.avsc"
        schema.touch()
        self.broker.produce("bookings", 1, "k", booking(UNLISTED, UNKNOWN_ID))
        wait_until(lambda: screener.reason("partitions") == "partitions_held", "held")
        answer = screener.ready()
        self.assertEqual((answer["ready"], answer["status"]), (True, "degraded"))
        self.assertEqual(answer["checks"]["partitions"]["first_held"],
                         [{"topic": "bookings", "partition": 1, "offset": 0}])
        self.assertEqual(screener.sample("checkit_partitions_held"), 1)
        screener.wait_told("STATUS=partitions_held: 1 of 4 ")
        wait_until(lambda: screener.sample('checkit_lag_records{topic="bookings",partition="1"}')
                   == 1, "what is held is behind")
        written = self.folder / "written"
        written.write_text(json.dumps(SCHEMAS["BookingEvent"]))
        written.rename(schema)
        wait_until(lambda: screener.ready()["status"] == "ok", "held no longer")
        wait_until(lambda: screener.sample("checkit_records_total") == 4, "screened")

    def reload(self, screener, outcome):
        """SIGHUP, and what was logged until it is counted as such."""
        name = f'checkit_config_reloads_total{{result="{outcome}"}}'
        before, logged = screener.sample(name), len(screener.read_log())
        screener.process.send_signal(signal.SIGHUP)
        wait_until(lambda: screener.sample(name) == before + 1, screener.read_log)
        return screener.read_log()[logged:]

    def check_a_configuration_read_again(self, screener):
        text = screener.config.read_text()
        read = screener.sample("checkit_config_read_timestamp_seconds")
        self.assertIn("taken=\"\" new_rules=0", self.reload(screener, "ok"))
        self.assertGreater(screener.sample("checkit_config_read_timestamp_seconds"), read)

        screener.config.write_text(text + "log: {level: error}\noutputs: {due_page_s: 7}\n")
        self.assertIn('taken="outputs.due_page_s, log.level"', self.reload(screener, "ok"))
        self.assertNotIn(" info reload ", self.reload(screener, "ok"), "the level is in effect")

        read = screener.sample("checkit_config_read_timestamp_seconds")
        screener.config.write_text(text + "log: {level: wran}\n")
        said = self.reload(screener, "failed")
        line = text.count("\n") + 1
        self.assertRegex(said, rf" error reload .*:{line}: log.level: 'wran': must be debug, info")
        self.assertEqual(screener.sample("checkit_config_read_timestamp_seconds"), read)
        self.assertNotIn(" info ", said, "the old one is in effect")

        screener.config.write_text(text.replace("workers: 2", "workers: 3"))
        said = self.reload(screener, "ok")
        self.assertRegex(said, r' warn reload .* needs_restart=workers\n')
        self.assertEqual(screener.sample("checkit_workers"), 2)
        screener.config.write_text(text)
        self.reload(screener, "ok")

    def check_configuration_looked_at_meanwhile(self, screener):
        """The store is read beside who writes it, and nothing of it is touched."""
        store = self.folder / "store"
        before = {file.name: file.stat().st_ino for file in store.iterdir()}
        done = subprocess.run([CHECKIT, "config", "check", "--offline", "-c",
                               str(screener.config)], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(f"store.path: in use by process {screener.process.pid}\n", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^ok     store.path: format \d+, 2 entries and 0 "
                                      r"withdrawn, read to the feed's end, written \d+ s ago$")
        self.assertEqual({file.name: file.stat().st_ino for file in store.iterdir()}, before)

    def check_rules_read_again(self, screener):
        text = screener.config.read_text()
        rules = self.folder / "rules"
        shutil.copytree(TOP / "config" / "rules", rules)
        screener.config.write_text(text + "rules: {folder: rules}\n")
        self.assertIn("new_rules=0", self.reload(screener, "ok"))
        issuers = rules / "personal_number_issuers.csv"
        issuers.write_text(issuers.read_text() + "FRA\n")
        self.assertIn("new_rules=1", self.reload(screener, "ok"))
        issuers.write_text("issuer\nQQQ\n")
        self.assertIn("'QQQ' is no issuer", self.reload(screener, "failed"))
        issuers.write_text("issuer\nFRA\n")
        aliases = rules / "country_aliases.csv"
        aliases.write_text(aliases.read_text() + "QQQ,FRA\n")
        self.assertIn("restart", self.reload(screener, "failed"))
        screener.config.write_text(text)
        self.assertIn("new_rules=1", self.reload(screener, "ok"))

    def check_a_taken_port(self, screener):
        other = self.folder / "other"
        other.mkdir()
        config = other / "checkit.yaml"
        config.write_text(CONFIG.format(servers=self.broker.address, port=screener.port))
        done = subprocess.run([CHECKIT, "screen", "-c", str(config)], capture_output=True,
                              text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertEqual(
            done.stderr,
            f"checkit: http.listen: 127.0.0.1:{screener.port}: another process listens there: give "
            "another port, or 'off'\n")

    def check_what_stands_on_the_metrics(self, screener):
        text, samples = screener.metrics()
        self.assertEqual(lint(text), (0, ""))
        there = {re.sub(r"\{.*", "", name) for name in samples}
        dashboard = json.loads((TOP / "config/grafana/checkit.json").read_text("utf-8"))
        spoken = {"config/grafana/checkit.json": "\n".join(expressions_of(dashboard)),
                  "config/prometheus/rules.yml":
                      (TOP / "config/prometheus/rules.yml").read_text("utf-8")}
        for file, expressions in spoken.items():
            used = names_in(expressions)
            self.assertGreater(len(used), 10, file)
            self.assertEqual(used - there, set(), f"{file} names metrics that are not there")
        _, body = screener.get("/livez")
        for answer in (text, body, screener.get("/readyz")[1]):
            for number in (LISTED, ALSO_LISTED, UNLISTED):
                self.assertNotIn(number, answer)


if __name__ == "__main__":
    MOCK_BROKER = os.path.abspath(sys.argv.pop(2))
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
