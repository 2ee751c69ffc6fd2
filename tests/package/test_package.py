"""The Debian package as an operator gets it, installed into a folder.

Run: python3 test_package.py CPACK_CONFIG, the CPackConfig.cmake of a build. Standard library only.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CPACK_CONFIG = ""
TOP = pathlib.Path(__file__).resolve().parents[2]
EXPOSURE_MAX = 2.0  # of 10
SANITIZERS = re.compile(r"lib(asan|ubsan|tsan|gcc-s|stdc\+\+)\d*$")  # of a build for tests


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False, timeout=120, **options)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="checkit-package-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.root = cls.folder / "root"
        done = run(os.environ.get("CPACK", "cpack"), "--config", CPACK_CONFIG, "-G", "DEB",
                   "-B", cls.folder / "build", cwd=cls.folder)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.package = next((cls.folder / "build").glob("*.deb"))
        cls.install()
        cls.checkit = cls.root / "usr/bin/checkit"

    @classmethod
    def install(cls):
        """As dpkg does; who is not root may only unpack."""
        if os.geteuid() != 0:
            done = run("dpkg-deb", "-x", cls.package, cls.root)
        else:
            (cls.root / "var/lib/dpkg/info").mkdir(parents=True)
            (cls.root / "var/lib/dpkg/updates").mkdir()
            (cls.root / "var/lib/dpkg/status").touch()
            done = run("dpkg", f"--root={cls.root}", "--force-depends", f"--log={os.devnull}",
                       "-i", cls.package)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)

    def field(self, name):
        return run("dpkg-deb", "-f", self.package, name).stdout.strip()

    def run_it(self, *arguments, code=0):
        done = run(self.checkit, *arguments, cwd="/",
                   env=os.environ | {"TMPDIR": str(self.folder)})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    # --- the package ---

    def test_it_says_what_it_is(self):
        version = re.search(r"project\(checkit VERSION (\S+)", (TOP / "CMakeLists.txt").read_text())
        self.assertEqual((self.field("Package"), self.field("Version")), ("checkit", version[1]))
        conffiles = run("dpkg-deb", "-I", self.package, "conffiles").stdout
        self.assertEqual(conffiles, "/etc/checkit/checkit.yaml\n")

    def test_what_it_depends_on_is_in_the_container_image_too(self):
        needed = {re.match(r"\S+", one)[0] for one in self.field("Depends").split(", ")}
        needed = {name for name in needed if not SANITIZERS.match(name)} - {"libc6"}
        dockerfile = (TOP / "config/docker/Dockerfile").read_text()
        listed = re.search(r"--no-install-recommends (.*?)&&", dockerfile, re.DOTALL)[1]
        self.assertEqual(needed, set(listed.replace("\\", " ").split()))

    # --- what is installed ---

    def test_the_program_runs(self):
        self.assertRegex(self.run_it("--version"), r"\Acheckit \d+\.\d+\.\d+\n")
        last = self.run_it("demo", "--events", 1000, "--entries", 200).splitlines()[-1]
        self.assertRegex(last, r"\Aplanted ([1-9]\d*) · found \1 · missed 0 · false 0\Z")

    def test_the_configurations_are_sound(self):
        for path in ("etc/checkit/checkit.yaml", "usr/share/checkit/examples/airline.yaml",
                     "usr/share/checkit/examples/bank.yaml"):
            self.run_it("config", "show", "-c", self.root / path)

    def test_contracts_and_rule_data_are_those_of_the_program(self):
        self.run_it("schemas", self.folder / "schemas")
        ours = {path.read_bytes() for path in (self.folder / "schemas").glob("*.avsc")}
        installed = [path.read_bytes()
                     for path in (self.root / "usr/share/checkit/schemas").glob("*.avsc")]
        self.assertEqual(len(installed), len(ours))
        self.assertEqual(set(installed), ours)
        for path in (TOP / "config/rules").glob("*.csv"):
            installed = self.root / "usr/share/checkit/rules" / path.name
            self.assertEqual(installed.read_bytes(), path.read_bytes())

    def test_the_man_page_is_read(self):
        page = self.root / "usr/share/man/man1/checkit.1"
        done = run("mandoc", "-T", "lint", "-W", "style", page)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        text = re.sub(".\b", "", run("mandoc", "-T", "utf8", page).stdout)
        for heading in ("NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "EXAMPLES"):
            self.assertRegex(text, rf"(?m)^{heading}$")

    # --- the service ---

    def unit(self):
        return self.root / "lib/systemd/system/checkit.service"

    def test_the_unit_starts_what_is_installed(self):
        command = re.search(r"(?m)^ExecStart=(.*)$", self.unit().read_text())[1].split()
        self.assertTrue((self.root / command[0].lstrip("/")).is_file())
        self.assertTrue((self.root / command[-1].lstrip("/")).is_file())
        self.run_it(*command[1:], "--help")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_unit_is_understood_and_may_do_little(self):
        text = self.unit().read_text().replace("ExecStart=/usr/bin/checkit",
                                               f"ExecStart={self.checkit}")
        unit = self.folder / "checkit.service"
        unit.write_text(text)
        done = run("systemd-analyze", "verify", "--man=no", unit)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        found = re.search(r"exposure level for \S+: (\d+\.\d)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        self.assertLessEqual(float(found[1]), EXPOSURE_MAX)

    # --- completion ---

    def complete(self, *words):
        script = (". usr/share/bash-completion/completions/checkit; COMP_WORDS=(checkit \"$@\"); "
                  "COMP_CWORD=$#; _checkit; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = run("bash", "--norc", "-c", script, "bash", *words, cwd=self.root,
                   env=os.environ | {"PATH": f"{self.checkit.parent}:{os.environ['PATH']}"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split())

    def commands(self, words=()):
        """Every command and every choice of commands, with its help."""
        output = self.run_it(*words, "--help")
        names = re.findall(r"^  ([a-z]+) +\S", output.partition("Commands:\n")[2], re.MULTILINE)
        yield words, output, set(names)
        for name in names:
            if name != "help":
                yield from self.commands((*words, name))

    def test_completion_knows_every_command_and_option(self):
        seen = 0
        for words, output, names in self.commands():
            if names:
                self.assertEqual(self.complete(*words, ""), names, words)
                first = sorted(names)[0]
                self.assertIn(first, self.complete(*words, first[:2]))
            options = set(re.findall(r"(?m)^ +(?:-\w, )?(--[\w-]+)", output)) | {"--help"}
            self.assertEqual(self.complete(*words, "--"), options, words)
            seen += len(options)
        self.assertGreater(seen, 60)

    def test_completion_offers_files_where_there_is_nothing_else(self):
        self.assertIn("etc", self.complete("feed", "-c", "et"))


if __name__ == "__main__":
    CPACK_CONFIG = os.path.abspath(sys.argv.pop(1))
    unittest.main()
