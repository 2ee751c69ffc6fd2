"""A real schema registry for tests: Apicurio Registry, with Confluent's API.

    with Registry(unpack(jars, a), b) as registry:
        registry.register("bookings-value", {"type": "record", ...})    # its id
        ... registry.url ...

It can be frozen, thawed and killed; started again it has what it had, on the same port.
"""

import json
import os
import pathlib
import signal
import subprocess
import tarfile
import urllib.error
import urllib.request

from cluster import end, free_ports, spawn, wait_until

READY_S = 90
ANSWER_S = 30
HEAP_MB = 256


def unpack(jars, folder):
    """The program, for any number of registries."""
    archives = list(pathlib.Path(jars).glob("apicurio-registry-app-*.tar.gz"))
    if not archives:
        raise FileNotFoundError(f"no registry in '{jars}': run ./dev test, which fetches it")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder)
    return next(pathlib.Path(folder).glob("*-runner.jar"))


class Registry:
    def __init__(self, jar, folder):
        self.jar = jar
        self.folder = pathlib.Path(folder) / "registry"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self.process = None

    def start(self):
        environment = os.environ | {
            "QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(self.port),
            "REGISTRY_DATASOURCE_URL": f"jdbc:h2:file:{self.folder / 'data'};WRITE_DELAY=0"}
        with self.log.open("ab") as log:
            self.process = spawn(
                ["java", f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-jar", self.jar],
                cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._answers, READY_S, "the registry answers", pause_s=0.2)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the registry ended at its start:\n{self.log.read_text()[-4000:]}")
        try:
            return self.ask("/subjects") is not None
        except (urllib.error.URLError, OSError):
            return False

    def ask(self, path, body=None):
        request = urllib.request.Request(
            self.url + path, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=ANSWER_S) as answer:
            return json.load(answer)

    def register(self, subject, schema, references=()):
        text = schema if isinstance(schema, str) else json.dumps(schema)
        body = {"schema": text, "references": list(references)}
        return self.ask(f"/subjects/{subject}/versions", body)["id"]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None:
            end(self.process)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
