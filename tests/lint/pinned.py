"""What is fetched has an exact version, wherever one is named: Cargo.toml, pom.xml,
requirements.txt. And Python is read by Python.
"""

import re
import tomllib
import xml.etree.ElementTree

import common

MAVEN = {"m": "http://maven.apache.org/POM/4.0.0"}
EXACT = re.compile(r"\d[\w.-]*")


def check_cargo(path, text):
    try:
        wanted = tomllib.loads(text).get("dependencies", {})
    except tomllib.TOMLDecodeError as why:
        yield f"{path}:1: {why}"
        return
    for name, value in wanted.items():
        version = value.get("version", "") if isinstance(value, dict) else value
        if not (version.startswith("=") and EXACT.fullmatch(version[1:])):
            yield f"{path}:1: {name} '{version}': not an exact version, such as =1.2.3"


def check_maven(path, text):
    try:
        project = xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as why:
        yield f"{path}:1: {why}"
        return
    properties = {f"${{{entry.tag.partition('}')[2]}}}": entry.text
                  for entry in project.iterfind("m:properties/*", MAVEN)}
    for dependency in project.iterfind("m:dependencies/m:dependency", MAVEN):
        name = dependency.findtext("m:artifactId", namespaces=MAVEN)
        version = dependency.findtext("m:version", "", MAVEN)
        version = properties.get(version, version)
        if not EXACT.fullmatch(version):
            yield f"{path}:1: {name} '{version}': not an exact version, such as 1.2.3"


def check_pip(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        wanted = line.partition("#")[0].strip()
        if wanted and not re.fullmatch(r"[\w.-]+==\d[\w.-]*", wanted):
            yield f"{path}:{number}: {wanted}: not an exact version, such as NAME==1.2.3"


def check_python(path, text):
    try:
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as why:
        yield f"{path}:{why.lineno}: {why.msg}"


CHECKS = {"Cargo.toml": check_cargo, "pom.xml": check_maven, "requirements.txt": check_pip,
          ".py": check_python}


def check(top):
    for path in common.files(top, tuple(CHECKS)):
        text = common.read(top, path)
        for ending, check_file in CHECKS.items():
            if path.endswith(ending):
                yield from check_file(path, text)


if __name__ == "__main__":
    common.run(check)
