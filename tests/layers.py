#!/usr/bin/python3
"""Checks what the compiler cannot: the layering of src/, light headers, file sizes, and that the docs list
every failure reason and a test names it. `./dev check` and `./dev test` run it; it prints one line a problem and exits 1.

The order of FOLDERS is the layering: a folder may include itself and those before it, nothing else. The data
plane ends at gate/, so it cannot include config/."""

import pathlib
import re
import sys

FOLDERS = [
    "base", "crypto", "io", "tls", "redis", "http", "http1", "http2", "websocket", "telemetry", "routing",
    "access", "backends", "gate", "config", "control", "cli",
]

# Heavy standard headers, kept out of our headers for the sake of compile time.
BANNED_IN_HEADERS = {"functional", "iostream", "regex", "chrono"}

# What a header may take from outside besides the C++ standard library: the kernel's and libc's.
SYSTEM_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "net/")
SYSTEM_HEADERS = {
    "errno.h", "fcntl.h", "netdb.h", "poll.h", "pthread.h", "sched.h", "signal.h", "stddef.h", "stdint.h",
    "stdlib.h", "string.h", "time.h", "unistd.h", "emmintrin.h", "immintrin.h", "arm_neon.h",
}

# A library has one home; everything else reaches it through that folder's own types.
LIBRARY_HOMES = {
    "openssl/": {"crypto", "tls"},
    "ares": {"io"},
    "yaml.h": {"config"},
    "nghttp2/": {"http2"},
    "hiredis/": {"redis"},
    "sqlite3.h": {"control"},
    "curl/": {"control"},
    "spdlog/": {"control", "cli"},
    "CLI/": {"cli"},
}

TEST_LIBRARIES = {"gtest", "rapidcheck", "benchmark"}

MAX_LINES = 900
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def include_problems(folder, is_header, is_test, line):
    """The problems of one line of a file in src/FOLDER, as sentences."""
    match = INCLUDE.match(line)
    if not match:
        return []
    quoted, name = match.group(1) == '"', match.group(2)
    if quoted:
        target = name.split("/")[0]
        if is_test and target in TEST_LIBRARIES:
            return []
        if "/" not in name or target not in FOLDERS:
            return [f'include "{name}" by its folder: "folder/file.h"']
        if FOLDERS.index(target) > FOLDERS.index(folder):
            return [f"{folder}/ must not include {target}/, which stands below it"]
        return []
    problems = []
    for prefix, homes in LIBRARY_HOMES.items():
        if name.startswith(prefix) and folder not in homes and not is_test:
            problems.append(f"<{name}> belongs to {' and '.join(sorted(homes))}/")
    if is_header:
        standard = "/" not in name and "." not in name
        system = name.startswith(SYSTEM_FOLDERS) or name in SYSTEM_HEADERS
        if name in BANNED_IN_HEADERS:
            problems.append(f"<{name}> is too heavy for a header")
        elif not standard and not system:
            problems.append(f"<{name}> is a library's header: include it in a .cc")
    return problems


def file_problems(path, folder, text):
    """(line, problem) pairs of one source file."""
    lines = text.split("\n")
    problems = []
    if len(lines) > MAX_LINES:
        problems.append((MAX_LINES, f"{len(lines)} lines; at most {MAX_LINES}: split it by purpose"))
    # x.cc, x_test.cc and x_fuzz.cc share the comment of the x.h beside them.
    stem = re.sub(r"_(test|fuzz|bench)$", "", path.stem)
    explained = path.suffix == ".cc" and path.with_name(stem + ".h").exists()
    if not explained and not text.lstrip().startswith("//"):
        problems.append((1, "open the file with a comment: what it is for, who calls it, what it must never do"))
    is_test = path.stem.startswith("test_") or path.stem.endswith(("_test", "_bench", "_fuzz"))
    is_header = path.suffix == ".h" and not is_test  # test_world.h weighs on tests alone
    for number, line in enumerate(lines, 1):
        problems += [(number, p) for p in include_problems(folder, is_header, is_test, line)]
    return problems


def declared_reasons(header):
    names = re.findall(r"^\s*X\((\w+), \d+,", header, re.MULTILINE)
    return [name for name in names if name != "none"]  # success


def reason_problems(header, document):
    """docs/reasons.md has one heading for each reason of base/reason.h, and no other but perhaps `none`."""
    declared = declared_reasons(header)
    described = re.findall(r"^#+ `?([a-z][a-z_]*)`?\s*$", document, re.MULTILINE)
    problems = [f"no paragraph for {name}" for name in declared if name not in described]
    problems += [f"{name} is not a reason of base/reason.h"
                 for name in described if name not in declared + ["none"]]
    problems += [f"{name} stands twice" for name in sorted(set(described)) if described.count(name) > 1]
    return problems


def untested_reasons(header, tests):
    """The reasons that no text of tests names as a word of its own."""
    words = set()
    for text in tests:
        words.update(re.findall(r"\w+", text))
    return [name for name in declared_reasons(header) if name not in words]


def main(root):
    found = []
    files = sorted(p for p in (root / "src").rglob("*") if p.suffix in (".h", ".cc"))
    for path in files:
        place = path.relative_to(root)
        folder = place.parts[1]
        if folder not in FOLDERS:
            found.append(f"{place}: no such folder in the design; add it to the order in tests/layers.py")
            continue
        found += [f"{place}:{n}: {p}" for n, p in file_problems(path, folder, path.read_text())]
    reasons = root / "docs/reasons.md"
    if reasons.exists():
        header = (root / "src/base/reason.h").read_text()
        tests = [*(root / "src").rglob("*_test.cc"), *(root / "tests/e2e").glob("*.py")]
        found += [f"src/base/reason.h: no test produces {name}"
                  for name in untested_reasons(header, (test.read_text() for test in tests))]
        found += [f"docs/reasons.md: {p}" for p in reason_problems(header, reasons.read_text())]
    for line in found:
        print(line)
    print(f"layers: {len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(__file__).resolve().parent.parent))
