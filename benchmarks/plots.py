"""SVG plots of the results, by gnuplot; beside the files they are made of."""

import json
import shutil
import statistics
import subprocess
import sys

from figures import RESULTS

BARE, OURS = "#9aa5b1", "#1f6feb"
COLOURS = [OURS, "#d1721f", "#2e8b57", "#8250df", "#c0392b"]


def load(name):
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def text(words):
    return '"' + str(words).replace("\\", "").replace('"', "'") + '"'


def data(name, rows):
    """A table inside the script."""
    lines = [" ".join(text(value) if isinstance(value, str) else f"{value:.6g}" for value in row)
             for row in rows]
    return "\n".join([f"${name} << END", *lines, "END"])


def draw(name, *script, width=900, height=480):
    """All of it or the plot there was: gnuplot tells what it minds."""
    path = RESULTS / f"{name}.svg"
    head = [f"set terminal svg size {width},{height} noenhanced background rgb 'white'",
            "set grid y lc rgb '#d0d7de'", "set border 3", "set tics nomirror"]
    done = subprocess.run(["gnuplot"], input="\n".join([*head, *script]), text=True,
                          capture_output=True)
    if done.returncode != 0 or not done.stdout.rstrip().endswith("</svg>"):
        sys.exit(f"bench: gnuplot: {name}: {done.stderr}")
    path.write_text(done.stdout)
    return path


def title(words, results):
    """With the machine, the day and the commit below."""
    commit, _, changes = results["commit"].partition(" ")
    about = f"{results['machine']['cores']} cores, {results['when'][:10]}, {commit[:12]} {changes}"
    return f'set title "{words}\\n{about.strip()}"'


# --- cases --------------------------------------------------------------------------------------


def bars(results, words, unit, values):
    """Two bars a case, medians, with lines from the least to the most; values of a row of runs."""
    subjects = {}
    for row in results["cases"]:
        told = [values(run) for run in row["runs"]]
        subjects.setdefault(row["case"], {})[row["subject"]] = (
            statistics.median(told), min(told), max(told))
    rows = [(case, *both["bare"], *both["checkit"]) for case, both in subjects.items()]
    return [
        data("cases", rows),
        title(words, results), f"set ylabel {text(unit)}",
        "set yrange [0:*]", "set style data histograms",
        "set style histogram errorbars gap 1 lw 1", "set style fill solid border -1",
        "set bars 0.6", "set xtics rotate by -35", "set key top right",
        f"plot $cases using 2:3:4:xtic(1) title 'bare consumer' lc rgb '{BARE}', "
        f"'' using 5:6:7 title 'checkit screen' lc rgb '{OURS}'"]


def draw_cases(results):
    width = 300 + 70 * len({row["case"] for row in results["cases"]})
    draw("throughput", *bars(results, "Events screened", "million events/s",
                             lambda run: run["events_per_s"] / 1e6), width=width)
    draw("cost", *bars(results, "Processor time, user and system", "ns an event",
                       lambda run: run["cpu_ns_per_event"]), width=width)
    draw("memory", *bars(results, "Peak memory of the process", "MB",
                         lambda run: run["peak_mb"]), width=width)
    ours = [row for row in results["cases"] if row["subject"] == "checkit"]
    draw("ratio",
         data("ratios", [(row["case"], row["throughput_ratio_to_bare"], row["cpu_ratio_to_bare"])
                         for row in ours]),
         title("As a ratio to the bare consumer", results),
         "set yrange [0:*]", "set style data histograms", "set style histogram clustered gap 1",
         "set style fill solid border -1", "set xtics rotate by -35", "set key top left",
         "set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#57606a' dt 2",
         f"plot $ratios using 2:xtic(1) title 'throughput' lc rgb '{OURS}', "
         f"'' using 3 title 'processor time' lc rgb '{COLOURS[1]}'", width=width)


def draw_operators(results):
    sizes = results["operators"]
    steps = [step for step in next(iter(sizes.values()))["ns_per_event"] if step != "all"]
    rows = [(size, *(told["ns_per_event"][step] for step in steps))
            for size, told in sizes.items()]
    parts = [f"'' using {at + 2}{':xtic(1)' if at == 0 else ''} title {text(step)}"
             f" lc rgb '{COLOURS[at % len(COLOURS)]}'" for at, step in enumerate(steps)]
    parts[0] = parts[0].replace("''", "$operators", 1)
    draw("operators", data("operators", rows),
         title("What an event costs in each step", results),
         "set ylabel 'ns of processor time an event'", "set xlabel 'entries in the list'",
         "set yrange [0:*]", "set style data histograms", "set style histogram rowstacked",
         "set style fill solid border -1", "set boxwidth 0.5", "set key outside right",
         "plot " + ", ".join(parts), width=620)


# --- latency ------------------------------------------------------------------------------------


def draw_latency(results):
    """For each load, which share of alerts took longer than so many milliseconds."""
    tables, parts = [], []
    for at, load_ in enumerate(results["loads"]):
        alerts = load_["alerts"]
        left, rows = alerts, []
        for upper_us, count in load_["histogram_us"]:
            left -= count
            rows.append((upper_us / 1000, max(left / alerts, 0.3 / alerts)))
        tables.append(data(f"load{at}", rows))
        parts.append(f"$load{at} using 1:2 with steps lw 2 lc rgb '{COLOURS[at % len(COLOURS)]}' "
                     f"title {text(load_['name'])}")
    draw("latency", *tables,
         title("From an event to its alert at a subscriber", results),
         "set logscale xy", "set xlabel 'ms'", "set ylabel 'share of alerts that took longer'",
         "set format y '%g'", "set grid x y lc rgb '#d0d7de'", "set key bottom left",
         "set yrange [*:1]", "plot " + ", ".join(parts))


# --- scaling ------------------------------------------------------------------------------------


def draw_scaling(results):
    rows = results["rows"]
    workers = sorted({row["workers"] for row in rows})
    tables, parts = [], []
    for subject, style in (("checkit", "lw 2 pt 7"), ("bare", "lw 1 pt 4")):
        for at, count in enumerate(workers):
            told = sorted((row["partitions"], row["cpu_ns_per_event"],
                           min(run["cpu_ns_per_event"] for run in row["runs"]),
                           max(run["cpu_ns_per_event"] for run in row["runs"]))
                          for row in rows if (row["subject"], row["workers"]) == (subject, count))
            if not told:
                continue
            tables.append(data(f"{subject}{count}", told))
            label = f"{subject}, {count} worker{'s' if count > 1 else ''}"
            parts.append(f"${subject}{count} using 1:2:3:4 with yerrorlines {style} "
                         f"lc rgb '{COLOURS[at % len(COLOURS)]}' title {text(label)}")
    ticks = ", ".join(str(count) for count in sorted({row["partitions"] for row in rows}))
    draw("scaling", *tables,
         title("What an event costs, by partitions and workers", results),
         "set logscale x 2", "set xrange [0.9:72]", f"set xtics ({ticks})",
         "set xlabel 'partitions'",
         "set ylabel 'ns of processor time an event'", "set yrange [0:*]",
         "set key outside right", "plot " + ", ".join(parts))


def draw_all():
    if not shutil.which("gnuplot"):
        print("bench: no plots: gnuplot is not there (Debian package gnuplot-nox)",
              file=sys.stderr)
        return
    latest = load("latest.json")
    if latest and latest["cases"] and "peak_mb" in latest["cases"][0]["runs"][0]:
        draw_cases(latest)
    if latest and latest.get("operators"):
        draw_operators(latest)
    if latency := load("latency.json"):
        draw_latency(latency)
    if scaling := load("scaling.json"):
        draw_scaling(scaling)
    print(f"bench: plots: {RESULTS.name}/*.svg", file=sys.stderr)
