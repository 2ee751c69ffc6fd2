"""The top level holds what the design names, and every folder has a README that opens with the
question it answers.
"""

import common

TOP_LEVEL = {
    "CHANGELOG.md", "CMakeLists.txt", "CMakePresets.json", "README.md", "benchmarks", "config",
    "dev", "docker-compose.yml", "operators", "pipeline", "schemas", "tests",
}

# Every file in there is an input of a fuzz target.
INPUTS = "tests/fuzz/corpus"


def check(top):
    listed = common.files(top)
    for name in sorted({path.partition("/")[0] for path in listed}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield f"{name}:1: the top level holds only {', '.join(sorted(TOP_LEVEL))}"

    folders = set()
    for path in listed:
        folder = common.folder_of(path)
        while folder and not folder.startswith("."):
            folders.add(folder)
            folder = common.folder_of(folder)
    for folder in sorted(folders):
        if f"{folder}/".startswith(f"{INPUTS}/"):
            continue
        readme = f"{folder}/README.md"
        if readme not in listed:
            yield f"{readme}:1: is missing"
            continue
        heading = common.read(top, readme).partition("\n")[0]
        if not (heading.startswith("# ") and heading.endswith("?")):
            yield f"{readme}:1: does not open with the question the folder answers"


if __name__ == "__main__":
    common.run(check)
