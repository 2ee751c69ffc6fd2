"""Every C file stands as clang-format writes it (./dev fmt)."""

import subprocess

import common


def check(top):
    paths = common.files(top, (".c", ".h"))
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths], cwd=top, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        yield done.stderr.rstrip()


if __name__ == "__main__":
    common.run(check)
