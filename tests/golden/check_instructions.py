"""How many instructions an event takes in each step, compared with what it took before.

Run: python3 check_instructions.py BUILD, the folder of a release build, whose line_bench is brought
up to date and run under callgrind, once a step. CHECKIT_GOLDEN=rewrite writes the file anew.

Instructions of our own code alone are counted, and its calls into libraries: so neither the
processor's speed nor the version of a library matters, nor which of several ways a library has for
this processor. The compiler does, and whether the processor has AVX2, for which our filter has a
way of its own: with another one there is nothing to compare, and the check is skipped (77).
"""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

EXPECTED = pathlib.Path(__file__).with_name("instructions.json")
RENEW = "CHECKIT_GOLDEN=rewrite ctest --test-dir build-dev -R instructions"
STEPS = ["decode", "canonical", "match"]
EVENTS, ENTRIES = 4096, 1000
TOLERANCE = 0.03
CALLS_APART = 0.05  # an event: less is chance, of keys that the filter passes by mistake
SKIPPED = 77


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


# --- the program --------------------------------------------------------------------------------


def cached(build, name):
    text = (build / "CMakeCache.txt").read_text("utf-8")
    return re.search(rf"(?m)^{name}:\w+=(.*)$", text).group(1)


def bring_up_to_date(build):
    if not (build / "CMakeCache.txt").exists():
        skip(f"there is no release build in {build}: ./dev build")
    flags = cached(build, "CMAKE_C_FLAGS")
    if cached(build, "CMAKE_BUILD_TYPE") != "Release" or flags:
        skip(f"{build} is no release build as it is shipped: its flags are '{flags}'")
    done = subprocess.run(["cmake", "--build", build, "--target", "line_bench"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"line_bench is not built:\n{done.stdout}")
    return build / "line_bench"


def processor():
    with open("/proc/cpuinfo") as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return platform.machine() + (" with avx2" if "avx2" in flags else "")


# --- counting -----------------------------------------------------------------------------------


def start(program, step, folder):
    """Collects inside the step alone. What comes before the events are gone through, which is as
    often as the schema lets wait, goes to a part of its own."""
    return subprocess.Popen(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / step}",
         "--compress-strings=no", "--compress-pos=no", f"--toggle-collect={step}_process",
         "--dump-before=run_batches", program, str(EVENTS), str(ENTRIES)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def count(path, program):
    """(instructions of the program's own code, its calls into libraries) of a profile."""
    instructions = calls = 0
    is_own = callee_is_own = False
    skips_cost = False
    for line in path.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and name == "ob":
            is_own = callee_is_own = value == str(program)
        elif equals and name == "fn":
            callee_is_own = is_own
        elif equals and name == "cob":
            callee_is_own = value == str(program)
        elif equals and name == "calls":
            calls += int(value.split()[0]) if is_own and not callee_is_own else 0
            callee_is_own, skips_cost = is_own, True
        elif re.match(r"\d+ \d+$", line):  # a source line and its cost; behind calls: the callee's
            instructions += int(line.split()[1]) if is_own and not skips_cost else 0
            skips_cost = False
    return instructions, calls


def measure(program):
    """(compiler, {step: {what: how many an event}})"""
    with tempfile.TemporaryDirectory(prefix="checkit-instructions-") as folder:
        folder = pathlib.Path(folder)
        running = {step: start(program, step, folder) for step in STEPS}
        steps = {}
        for step, process in running.items():
            out, err = process.communicate()
            if process.returncode != 0:
                sys.exit(f"line_bench under callgrind: exit {process.returncode}\n{err}")
            told = json.loads(out)
            instructions, calls = count(last_part(folder, step), program)
            if instructions == 0:
                sys.exit(f"callgrind saw no instruction in {step}_process")
            steps[step] = {"instructions": round(instructions / told["events"], 1),
                           "library_calls": round(calls / told["events"], 2)}
        return told["compiler"], steps


def last_part(folder, step):
    """The first is of what comes before, the last of what follows, numbered or not."""
    parts = sorted(folder.glob(f"{step}*"), key=lambda part: part.stat().st_mtime_ns)
    if len(parts) != 2:
        sys.exit(f"callgrind wrote {[part.name for part in parts]}, not two parts")
    return parts[-1]


# --- comparing ----------------------------------------------------------------------------------


def faults(expected, steps):
    for step in STEPS:
        for what, now in steps[step].items():
            before = expected["steps"][step][what]
            is_chance = what == "library_calls" and abs(now - before) <= CALLS_APART
            change = now / before - 1 if before else float(now > 0)
            if abs(change) > expected["tolerance"] and not is_chance:
                yield (f"{step}: {now} {what.replace('_', ' ')} an event, it was {before} "
                       f"({change:+.1%}, at most {expected['tolerance']:.0%}). "
                       f"If that is meant: {RENEW}")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    rewrite = os.environ.get("CHECKIT_GOLDEN") == "rewrite"
    expected = None if rewrite else json.loads(EXPECTED.read_text("utf-8"))
    if expected and expected["processor"] != processor():
        skip(f"counted on {expected['processor']}, this is {processor()}")
    compiler, steps = measure(bring_up_to_date(build))
    print(json.dumps(steps))
    if rewrite:
        EXPECTED.write_text(json.dumps({
            "renew": RENEW, "compiler": compiler, "processor": processor(),
            "tolerance": TOLERANCE, "steps": steps}, indent=1) + "\n")
        return
    if compiler != expected["compiler"]:
        skip(f"counted of what compiler {expected['compiler']} makes, this is {compiler}")
    told = list(faults(expected, steps))
    sys.exit("\n".join(told) if told else 0)


if __name__ == "__main__":
    main()
