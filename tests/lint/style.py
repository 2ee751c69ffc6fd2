"""C: functions of at most 70 lines, lines of at most 100 columns, no call and no construction that
the conventions exclude. Lines of scripts and of CMake files have the same width.
"""

import re

import common

FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

FORBIDDEN = """
    alloca atof atoi atol atoll gets sprintf stpcpy strcat strcpy strtok vsprintf
    """.split()
CALL = re.compile(r"\b(" + "|".join(FORBIDDEN) + r")\s*\(")
CONDITION = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)\b")
VLA_FLAGS = {"-Wvla", "-Werror"}


def signature_start(lines, brace):
    """The index of the line a function's signature begins on."""
    at = brace
    while at > 0:
        before = lines[at - 1].rstrip()
        if not before.strip() or before.endswith((";", "}")) or before.lstrip().startswith("#"):
            break
        at -= 1
    return at


def functions(lines):
    """(first, last) line indexes; a function's braces stand alone in the first column."""
    opened = None
    for index, line in enumerate(lines):
        if opened is None and line.rstrip() == "{":
            opened = signature_start(lines, index)
        elif opened is not None and line.startswith("}"):
            yield opened, index
            opened = None


def check_c(path, text):
    kept = common.code(text)
    lines = kept.split("\n")
    for match in CALL.finditer(kept):
        yield f"{path}:{common.line_of(kept, match.start())}: {match.group(1)} is not used here"
    for first, last in functions(lines):
        size = last - first + 1
        if size > FUNCTION_LINES_MAX:
            yield f"{path}:{first + 1}: a function of {size} lines; at most {FUNCTION_LINES_MAX}"
        for index in range(first, last):
            if CONDITION.match(lines[index]):
                yield f"{path}:{index + 1}: conditional compilation inside a function"


def check_width(path, text):
    for index, line in enumerate(text.split("\n")):
        if len(line) > COLUMNS_MAX and " " in line:  # a checksum cannot be broken
            yield f"{path}:{index + 1}: {len(line)} columns; at most {COLUMNS_MAX}"


def check_flags(top, build):
    """The compiler refuses variable length arrays wherever it compiles for us."""
    commands = common.compile_commands(top, build)
    for path in common.files(top, ".c"):
        missing = VLA_FLAGS - set(commands.get(path, VLA_FLAGS))
        if missing:
            yield f"{path}:1: compiled without {' '.join(sorted(missing))}"


def check(top, build):
    wide = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", ".yml")
    for path in common.files(top):
        if path.endswith((".c", ".h")):
            yield from check_c(path, common.read(top, path))
        if path.endswith(wide) or common.is_shell(top, path):
            yield from check_width(path, common.read(top, path))
    yield from check_flags(top, build)


if __name__ == "__main__":
    common.run(check, "build")
