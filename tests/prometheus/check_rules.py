"""Alert rules and dashboard: Prometheus understands them, every alert is tested, and they name only
metrics that there are.

Run: python3 check_rules.py. Needs PyYAML and promtool.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
RULES = TOP / "config" / "prometheus" / "rules.yml"
PROMETHEUS = TOP / "config" / "prometheus" / "prometheus.yml"
TESTS = TOP / "tests" / "prometheus" / "rules_test.yml"
METRICS = TOP / "tests" / "golden" / "metrics.txt"
DASHBOARD = TOP / "config" / "grafana" / "checkit.json"
PROMTOOL = os.environ.get("PROMTOOL", "promtool")
COLUMNS = 24  # Grafana's grid
TIMEOUT_S = 60


def promtool(*arguments, text=None):
    """(exit code, everything it said)"""
    done = subprocess.run([PROMTOOL, *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=TIMEOUT_S)
    return done.returncode, done.stdout + done.stderr


def names_in(text):
    """Metrics an expression speaks of; recorded ones (a:b) are none of the program's."""
    return set(re.findall(r"(?<![\w:])(?:checkit|process)_[a-z0-9_]+(?![\w:])", text))


def rules():
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def metrics():
    """The names of all samples."""
    return {re.split(r"[{ ]", line)[0] for line in METRICS.read_text("utf-8").splitlines()
            if not line.startswith("#")}


def expressions(node):
    """Every PromQL expression in a dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "expr":
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


class Rules(unittest.TestCase):
    def test_prometheus_takes_rules_and_configuration(self):
        for arguments in (("check", "rules", RULES), ("check", "config", PROMETHEUS)):
            code, said = promtool(*arguments)
            self.assertEqual(code, 0, said)

    def test_every_alert_fires_when_it_should(self):
        code, said = promtool("test", "rules", TESTS)
        self.assertEqual(code, 0, said)

    def test_every_alert_has_a_test(self):
        alerts = {rule["alert"] for rule in rules() if "alert" in rule}
        self.assertGreater(len(alerts), 10)
        tested = set(re.findall(r'alertname="(\w+)"', TESTS.read_text("utf-8")))
        self.assertEqual(alerts, tested)

    def test_every_alert_says_what_it_means_and_what_to_do(self):
        for rule in rules():
            if "alert" not in rule:
                continue
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"), rule["alert"])
            self.assertEqual(set(rule["annotations"]), {"summary", "meaning", "action"},
                             rule["alert"])

    def test_they_name_only_metrics_there_are(self):
        for rule in rules():
            self.assertEqual(names_in(rule["expr"]) - metrics(), set(), rule)
            for annotation in rule.get("annotations", {}).values():
                self.assertEqual(names_in(annotation) - metrics(), set(), rule)

    def test_a_misspelt_metric_would_be_found(self):
        self.assertEqual(names_in("sum(checkit_record_total) / checkit:lag_seconds") - metrics(),
                         {"checkit_record_total"})


class Metrics(unittest.TestCase):
    def test_promtool_finds_nothing_odd(self):
        self.assertEqual(promtool("check", "metrics", text=METRICS.read_text("utf-8")), (0, ""))


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.dashboard = json.loads(DASHBOARD.read_text("utf-8"))
        self.panels = self.dashboard["panels"]

    def test_it_names_only_metrics_there_are(self):
        used = set()
        for expression in expressions(self.dashboard):
            used |= names_in(expression)
        for variable in self.dashboard["templating"]["list"]:
            used |= names_in(str(variable.get("definition", "")))
        self.assertGreater(len(used), 30)
        self.assertEqual(used - metrics(), set())

    def test_every_expression_is_promql(self):
        """As recording rules, with what Grafana fills in."""
        filled = [re.sub(r"\$(job|instance)\b", "a", re.sub(r"\$__\w+", "5m", expression))
                  for expression in expressions(self.dashboard)]
        self.assertGreater(len(filled), 40)
        rules = [{"record": f"a:b{number}", "expr": expression}
                 for number, expression in enumerate(filled)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, file)
            file.flush()
            code, said = promtool("check", "rules", file.name)
        self.assertEqual(code, 0, said)

    def test_panels_have_places_of_their_own(self):
        taken = {}
        for panel in self.panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], COLUMNS, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    other = taken.setdefault((x, y), panel["title"])
                    self.assertEqual(other, panel["title"])
        self.assertEqual(len({panel["id"] for panel in self.panels}), len(self.panels))

    def test_every_panel_asks_the_chosen_prometheus_and_explains_itself(self):
        for panel in self.panels:
            if panel["type"] == "row":
                continue
            self.assertTrue(panel["description"], panel["title"])
            self.assertTrue(panel["targets"], panel["title"])
            for source in [panel["datasource"], *(one["datasource"] for one in panel["targets"])]:
                self.assertEqual(source, {"type": "prometheus", "uid": "${datasource}"})


if __name__ == "__main__":
    unittest.main()
