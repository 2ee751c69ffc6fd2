"""Every header compiles alone, twice in a row, and its guard is named by the rule.

The rule: CHECKIT_, a word for the folder where one is given below, the file's name, _H; and no two
headers have the same.
"""

import concurrent.futures
import os
import re
import subprocess

import common

# Headers in a folder that begins so; the first that fits.
WORDS = (
    ("pipeline/base/", "BASE_{}"),
    ("pipeline/", "{}"),
    ("operators/support/", "{}"),
    ("operators/", "{}_STEP"),
    ("tests/", "TESTS_{}"),
    ("benchmarks/", "BENCHMARKS_{}"),
)
GUARD = re.compile(r"\A\s*#ifndef (\w+)\n#define (\w+)\n")


def guard_of(path):
    name = path.rpartition("/")[2].removesuffix(".h").upper()
    for folder, words in WORDS:
        if path.startswith(folder):
            return f"CHECKIT_{words.format(name)}_H"
    return f"CHECKIT_{name}_H"


def check_guard(path, text):
    kept = common.code(text)
    match = GUARD.match(kept)
    wanted = guard_of(path)
    if not match or match.groups() != (wanted, wanted):
        yield f"{path}:1: the guard is not {wanted}"
    elif not kept.rstrip().endswith("#endif"):
        yield f"{path}:1: the guard does not span the file"


def arguments_for(path, commands):
    """Those of a source in the nearest folder: what its layer is compiled with."""
    folder = common.folder_of(path)
    while True:
        for source, arguments in commands.items():
            if source.startswith(folder + "/" if folder else ""):
                return arguments
        if not folder:
            raise SystemExit("nothing in compile_commands.json")
        folder = common.folder_of(folder)


def compile_alone(top, path, commands):
    source = f'#include "{path}"\n' * 2
    done = subprocess.run([*arguments_for(path, commands), "-fsyntax-only", "-x", "c", "-"],
                          input=source, cwd=top, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        return f"{path}:1: does not compile alone\n{done.stderr.rstrip()}"
    return None


def check(top, build):
    headers = common.files(top, ".h")
    commands = common.compile_commands(top, build)
    seen = {}
    for path in headers:
        yield from check_guard(path, common.read(top, path))
        other = seen.setdefault(guard_of(path), path)
        if other != path:
            yield f"{path}:1: has the guard of {other}"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault in pool.map(lambda path: compile_alone(top, path, commands), headers):
            if fault:
                yield fault


if __name__ == "__main__":
    common.run(check, "build")
