"""No variable of the product outlives a call, by what the compiler put into its libraries; but for
those that are listed here with a reason.
"""

import re
import subprocess

import common

# (object file, symbol) -> why it may be. "*": any file.
ALLOWED = {
    ("*", "log_place_"): "the rate limit of one place that logs; atomic (LOG_AT)",
    ("log.c.o", "settings"): "set once at start, before any thread (log_configure)",
    ("point.c.o", "remaining"): "the kill point's count-down; atomic",
}

WRITABLE = re.compile(r"^(\.data|\.bss|\.tdata|\.tbss|\*COM\*|COMMON)")
CONSTANT = re.compile(r"^\.data\.rel\.ro")
MADE_BY_SANITIZER = re.compile(r"^(__odr_asan\.|__asan_|__tsan_|__ubsan_)")


def symbols(library):
    """(object file, symbol, section) of what the library defines."""
    listed = subprocess.run(["nm", "--format=sysv", "--defined-only", str(library)],
                            check=True, capture_output=True, text=True).stdout
    member = str(library)
    for line in listed.splitlines():
        begun = re.match(r"^Symbols from .*?\[?([^\[\]/]+)\]?:$", line)
        if begun:
            member = begun.group(1)
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 7 and columns[0] != "Name":
            yield member, columns[0], columns[6]


def check(top, libraries):
    seen = False
    for library in libraries:
        for member, name, section in symbols(library):
            seen = True
            if not WRITABLE.match(section) or CONSTANT.match(section):
                continue
            plain = re.sub(r"\.\d+$", "", name)  # what stands inside a function is numbered
            allowed = ("*", plain) in ALLOWED or (member, plain) in ALLOWED
            if not allowed and not MADE_BY_SANITIZER.match(name):
                yield f"{member}:1: {name} ({section}) is a global that can change"
    if not seen:
        yield f"{top}:1: the libraries define nothing: is this the right folder?"


if __name__ == "__main__":
    common.run(check, "libraries")
