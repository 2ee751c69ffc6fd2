"""Lists that go from one file system to another, and stores that nothing can take the place of.

Run: python3 test_file_systems.py CHECKIT, the path of the program; needs fastavro.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import test_key_rotate
from test_key_rotate import Case

MEMORY = pathlib.Path("/dev/shm")
MOUNTED = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
UNSHARE = ["unshare", "--map-root-user", "--mount"]


def device(path):
    return os.stat(path).st_dev if os.path.isdir(path) else None


@contextlib.contextmanager
def large_file(store):
    """One in the store that no disk has room for; it takes none itself."""
    path = store / "999999.sst"
    with path.open("w") as file:
        file.truncate(1 << 42)
    yield
    path.unlink()


def can_mount():
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@unittest.skipIf(device(MEMORY) in (None, device(tempfile.gettempdir())),
                 f"{MEMORY} is no other file system than {tempfile.gettempdir()}")
class Other(Case):
    """self.other is a folder on another file system."""

    def setUp(self):
        super().setUp()
        other = tempfile.TemporaryDirectory(dir=MEMORY)
        self.addCleanup(other.cleanup)
        self.other = pathlib.Path(other.name)


class Copies(Other):
    def test_a_snapshot_elsewhere_is_a_copy_and_comes_back(self):
        self.load()
        entries, kept = self.export(self.config), self.other / "kept"
        self.run_it("list", "snapshot", "-c", self.config, kept)
        self.run_it("list", "verify", "-c", self.config, "--store", kept)
        self.assertEqual([path.name for path in self.other.iterdir()], ["kept"])
        self.load(self.write("more.csv", "entry_id,number,issuer,type,contributor\n"
                             "E-1,QX9999999,FRA,PASSPORT,FRA-NCB\n"), "--replace")
        self.run_it("list", "restore", "-c", self.config, "--replace", kept)
        self.run_it("list", "verify", "-c", self.config)
        self.assertEqual(self.export(self.config), entries)
        self.assertEqual(self.export(self.config, "--store", kept), entries)
        self.assertEqual(self.left(), ["store", "store.replaced"])

    def test_a_disk_that_is_too_small_for_a_copy_is_found_before(self):
        self.load()
        kept = self.other / "kept"
        self.run_it("list", "snapshot", "-c", self.config, kept)
        told = "the files of a copy need [0-9,]+ MB beside '{}', where the disk has [0-9,]+ MB free"
        with large_file(self.store):
            left = os.listdir(self.other)
            _, errors = self.run_it("list", "snapshot", "-c", self.config, self.other / "more",
                                    code=69)
            self.assertRegex(errors, told.format(self.other / "more"))
            self.assertEqual(os.listdir(self.other), left)
            self.run_it("list", "snapshot", "-c", self.config, self.folder / "linked")
        with large_file(kept):
            left = self.left()
            _, errors = self.run_it("list", "restore", "-c", self.config, "--replace", kept,
                                    code=69)
            self.assertRegex(errors, told.format(self.store))
            self.assertEqual(self.left(), left)

    def test_a_list_and_a_new_key_from_elsewhere(self):
        self.list = self.list.rename(self.folder / "here.csv")
        there = self.other / "list.csv"
        there.write_text(self.list.read_text())
        self.load()
        self.load(there, "--replace")
        entries = self.export(self.config)
        self.new_key = self.other / "new.key"
        self.rotate()
        (self.folder / "new.key").symlink_to(self.new_key)
        self.assertEqual(self.export(self.new_config), entries)


class Places(Other):
    """Refused before anything is made, and told what to do."""

    def refused(self, said, *before):
        self.run_it("list", "snapshot", "-c", self.config, self.folder / "kept")
        left, entries = self.left(), self.export(self.config, "--store", self.folder / "kept")
        for command in (["key", "rotate", "-c", self.config, "--new-store-key", self.new_key],
                        ["list", "import", "-c", self.config, "-q", "--replace", self.list],
                        ["list", "restore", "-c", self.config, "--replace", self.folder / "kept"]):
            done = subprocess.run([*before, test_key_rotate.CHECKIT, *map(str, command)],
                                  capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 78, done.stdout + done.stderr)
            self.assertIn(f"{said}: configure", done.stderr)
            self.assertEqual(self.left(), left)
            self.assertFalse(self.new_key.exists())
        self.assertEqual(self.export(self.config), entries)

    def test_a_store_behind_a_symbolic_link(self):
        self.store.symlink_to(self.other / "store")
        self.config.write_text(self.config.read_text().replace(
            "path: store,", f"path: {self.other / 'store'},"))
        self.load()
        self.config.write_text(self.config.read_text().replace(
            f"path: {self.other / 'store'},", "path: store,"))
        self.refused(f"'{self.store}' is a symbolic link, whose place no store can take")

    @unittest.skipUnless(can_mount(), "nothing can be mounted here")
    def test_a_store_that_is_mounted(self):
        self.load()
        there = self.other / "store"
        self.run_it("list", "snapshot", "-c", self.config, there)
        self.refused(f"something is mounted on '{self.store}', so that no other store can take its "
                     "place", *UNSHARE, "sh", "-c", MOUNTED, "sh", there, self.store)


if __name__ == "__main__":
    test_key_rotate.CHECKIT = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
