"""Reads refused.txt and accepted.txt, whose first lines say how they are written.

Used by the end-to-end tests, and run by itself to write seeds for the fuzzers:
    python3 tests/golden/http1/cases.py tests/fuzz
"""
import pathlib
import re
import sys
from dataclasses import dataclass, field

FOLDER = pathlib.Path(__file__).resolve().parent
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)")
SIMPLE = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"s": b" "}


@dataclass
class Case:
    name: str
    data: bytes = b""
    keys: list[tuple[str, bytes]] = field(default_factory=list)

    def get(self, key: str, absent: str = "") -> str:
        return next((value.decode("latin-1") for name, value in self.keys if name == key), absent)


def undo_escapes(text: bytes) -> bytes:
    def one(match: re.Match) -> bytes:
        what = match[1]
        if len(what) == 3:
            return bytes([int(what[1:], 16)])
        return SIMPLE.get(what, what)

    return ESCAPE.sub(one, text)


def read_cases(name: str) -> list[Case]:
    cases: list[Case] = []
    for line in (FOLDER / name).read_bytes().split(b"\n"):
        if line.startswith(b"== "):
            cases.append(Case(line[3:].decode()))
        elif line.startswith(b">* "):
            times, text = line[3:].split(b" ", 1)
            cases[-1].data += undo_escapes(text) * int(times)
        elif line.startswith(b"> "):
            cases[-1].data += undo_escapes(line[2:])
        elif line.startswith(b"@ "):
            key, _, value = line[2:].partition(b" ")
            cases[-1].keys.append((key.decode(), undo_escapes(value)))
    return cases


RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nFoo: bar\r\n\r\n",
    b"HTTP/1.1 204\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
]


def write_seeds(folder: pathlib.Path) -> None:
    """Small seeds only: one file for each way a message can be understood or refused is plenty to mutate."""
    messages, targets = set(), set()
    for case in read_cases("accepted.txt")[::2] + read_cases("refused.txt")[::12]:
        if len(case.data) < 600:
            messages.add(b"\x00" + case.data)
    messages.update(b"\x01" + response for response in RESPONSES)
    for case in read_cases("accepted.txt") + read_cases("refused.txt"):
        if case.get("path") or case.get("at") in ("target", "paths"):
            targets.add(case.data.split(b" ")[1])
    for target, seeds in (("codec_fuzz", messages), ("target_fuzz", sorted(targets)[::2])):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(sorted(seeds)):
            (folder / target / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    write_seeds(pathlib.Path(sys.argv[1]))
