"""A real Kafka for tests and benchmarks: KRaft brokers on this machine, in a folder of their own.

    with Cluster(jars) as cluster:              # one broker; Cluster(jars, brokers=3) for three
                                                # tls=True: also by TLS, at cluster.tls_bootstrap
        cluster.create_topics(Topics("t1."))    # those of schemas/asyncapi.yaml
        ... cluster.bootstrap ...

    python3 cluster.py --jars DIR [--brokers N] [--topics] COMMAND...
        runs COMMAND with CHECKIT_BOOTSTRAP in its environment, and stops the brokers after it

Nothing is left behind: brokers end with their cluster, and with this process however it ends.
"""

import argparse
import atexit
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import base64

import yaml
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from certificates import make_certificate

TOP = pathlib.Path(__file__).resolve().parents[2]
READY_S = 90
STOP_S = 20
ATTEMPTS = 3  # a port found free may be taken before the broker has it
PORT_MIN, PORT_MAX = 10000, 65535
LOG_LINES_SHOWN = 60
HEAP_MB = 384

# Small, quick to start, and without waits meant for clusters of many.
SETTINGS = {
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "2",
    # No retention: records with times of long ago would go half a minute after a start, by what
    # their topics say.
    "log.initial.task.delay.ms": "86400000",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.backoff.ms": "500",
    "file.delete.delay.ms": "1000",
    "controlled.shutdown.enable": "false",
    "metadata.log.max.record.bytes.between.snapshots": "104857600",
}
LOGGING = """\
status = error
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
"""


def wait_until(condition, seconds, what, pause_s=0.05):
    """The first true value of condition(); fails after so many seconds, saying what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause_s)


def spawn(command, **options):
    """Starts a process that ends with this one, however that ends. Only from the main thread."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], **options)


def end(process, seconds=STOP_S):
    """Asks the process to end, then ends it."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)  # a stopped one would never hear
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    return process.returncode


def freeze(process):
    """Returns once it stands still, which on a busy machine is not at once."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def lasting_ports():
    """Those the system gives to nobody who asks for any, as every client does: who takes one later,
    or again, finds it free."""
    given = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    first, last = map(int, given)
    return [port for port in range(PORT_MIN, PORT_MAX + 1) if not first <= port <= last]


def free_ports(count):
    ports = lasting_ports()
    random.shuffle(ports)
    with contextlib.ExitStack() as held:
        found = []
        while len(found) < count:
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", ports.pop()))
            except OSError:  # another has it
                continue
            found.append(one.getsockname()[1])
        return found


class Topics:
    """The topics of schemas/asyncapi.yaml under a prefix. partitions and configs, by name there,
    replace or add to what it says; nodes, by name or for all (""), say which brokers have them."""

    def __init__(self, prefix="", partitions=None, configs=None, nodes=None, replication=1):
        document = yaml.safe_load((TOP / "schemas" / "asyncapi.yaml").read_text("utf-8"))
        self.prefix = prefix
        self.specifications = {}
        for channel in document["channels"].values():
            binding = channel["bindings"]["kafka"]
            name = channel["address"]
            told = binding["topicConfiguration"] | (configs or {}).get(name, {})
            count = (partitions or {}).get(name, binding["partitions"])
            specification = {
                "configs": {key: ",".join(value) if isinstance(value, list) else str(value)
                            for key, value in told.items()},
            }
            if nodes:
                replicas = nodes.get(name, nodes.get(""))
                specification["assignments"] = {i: replicas for i in range(count)}
            else:
                specification |= {"num_partitions": count, "replication_factor": replication}
            self.specifications[prefix + name] = specification

    def __getattr__(self, name):
        """topics.dead_letters is PREFIXdead-letters."""
        full = self.prefix + name.replace("_", "-")
        if name == "alerts_test":
            full = self.prefix + "alerts.test"
        if full not in self.specifications:
            raise AttributeError(name)
        return full


class Broker:
    def __init__(self, cluster, node, port, controller_port, tls_port):
        self.cluster = cluster
        self.node = node
        self.address = f"127.0.0.1:{port}"
        self.controller = f"127.0.0.1:{controller_port}"
        self.tls_address = f"127.0.0.1:{tls_port}"
        self.folder = cluster.folder / f"broker-{node}"
        self.log = self.folder / "log"
        self.process = None

    def spawn(self, *arguments):
        command = [
            "java", f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp", f"{self.cluster.jars}/*", *arguments,
        ]
        with self.log.open("ab") as log:
            return spawn(command, stdout=log, stderr=subprocess.STDOUT)

    def configure(self, voters):
        """voters: {node: address of its controller}; who is not among them is a broker only."""
        self.folder.mkdir()
        replicas = str(min(3, len(voters)))
        is_voter = self.node in voters
        settings = SETTINGS | {
            "process.roles": "broker,controller" if is_voter else "broker",
            "node.id": str(self.node),
            "controller.quorum.voters": ",".join(f"{n}@{a}" for n, a in voters.items()),
            "listeners": f"PLAINTEXT://{self.address}"
                         + (f",CONTROLLER://{self.controller}" if is_voter else ""),
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
        }
        settings |= self.cluster.settings
        if self.cluster.tls:
            settings["listeners"] += f",TLS://{self.tls_address}"
            settings["listener.security.protocol.map"] += ",TLS:SSL"
            settings |= {"ssl.keystore.type": "PEM",
                         "ssl.keystore.location": str(self.cluster.folder / "broker.keystore.pem")}
        (self.folder / "log4j2.properties").write_text(LOGGING)
        self.properties = self.folder / "server.properties"
        self.properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))

    def format(self):
        """Starts formatting; the caller waits for the process."""
        return self.spawn("kafka.tools.StorageTool", "format", "-t", self.cluster.id, "-c",
                          self.properties)

    def start(self):
        self.process = self.spawn("kafka.Kafka", self.properties)

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is not None:
            end(self.process)
        self.process = None

    def kill(self):
        """Ends it as a power cut would; returns when the others have noticed."""
        self.process.kill()
        self.process.wait()
        self.process = None
        wait_until(lambda: self.node not in self.cluster.nodes_up(), READY_S,
                   f"broker {self.node} is missed", pause_s=0.1)

    def freeze(self):
        freeze(self.process)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def log_end(self):
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.log}, its end:", *lines[-LOG_LINES_SHOWN:]])


class Cluster:
    """Started by the call; stop() or the end of a with block stops it. On an exception there the
    brokers' logs are shown. settings: of every broker, in place of SETTINGS."""

    def __init__(self, jars, brokers=1, tls=False, settings=None):
        self.jars = pathlib.Path(jars)
        self.settings = settings or {}
        if not any(self.jars.glob("kafka_2.13-*.jar")):
            raise FileNotFoundError(f"no Kafka in '{jars}': run ./dev test, which fetches it")
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()
        self.id = name.rstrip("=").replace("-", "x")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="checkit-kafka-"))
        self.brokers = []
        self.admin = None
        self.tls = tls
        atexit.register(self.stop)
        try:
            if tls:
                self._make_certificates()
            self._start(brokers)
        except BaseException:
            self.show_logs()
            self.stop()
            raise

    @property
    def bootstrap(self):
        """The brokers that run: some clients stop at the first that does not."""
        return ",".join(broker.address for broker in self.brokers if broker.is_up())

    @property
    def tls_bootstrap(self):
        return ",".join(broker.tls_address for broker in self.brokers if broker.is_up())

    @property
    def authority(self):
        """PEM file of who vouches for the brokers."""
        return self.folder / "authority.pem"

    def _make_certificates(self):
        make_certificate(self.folder, "authority")
        make_certificate(self.folder, "broker", "authority", "subjectAltName=IP:127.0.0.1")
        parts = [(self.folder / f"broker.{kind}").read_text() for kind in ("key", "pem")]
        (self.folder / "broker.keystore.pem").write_text("".join(parts))

    def _start(self, count):
        def make():
            ports = free_ports(3 * count)
            brokers = [Broker(self, i + 1, *ports[3 * i:3 * i + 3]) for i in range(count)]
            self.voters = {broker.node: broker.controller for broker in brokers}
            return brokers

        self._add(make)
        wait_until(self._takes_groups, READY_S, "groups have a coordinator", pause_s=0.1)

    def _takes_groups(self):
        """The first question makes the topic of groups' offsets, on the brokers there are."""
        try:
            self.admin.list_group_offsets({"nobody": None})
            return True
        except KafkaError:
            return False

    def add_broker(self):
        """One more, which is no controller; returns it once it takes requests."""
        node = len(self.brokers) + 1
        self._add(lambda: [Broker(self, node, *free_ports(3))])
        self._close_admin()  # it does not know the new one
        self.wait_ready()
        return self.brokers[-1]

    def _close_admin(self):
        if self.admin is not None:
            self.admin.close()
            self.admin = None

    def _add(self, make):
        """Starts what make() gives, again while a port was taken meanwhile; waits for all."""
        for attempt in range(1, ATTEMPTS + 1):
            brokers = make()
            self.brokers += brokers
            for broker in brokers:
                broker.configure(self.voters)
            if any(p.wait(READY_S) for p in [broker.format() for broker in brokers]):
                raise RuntimeError("the storage could not be formatted")
            for broker in brokers:
                broker.start()
            self.wait_ready()
            if all(broker.is_up() for broker in brokers):
                return
            taken = any("Address already in use" in b.log.read_text() for b in brokers)
            if attempt == ATTEMPTS or not taken:
                raise RuntimeError("a broker ended at its start")
            for broker in brokers:
                broker.stop()
                shutil.rmtree(broker.folder)
                self.brokers.remove(broker)

    def nodes_up(self):
        """The brokers that take requests, as the cluster itself says."""
        try:
            if self.admin is None:
                self.admin = KafkaAdminClient(
                    bootstrap_servers=self.bootstrap, request_timeout_ms=10000,
                    bootstrap_timeout_ms=1000,
                )
            told = self.admin.describe_cluster()["brokers"]
            return {broker["broker_id"] for broker in told if not broker["is_fenced"]}
        except (KafkaError, ValueError, OSError):
            return set()

    def wait_ready(self):
        """Until every broker takes requests, or one of them has ended."""
        def look():
            nodes = self.nodes_up()
            return all(broker.node in nodes or not broker.is_up() for broker in self.brokers)

        wait_until(look, READY_S, "Kafka is ready", pause_s=0.1)

    def create_topics(self, topics):
        answer = self.admin.create_topics(topics.specifications, raise_errors=False,
                                          wait_for_metadata=True)
        faults = [(t["name"], t["error_message"]) for t in answer["topics"] if t["error_code"]]
        if faults:
            raise RuntimeError(f"topics were not created: {faults}")
        return topics

    def show_logs(self):
        for broker in self.brokers:
            print(broker.log_end(), file=sys.stderr)

    def stop(self):
        self._close_admin()
        for broker in self.brokers:
            if broker.process is not None:
                broker.thaw()
                broker.process.terminate()  # all at once: none waits for another's controller
        for broker in self.brokers:
            broker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and issubclass(kind, Exception):  # no exit, and no interruption
            self.show_logs()
        self.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jars", default=os.environ.get("KAFKA_JARS"), required=False)
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--topics", action="store_true", help="create those of asyncapi.yaml")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    with Cluster(options.jars, options.brokers) as cluster:
        if options.topics:
            cluster.create_topics(Topics(replication=min(3, options.brokers)))
        environment = os.environ | {"CHECKIT_BOOTSTRAP": cluster.bootstrap}
        return subprocess.run(options.command, env=environment).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
