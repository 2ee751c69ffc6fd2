"""What the checks share: the project's files, C without comments and texts, and how faults are
told.

A check is a function that yields faults, each "path:line: what is wrong"; run() makes it a program.
"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys

PRODUCT = ("pipeline/", "operators/", "schemas/")
OUTSIDE = ("tests/", "benchmarks/")  # may use everything


def files(top, suffixes=None):
    """Paths from the top, of what is or would be committed."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(top), "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout.split("\0")
    there = sorted({path for path in listed if path and (top / path).is_file()})
    return [path for path in there if suffixes is None or path.endswith(suffixes)]


def read(top, path):
    return (top / path).read_text("utf-8")


def is_shell(top, path):
    if path.endswith(".sh"):
        return True
    with (top / path).open("rb") as file:
        return re.match(rb"#!.*\b(ba|da)?sh\b", file.readline(128)) is not None


def folder_of(path):
    return path.rpartition("/")[0]


NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code(text):
    """C with its comments, and what stands inside quotes, blanked; lines stay where they are."""
    def blank(match):
        found = match.group()
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)
    return NO_CODE.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def compile_commands(top, build):
    """The compiler's arguments by path from the top; first the compiler, without -c, -o and the
    file."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text("utf-8")):
        path = pathlib.Path(entry["directory"], entry["file"])
        if not path.is_relative_to(top):
            continue
        arguments = shlex.split(entry["command"])
        for option in ("-c", "-o"):
            at = arguments.index(option)
            del arguments[at:at + 2]
        commands[str(path.relative_to(top))] = arguments
    return commands


def run(check, *wanted):
    """wanted: which further arguments the check takes, of "build" and "libraries"."""
    parser = argparse.ArgumentParser(description=sys.modules[check.__module__].__doc__)
    parser.add_argument("top", type=pathlib.Path, help="the project's folder")
    if "build" in wanted:
        parser.add_argument("build", type=pathlib.Path, help="the folder it was built in")
    if "libraries" in wanted:
        parser.add_argument("libraries", nargs="+", help="the product's libraries")
    options = vars(parser.parse_args())
    for name in ("top", "build"):
        if name in options:
            options[name] = options[name].resolve()
    faults = list(check(**options))
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)
