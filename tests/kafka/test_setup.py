"""The set-ups we promise, command by command: README.md's on a Kafka with a folder of schemas, and
docker-compose.yml's on one with a registry. What stands there is what is run.

Run: KAFKA_JARS=DIR python3 test_setup.py CHECKIT
"""

import json
import os
import re
import shlex
import subprocess
import tempfile

import yaml

import harness
from cluster import end, free_ports, spawn, wait_until
from harness import TOP, WAIT_S, Case
from registry import Registry, unpack

LISTED = "12AB34567"  # in README.md


class Setup(Case):
    """Runs command lines with what they name moved into the test's folder."""

    def setUp(self):
        self.background = None
        self.moved = {}

    def tearDown(self):
        """The other set-up has topics of the same names."""
        if self.background:
            end(self.background)
        admin = harness.CLUSTER.admin

        def are_gone():
            topics = [topic for topic in admin.list_topics() if not topic.startswith("__")]
            if topics:
                admin.delete_topics(topics)
            return not topics

        wait_until(are_gone, WAIT_S, "no topics are left")

    def move(self, text):
        for old, new in self.moved.items():
            text = text.replace(old, str(new))
        return text

    def write_config(self, path, text):
        """A free port in place of the one that may be taken."""
        config = yaml.safe_load(self.move(text))
        config["http"] = {"listen": f"127.0.0.1:{free_ports(1)[0]}"}
        config["kafka"] |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
        path.write_text(json.dumps(config))

    def run_it(self, line, *more, codes=(0,)):
        done = subprocess.run([harness.CHECKIT, *shlex.split(self.move(line))[1:], *more],
                              capture_output=True, text=True, timeout=WAIT_S, cwd=self.folder)
        self.assertIn(done.returncode, codes, f"{line}\n{done.stdout}{done.stderr}")
        return done

    def start(self, line):
        with (self.folder / "log").open("wb") as log:
            self.background = spawn([harness.CHECKIT, *shlex.split(self.move(line))[1:]],
                                    stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)

    def wait_ready(self, stats):
        wait_until(lambda: self.run_it(stats, codes=(0, 69, 75)).returncode == 0, WAIT_S,
                   "stats says ready")


class Readme(Setup):
    TEXT = (TOP / "README.md").read_text("utf-8")
    PART = TEXT.partition("## Run it on your Kafka")[2].partition("\n## ")[0]

    def lines(self):
        found = re.findall(r"(?m)^    (checkit .*?)(?: *#.*)?$", self.PART)
        self.assertEqual([line.split()[1] for line in found],
                         ["schemas", "key", "config", "config", "feed", "screen", "stats", "alerts",
                          "receipts", "list"])
        return found

    def test_its_commands_in_their_order(self):
        self.moved = {"/etc/checkit": self.folder / "etc", "/var/lib/checkit": self.folder / "var",
                      "localhost:9092": harness.CLUSTER.bootstrap}
        for name in ("etc", "var"):
            (self.folder / name).mkdir()
        self.write_config(self.folder / "etc/checkit.yaml",
                          (TOP / "config/checkit.yaml").read_text("utf-8"))
        rows = re.search(r"(?ms)^    cat > list.csv <<'END'\n(.*?)^    END$", self.PART)[1]
        (self.folder / "list.csv").write_text(re.sub(r"(?m)^    ", "", rows))
        told = {}
        for line in self.lines():
            name = line.split()[1]
            if line.endswith("&"):
                self.start(line.removesuffix("&"))
                self.wait_ready(next(one for one in self.lines() if one.split()[1] == "stats"))
                self.send_events()
            elif name == "alerts":
                told[name] = self.run_it(line, "--until-end")
            else:
                told[name] = self.run_it(line)
        self.assertIn(LISTED, told["alerts"].stdout)
        self.assertRegex(told["receipts"].stdout, r"(?m)^ok .*bookings")
        self.assertIn(LISTED, told["list"].stdout)

    def send_events(self):
        """Until they are screened, committed and their receipts are there; heartbeats come too."""
        writer = self.writer()
        event = harness.booking("event", harness.document(LISTED, issuer="FRA"))
        for _ in range(20):
            writer.send("bookings", harness.encode("BookingEvent", event))
        writer.flush()
        verify = next(one for one in self.lines() if one.split()[1] == "receipts")
        stats = next(one for one in self.lines() if one.split()[1] == "stats")
        wait_until(lambda: json.loads(self.run_it(stats, "--json").stdout)["records"] >= 20, WAIT_S,
                   "all is screened")
        wait_until(lambda: "ok" in self.run_it(verify, codes=(0, 65)).stdout, WAIT_S,
                   "a receipt is there")


class Compose(Setup):
    FILE = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))["services"]

    def script(self, service):
        script = self.FILE[service]["command"][0].replace("$$", "$").replace("\\\n", " ")
        return [line.strip() for line in script.splitlines() if line.strip()]

    def test_its_commands_in_their_order(self):
        jars = os.environ["KAFKA_JARS"]
        unpacked = tempfile.TemporaryDirectory(prefix="checkit-registry-")
        self.addCleanup(unpacked.cleanup)
        registry = Registry(unpack(jars, unpacked.name), self.folder)
        self.addCleanup(registry.stop)
        registry.start()
        config = self.folder / "checkit.yaml"
        self.moved = {"/etc/checkit/checkit.yaml": config, "/var/lib/checkit": self.folder,
                      "kafka:9092": harness.CLUSTER.bootstrap,
                      "http://registry:8080/apis/ccompat/v7": registry.url}
        self.write_config(config, (TOP / "config/docker/checkit.yaml").read_text("utf-8"))
        for line in self.script("setup"):
            self.run_it(line)
        self.start("checkit " + " ".join(self.FILE["screen"]["command"]))
        stats = " ".join(self.FILE["screen"]["healthcheck"]["test"][1:])
        self.wait_ready(stats)
        for line in self.script("events"):
            if line.startswith("checkit "):
                self.run_it(line.replace("$first", "50000"))
        wait_until(lambda: json.loads(self.run_it(stats, "--json").stdout)["records"] >= 101000,
                   WAIT_S, "setup's events and a round more are screened")
        told = json.loads(self.run_it(stats, "--json").stdout)
        self.assertEqual(told["list"]["entries"], 100000)
        self.assertGreater(told["hits"]["EXACT"]["PAGE"], 0)
        self.assertEqual(sum(told["dead_letters"].values()), 0)


if __name__ == "__main__":
    harness.main()
