"""Shell scripts are read by bash and found in order by shellcheck."""

import subprocess

import common


def check(top):
    readable = []
    for path in common.files(top):
        if not common.is_shell(top, path):
            continue
        done = subprocess.run(["bash", "-n", path], cwd=top, text=True, capture_output=True,
                              check=False)
        if done.returncode != 0:
            yield done.stderr.rstrip()
        else:
            readable.append(path)
    if readable:
        done = subprocess.run(["shellcheck", "--format=gcc", "--external-sources", *readable],
                              cwd=top, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            yield (done.stdout + done.stderr).rstrip()


if __name__ == "__main__":
    common.run(check)
