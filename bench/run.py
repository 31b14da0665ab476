#!/usr/bin/python3
"""Measures Gatehouse beside nginx, haproxy and a bare relay, and writes the table to bench/results/.

`./dev bench` builds everything and runs all measures; `./dev bench cpu reload` runs those; `--list` names them.
Proxies run alone on one core, the load and the origin on the other, each proxy with one worker. Whatever is
compared is measured in turn within one run, several short rounds each, so that the machine's mood strikes all
alike; figures are medians, with the spread beside them. Nothing here passes or fails: it reports."""

import argparse
import datetime
import json
import pathlib
import platform
import subprocess
import sys

import measures_tls  # noqa: F401: it adds its own
from contenders import Bench
from measures import MEASURES

ROOT = pathlib.Path(__file__).resolve().parent.parent


def table(rows):
    """Rows of one measure as a markdown table: a line a figure, a column a contender."""
    names = []
    for row in rows:
        names += [name for name in row["values"] if name not in names]
    lines = ["| " + " | ".join(["figure", "goal", *names]) + " |", "|" + " --- |" * (len(names) + 2)]
    for row in rows:
        cells = [row["values"].get(name, "") for name in names]
        lines.append("| " + " | ".join([row["figure"], row.get("goal", ""), *cells]) + " |")
    return "\n".join(lines)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n")
                  if line.startswith("model name")), platform.machine())
    versions = []
    for command in (["nginx", "-v"], ["haproxy", "-v"]):
        done = subprocess.run(command, capture_output=True, text=True)
        versions.append((done.stdout + done.stderr).split("\n")[0].strip())
    return f"{model}, Linux {platform.release()}; {'; '.join(versions)}"


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", help="which to run; all by default")
    parser.add_argument("--list", action="store_true", help="name the measures")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a round (default 3)")
    parser.add_argument("--gatehouse", default=str(ROOT / "build/release/gatehouse"))
    parser.add_argument("--tools", default=str(ROOT / "build/bench/bench"))
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    if options.list:
        for name, measure in MEASURES.items():
            print(f"{name:12} {measure.__doc__.splitlines()[0]}")
        return 0
    chosen = options.measures or list(MEASURES)
    for name in chosen:
        if name not in MEASURES:
            parser.error(f"no measure '{name}'; --list names them")

    today = datetime.date.today().isoformat()
    report = [f"# Measured on {today}", "", machine(), "",
              f"{options.rounds} rounds of {options.seconds:g} s each, in turn; medians, and the spread from the "
              "lowest to the highest round.", ""]
    results = {}
    for name in chosen:
        print(f"-- {name}", file=sys.stderr, flush=True)
        with Bench(options) as bench:
            try:
                rows, raw = MEASURES[name](bench)
            except Exception as trouble:  # one measure that cannot run must not cost the others their results
                rows, raw = [{"figure": f"could not be measured: {trouble}", "values": {}}], {"error": repr(trouble)}
                print(f"   {trouble!r}", file=sys.stderr)
        results[name] = raw
        section = f"## {name}: {MEASURES[name].__doc__.splitlines()[0]}\n\n{table(rows)}\n"
        print(section, flush=True)
        report.append(section)
    if not options.no_write:
        folder = ROOT / "bench/results"
        folder.mkdir(exist_ok=True)
        stem = today if len(chosen) == len(MEASURES) else f"{today}-{'-'.join(chosen)}"
        (folder / f"{stem}.md").write_text("\n".join(report))
        (folder / f"{stem}.json").write_text(json.dumps(results, indent=1) + "\n")
        print(f"bench/results/{stem}.md", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
