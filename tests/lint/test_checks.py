"""A check that cannot fail is a defect: each is given a small project that is in order, then one
fault at a time.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import unittest.mock

import format as format_check
import globals as globals_check
import headers
import layers
import layout
import pinned
import shell
import style
import text
import tidy

TOP = pathlib.Path(__file__).resolve().parents[2]


def header(guard, body=""):
    return f"#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


SOUND = {
    "CMakeLists.txt": "project(sound)\n",
    "README.md": "# sound\n",
    "dev": "#!/usr/bin/env bash\nset -e\necho sound\n",
    "operators/README.md": "# Which steps are there?\n",
    "operators/support/README.md": "# What are the steps built on?\n",
    "pipeline/README.md": "# What is handed on?\n",
    "pipeline/base/README.md": "# What needs the C library only?\n",
    "pipeline/run/README.md": "# What runs it?\n",
    "tests/README.md": "# How do we know?\n",
    "pipeline/base/low.h": header("CHECKIT_BASE_LOW_H", "#include <stdint.h>\nint low(void);"),
    "pipeline/base/low.c": '#include "pipeline/base/low.h"\n\nint low(void)\n{\n    return 1;\n}\n',
    "pipeline/middle.h": header("CHECKIT_MIDDLE_H", '#include "pipeline/base/low.h"'),
    "operators/support/kafka_internal.h": header("CHECKIT_KAFKA_INTERNAL_H"),
    "operators/support/store.h": header("CHECKIT_STORE_H"),
    "operators/one.h": header("CHECKIT_ONE_STEP_H", '#include "operators/support/store.h"'),
    "operators/one.c": '#include "operators/one.h"\n',
    "operators/two.h": header("CHECKIT_TWO_STEP_H"),
    "pipeline/run/line.c": '#include "operators/one.h"\n#include "operators/two.h"\n',
}


class Project:
    """A folder with files, and what they are compiled with."""

    def __init__(self, folder):
        self.top = pathlib.Path(folder).resolve()
        self.build = self.top / "build"
        self.build.mkdir()
        subprocess.run(["git", "init", "-q", str(self.top)], check=True)
        self.write(".gitignore", "/build/\n")
        for path, content in SOUND.items():
            self.write(path, content)
        self.compile_with("-Wall", "-Wvla", "-Werror")

    def write(self, path, content):
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(content, "utf-8")

    def compile_with(self, *flags):
        entries = [{"directory": str(self.build), "file": str(self.top / path),
                    "command": f"cc -I{self.top} {' '.join(flags)} -o x.o -c {self.top / path}"}
                   for path in SOUND if path.endswith(".c")]
        (self.build / "compile_commands.json").write_text(json.dumps(entries), "utf-8")

    def library(self, source):
        (self.build / "thing.c").write_text(source, "utf-8")
        subprocess.run(["gcc", "-fPIC", "-c", "thing.c", "-o", "thing.c.o"], cwd=self.build,
                       check=True)
        subprocess.run(["ar", "rcs", "libthing.a", "thing.c.o"], cwd=self.build, check=True)
        return str(self.build / "libthing.a")


class Checks(unittest.TestCase):
    def setUp(self):
        with contextlib.ExitStack() as stack:
            self.project = Project(stack.enter_context(tempfile.TemporaryDirectory()))
            cache = {"CHECKIT_CACHE": str(self.project.build / "cache")}
            stack.enter_context(unittest.mock.patch.dict(os.environ, cache))
            self.addCleanup(stack.pop_all().close)

    def faults_of(self, check):
        top, build = self.project.top, self.project.build
        if check in (style.check, headers.check, tidy.check):
            return list(check(top, build))
        return list(check(top))

    def expect_sound(self, check):
        self.assertEqual(self.faults_of(check), [])

    def expect_fault(self, check, said, path, content):
        """Writing this file makes one fault, which says so; without it there was none."""
        there = self.project.top / path
        before = there.read_text("utf-8") if there.exists() else None
        self.expect_sound(check)
        self.project.write(path, content)
        with self.subTest(path=path, content=content[:60]):
            faults = self.faults_of(check)
            self.assertEqual(len(faults), 1, faults)
            self.assertIn(said, faults[0])
        if before is None:
            there.unlink()
        else:
            self.project.write(path, before)

    def test_layers(self):
        for said, path, include in (
                ("is above", "pipeline/base/low.c", '"pipeline/middle.h"'),
                ("is above", "pipeline/middle.c", '"operators/support/store.h"'),
                ("is above", "operators/support/store.c", '"operators/one.h"'),
                ("is above", "operators/one.c", '"pipeline/run/line.h"'),
                ("another operator", "operators/one.c", '"operators/two.h"'),
                ("of no layer", "pipeline/middle.c", '"tests/fake.h"'),
                ("no file of the project", "operators/one.c", '"one.h"'),
                ("for the files of kafka only", "operators/support/store.c",
                 '"operators/support/kafka_internal.h"'),
                ("belongs to operators/support/store", "operators/support/kafka.c",
                 "<rocksdb/c.h>"),
                ("belongs to operators/support/kafka", "pipeline/run/line.c",
                 "<librdkafka/rdkafka.h>"),
                ("belongs to operators/support/kafka", "operators/support/kafkaesque.c",
                 "<librdkafka/rdkafka.h>"),
                ("of no library known", "operators/support/store.c", "<zmq.h>"),
                ("that is not", "operators/support/store.c", "HEADER")):
            self.project.write("pipeline/run/line.h", header("CHECKIT_LINE_H"))
            self.project.write("tests/fake.h", header("CHECKIT_TESTS_FAKE_H"))
            self.expect_fault(layers.check, said, path, f"int a;\n  # include  {include}\n")

    def test_layers_of_what_may_be(self):
        for path, content in (
                ("operators/support/kafka_consumer.c",
                 "#include <librdkafka/rdkafka.h>\n"
                 '#include "operators/support/kafka_internal.h"\n'),
                ("tests/unit/test_store.c",
                 '#include <zmq.h>\n#include "operators/two.h"\n'),
                ("operators/one.c",
                 '/* #include "operators/two.h" */\n// #include <zmq.h>\n')):
            self.project.write(path, content)
            self.expect_sound(layers.check)

    def test_layers_of_a_folder_nobody_named(self):
        self.expect_fault(layers.check, "C stands in", "schemas/code.c", "")
        self.expect_fault(layers.check, "C stands in", "pipeline/deep/er.h", "")

    def test_layout(self):
        self.project.write("tests/fuzz/README.md", "# What?\n")
        self.project.write("tests/fuzz/corpus/datum/empty", "")
        self.expect_fault(layout.check, "top level", "notes.md", "# What?\n")
        self.expect_fault(layout.check, "missing", "pipeline/deep/er.h", "")
        self.expect_fault(layout.check, "missing", "tests/fuzz/corpora/a", "")
        self.expect_fault(layout.check, "question", "pipeline/README.md", "# Pipeline\n")
        self.expect_fault(layout.check, "question", "pipeline/README.md", "What is it?\n")

    def test_style_of_functions(self):
        def function(lines):
            signature = "static int a(int b,\n             int c)\n"
            return signature + "{\n" + "    b++;\n" * (lines - 4) + "}\n"
        self.project.write("pipeline/middle.c", "struct a {\n" + "    int b;\n" * 80 + "};\n\n"
                           + function(70) + "\n" + function(70))
        self.expect_fault(style.check, "of 71 lines", "pipeline/middle.c",
                          "int d;\n" + function(71))

    def test_style_of_calls_and_conditions(self):
        quiet = ('/* strcpy(a) */\nconst char *a = "gets(b)";\nint my_atoi(int);\n'
                 "#ifdef A\n#endif\n")
        self.project.write("pipeline/middle.c", quiet)
        for call in style.FORBIDDEN:
            self.expect_fault(style.check, f"{call} is not", "pipeline/middle.c",
                              quiet + f"int b(void)\n{{\n    return {call} (1);\n}}\n")
        self.expect_fault(style.check, "conditional", "pipeline/middle.c",
                          "int b(void)\n{\n# ifdef A\n    return 1;\n}\n")

    def test_style_of_lines(self):
        self.project.write("pipeline/middle.c", f"/* {'é' * 94} */\n")  # columns, not bytes
        self.expect_fault(style.check, "101 columns", "pipeline/middle.c", f"/* {'a' * 95} */\n")
        self.expect_fault(style.check, "101 columns", "dev", f"#!/bin/sh\necho {'a' * 96}\n")
        self.expect_fault(style.check, "101 columns", "tests/a.py", f"a = '{'a' * 95}'\n")

    def test_style_of_flags(self):
        self.expect_sound(style.check)
        for flags in (("-Wall", "-Werror"), ("-Wvla",)):
            self.project.compile_with(*flags)
            self.assertIn("compiled without", self.faults_of(style.check)[0])

    def test_text(self):
        for said, content in (
                ("left to do", "a TO" "DO: b"),
                ("left to do", "FIX" "ME"),
                ("registry", "see registry" ".npm" "js.org"),
                ("registry", "https://py" "pi.org/simple"),
                ("registry", "deb http://deb" ".debian.org/debian"),
                ("registry", "repo1" ".maven.org"),
                ("registry", "ghcr" ".io/a/b"),
                ("machine", "/ho" "me/a/b"),
                ("machine", "cd /wo" "rk/main"),
                ("machine", "'/ro" "ot/.cache'"),
                ("machine", "see .." "/shared/RULES.md")):
            self.expect_fault(text.check, said, "pipeline/README.md", f"# What?\n\n{content}\n")

    def test_pinned(self):
        def maven(version):
            return ('<project xmlns="http://maven.apache.org/POM/4.0.0"><properties><a>1.2</a>'
                    "</properties><dependencies><dependency><artifactId>b</artifactId>"
                    f"{version}</dependency></dependencies></project>")
        cargo, pom = "tests/Cargo.toml", "tests/pom.xml"
        for path, sound in ((cargo, '[dependencies]\na = "=1.2.3"\n'), (pom, maven(
                "<version>${a}</version>")), ("tests/requirements.txt", "# why\na==1.2\n")):
            self.project.write(path, sound)
        for path, content in (
                (cargo, '[dependencies]\na = "1.2.3"\n'),
                (cargo, '[dependencies]\na = { version = "=1.*" }\n'),
                (cargo, '[dependencies]\na = { git = "b" }\n'),
                (pom, maven("")),
                (pom, maven("<version>[1,2)</version>")),
                (pom, maven("<version>${c}</version>")),
                ("tests/requirements.txt", "a>=1.2\n")):
            self.expect_fault(pinned.check, "not an exact version", path, content)
        self.expect_fault(pinned.check, "(", cargo, "[dependencies\n")
        self.expect_fault(pinned.check, "no element", pom, "<project>")
        self.expect_fault(pinned.check, "never closed", "tests/a.py", "a = (1\n")

    def test_headers(self):
        path = "pipeline/middle.h"
        guard = "CHECKIT_MIDDLE_H"
        for said, content in (
                ("does not compile alone", header(guard, "uint8_t middle(void);")),
                ("does not compile alone", header(guard, '#include "pipeline/none.h"')),
                ("guard is not", header("CHECKIT_OTHER_H")),
                ("guard is not", "#pragma once\n"),
                ("guard is not", f"#ifndef {guard}\n#define CHECKIT_X_H\n#endif\n"),
                ("does not span", header(guard) + "int after(void);\n")):
            self.expect_fault(headers.check, said, path, content)
        self.expect_fault(headers.check, "has the guard of", "pipeline/run/middle.h",
                          header("CHECKIT_MIDDLE_H"))

    def test_headers_twice(self):
        self.expect_fault(headers.check, "redefinition", "pipeline/middle.h",
                          "/* no guard */\nstruct a {\n    int b;\n};\n"
                          .replace("/* no guard */", "#ifndef CHECKIT_MIDDLE_H\n"
                                   "#define CHECKIT_MIDDLE_H\n#endif\n#if 1") + "#endif\n")

    def test_globals(self):
        def faults(source):
            return list(globals_check.check(self.project.top, [self.project.library(source)]))
        sound = ("const int a = 1;\nconst char *const b[] = {\"c\"};\nvoid d(void);\n"
                 "void d(void)\n{\n    static int log_place_;\n    log_place_++;\n}\n")
        self.assertEqual(faults(sound), [])
        for source in ("int a;", "static int a = 1;\nint *b(void) { return &a; }", "const char *a;",
                       "_Thread_local int a;", "_Thread_local int a = 1;",
                       "int b(void) { static int a; return a++; }", "int b(void) { return 0; }\n"
                       "const char *a[] = {\"c\"};", "static int settings;\nint b(void);\n"
                       "int b(void) { return settings++; }"):
            with self.subTest(source):
                self.assertEqual(len(faults(source)), 1)
        self.assertIn("define nothing", faults("")[0])

    def test_format(self):
        self.project.write(".clang-format", (TOP / ".clang-format").read_text("utf-8"))
        self.expect_fault(format_check.check, "clang-format", "pipeline/base/low.c",
                          "int low( void )\n{\n  return 1;\n}\n")

    def test_shell(self):
        self.expect_fault(shell.check, "syntax error", "tests/a.sh", "#!/bin/bash\nif true\n")
        self.expect_fault(shell.check, "SC2086", "dev", "#!/usr/bin/env bash\nrm $1\n")

    def test_tidy(self):
        self.project.write(".clang-tidy", (TOP / ".clang-tidy").read_text("utf-8"))
        path = "pipeline/base/low.c"
        self.expect_fault(tidy.check, "null pointer", path,
                          "int low(void);\nint low(void)\n{\n    int *a = 0;\n    return *a;\n}\n")
        self.expect_fault(tidy.check, "bugprone-", path,
                          "#include <string.h>\nint low(void);\nint low(void)\n{\n    char a[8];\n"
                          "    memset(a, sizeof a, 0);\n    return a[0];\n}\n")
        self.expect_sound(tidy.check)  # by what is remembered

    def test_tidy_of_a_header(self):
        """What is remembered of a source ends when a header of its changes."""
        self.project.write(".clang-tidy", (TOP / ".clang-tidy").read_text("utf-8"))
        self.expect_fault(tidy.check, "low.h", "pipeline/base/low.h", header(
            "CHECKIT_BASE_LOW_H", "int low(void);\nstatic inline int a(int b)\n{\n"
                                  "    if (b)\n        b++;\n        b++;\n    return b;\n}"))

    def test_tidy_of_what_is_not_compiled(self):
        self.project.write(".clang-tidy", (TOP / ".clang-tidy").read_text("utf-8"))
        self.expect_fault(tidy.check, "is not compiled", "pipeline/new.c", "\n")


if __name__ == "__main__":
    unittest.main()
