"""docker-compose.yml as docker-compose and checkit read it: README.md says what is held.

Run: python3 check_compose.py CHECKIT, the path of the program. Needs PyYAML and docker-compose.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import unittest

import yaml

CHECKIT = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
FILE = TOP / "docker-compose.yml"
CONFIG = TOP / "config" / "docker" / "checkit.yaml"
ONE_SHOTS = ["setup"]  # they end by themselves
ON_AND_ON = ["events"]  # they answer nobody
DOCKER_COMPOSE = os.environ.get("DOCKER_COMPOSE", "docker-compose")


def read():
    done = subprocess.run([DOCKER_COMPOSE, "-f", FILE, "config"], capture_output=True, text=True,
                          check=False, timeout=50)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return yaml.safe_load(done.stdout)


def words(command):
    return shlex.split(command) if isinstance(command, str) else list(command or [])


def lines_of_scripts(service):
    """The simple commands of a `sh -c` script."""
    if "/bin/sh" not in words(service.get("entrypoint")):
        return []
    script = words(service["command"])[-1].replace("$$", "$").replace("\\\n", " ")
    return [shlex.split(line.strip()) for line in script.splitlines() if line.strip()]


def command_lines(name, service):
    """Every command line of checkit, without its first word."""
    if name == "screen":
        yield words(service["command"])
    for line in lines_of_scripts(service):
        if line[0] == "checkit":
            yield line[1:]
    test = words(service.get("healthcheck", {}).get("test"))
    if "checkit" in test:
        yield test[test.index("checkit") + 1:]


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = read()
        cls.services = cls.file["services"]

    def test_every_image_has_a_version(self):
        for name, service in self.services.items():
            self.assertRegex(service["image"], r":v?\d+\.\d+\.\d+(\.Final)?$", name)
        version = re.search(r"project\(checkit VERSION (\S+)", (TOP / "CMakeLists.txt").read_text())
        ours = {service["image"] for service in self.services.values()
                if service["image"].startswith("checkit:")}
        self.assertEqual(ours, {f"checkit:{version[1]}"})

    def test_nobody_is_root_or_becomes_it(self):
        dockerfile = (TOP / "config" / "docker" / "Dockerfile").read_text()
        for name, service in self.services.items():
            user = service["user"].split(":")[0]
            self.assertRegex(user, r"^[1-9]\d*$", name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            if service["image"].startswith("checkit:"):
                self.assertIn(f"USER {service['user']}\n", dockerfile)
                self.assertIn(f"--uid {user} ", dockerfile)

    def test_who_waits_waits_for_what_will_be(self):
        waited_for = set()
        for name, service in self.services.items():
            for other, how in service.get("depends_on", {}).items():
                self.assertEqual(
                    how["condition"], "service_completed_successfully" if other in ONE_SHOTS
                    else "service_healthy", f"{name} on {other}")
                waited_for.add(other)
        self.assertEqual(waited_for, {"kafka", "registry", "setup", "screen", "prometheus"})
        for name, service in self.services.items():
            has_check = words(service.get("healthcheck", {}).get("test")) not in ([], ["NONE"])
            self.assertEqual(has_check, name not in ONE_SHOTS + ON_AND_ON, name)

    def test_ports_are_this_machine_s_only(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertTrue(str(port).startswith("127.0.0.1:"), f"{name}: {port}")

    def test_what_is_mounted_is_there(self):
        used = set()
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0] if isinstance(volume, str) else volume["source"]
                if "/" in source:
                    self.assertTrue((TOP / source).is_file(), f"{name}: {source}")
                else:
                    used.add(source)
        self.assertEqual(used, set(self.file["volumes"]))

    def test_every_command_line_is_one(self):
        lines = [line for name, service in self.services.items()
                 for line in command_lines(name, service)]
        self.assertGreaterEqual(len(lines), 10)
        for line in lines:
            # What a shell fills in is a number here.
            line = [re.sub(r"^\$\w+$", "1", word) for word in line]
            done = subprocess.run([CHECKIT, *line, "--help"], capture_output=True, text=True,
                                  check=False, timeout=30)
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
            self.assertTrue(done.stdout.startswith("Usage: checkit "), line)
            command = re.match(r"Usage: checkit ([a-z]+( [a-z]+)?)", done.stdout)[1]
            self.assertEqual(" ".join(line)[:len(command)], command)

    def test_a_wrong_command_line_would_be_found(self):
        for line in (["generate", "bookings", "--evnts", "1"], ["scren"],
                     ["generate", "list", "--entries", "0"], ["stats", "--bad"]):
            done = subprocess.run([CHECKIT, *line, "--help"], capture_output=True, check=False,
                                  timeout=30)
            self.assertEqual(done.returncode, 64, line)

    def test_scripts_are_read_by_a_shell(self):
        for name, service in self.services.items():
            if lines_of_scripts(service):
                script = words(service["command"])[-1].replace("$$", "$")
                done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True,
                                      check=False, timeout=30)
                self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_the_configuration_is_sound_and_named_by_every_command(self):
        done = subprocess.run([CHECKIT, "config", "show", "-c", CONFIG], capture_output=True,
                              text=True, check=False, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name, service in self.services.items():
            for line in command_lines(name, service):
                self.assertEqual(line[line.index("-c") + 1], "/etc/checkit/checkit.yaml", name)

    def test_who_is_named_is_a_service_that_listens_there(self):
        kafka = self.services["kafka"]["environment"]
        config = yaml.safe_load(CONFIG.read_text())
        server = config["kafka"]["bootstrap.servers"]
        self.assertIn(server, kafka["KAFKA_ADVERTISED_LISTENERS"])
        registry = self.services["registry"]["environment"]
        self.assertEqual(registry["KAFKA_BOOTSTRAP_SERVERS"], server)
        self.assertTrue(config["schemas"]["registry"].startswith("http://registry:8080/"))
        port = config["http"]["listen"].rpartition(":")[2]
        scrape = yaml.safe_load((TOP / "config/docker/prometheus.yml").read_text())
        targets = scrape["scrape_configs"][0]["static_configs"][0]["targets"]
        self.assertEqual(targets, [f"screen:{port}"])
        self.assertEqual([str(one).split("/")[0] for one in self.services["screen"]["ports"]],
                         [f"127.0.0.1:{port}:{port}"])
        source = yaml.safe_load((TOP / "config/docker/grafana_source.yml").read_text())
        self.assertEqual(source["datasources"][0]["url"], "http://prometheus:9090")

    def test_prometheus_reads_its_configuration(self):
        done = subprocess.run(
            [os.environ.get("PROMTOOL", "promtool"), "check", "config", "--syntax-only",
             TOP / "config/docker/prometheus.yml"],
            capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    CHECKIT = os.path.abspath(sys.argv.pop(1))
    unittest.main()
