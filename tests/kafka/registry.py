"""A real schema registry for tests: Apicurio Registry, with Confluent's API.

    with Registry(unpack(jars, a), b) as registry:
        registry.register("bookings-value", {"type": "record", ...})    # its id
        ... registry.url ...

It can be frozen, thawed and killed; started again it has what it had, on the same port.
TlsFront stands before it and lets in who shows a certificate and a password.
"""

import base64
import http.server
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tarfile
import threading
import urllib.error
import urllib.parse
import urllib.request

from certificates import make_certificate
from cluster import end, free_ports, freeze, spawn, wait_until

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
        freeze(self.process)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def bring_back(self):
        """Whatever became of it."""
        if self.process.poll() is None:
            self.thaw()
        else:
            self.start()

    def stop(self):
        if self.process is not None:
            end(self.process)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


# --- in front of it --------------------------------------------------------------------------


class TlsFront:
    """HTTPS before a registry, as a proxy terminates it: the client's certificate must be of our
    authority, and user and password must be right. `refused` counts those turned away."""

    def __init__(self, registry, folder, user, password):
        self.registry = registry
        self.folder = folder
        self.refused = 0
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        make_certificate(folder, "authority")
        make_certificate(folder, "server", "authority", "subjectAltName=IP:127.0.0.1")
        make_certificate(folder, "client", "authority")
        make_certificate(folder, "stranger")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        context.load_verify_locations(folder / "authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a handshake that failed is the client's to say
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        path = urllib.parse.urlsplit(registry.url).path
        self.url = f"https://127.0.0.1:{self.server.server_port}{path}"

    def _handler(front):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.headers["Authorization"] != front.expected:
                    front.refused += 1
                    self.answer(401, b"")
                    return
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)) or None
                origin = f"http://127.0.0.1:{front.registry.port}{self.path}"
                request = urllib.request.Request(
                    origin, data=body, method=self.command,
                    headers={"Content-Type": self.headers["Content-Type"] or "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                        self.answer(answer.status, answer.read())
                except urllib.error.HTTPError as error:
                    self.answer(error.code, error.read())

            do_POST = do_GET

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
