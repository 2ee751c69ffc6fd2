"""The product's sources pass clang-tidy with the checks of .clang-tidy.

What passed is remembered in the cache of ./dev under a hash of everything it depends on: the tool,
its settings, the compiler's arguments and every header, down to those of the system. So the second
run takes seconds, in another clone too. A fault is never remembered.
"""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import subprocess

import common


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("CHECKIT_CACHE") or pathlib.Path(home) / "checkit") / "tidy"


@functools.lru_cache(maxsize=None)
def hash_of_file(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def dependencies(top, path, arguments):
    listed = subprocess.run(["clang", *arguments[1:], "-M", path], cwd=top, text=True,
                            capture_output=True, check=True).stdout
    return listed.partition(":")[2].replace("\\\n", " ").split()


def key_of(top, path, arguments, tool):
    digest = hashlib.sha256(tool.encode())
    for argument in arguments:
        if not argument.startswith("-DCHECKIT_BUILD="):  # another with every commit
            digest.update(argument.replace(str(top), "").encode() + b"\0")
    for name in (".clang-tidy", *dependencies(top, path, arguments)):
        digest.update(hash_of_file(str(top / name)).encode())
    return digest.hexdigest()


def check_file(top, build, path, arguments, tool):
    try:
        mark = cache() / key_of(top, path, arguments, tool)
    except subprocess.CalledProcessError as failure:
        return f"{path}:1: clang does not read it\n{failure.stderr.rstrip()}"
    if mark.exists():
        return None
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(top / path)], cwd=top,
                          text=True, capture_output=True, check=False)
    if done.returncode != 0 or done.stdout.strip():
        return (done.stdout.strip() or done.stderr.strip()) + f"\n({path})"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return None


def check(top, build):
    commands = common.compile_commands(top, build)
    paths = [path for path in common.files(top, ".c") if path.startswith(common.PRODUCT)]
    for path in paths:
        if path not in commands:
            yield f"{path}:1: is not compiled: build again"
    tool = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True,
                          text=True).stdout
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault in pool.map(
                lambda path: check_file(top, build, path, commands[path], tool),
                [path for path in paths if path in commands]):
            if fault:
                yield fault


if __name__ == "__main__":
    common.run(check, "build")
