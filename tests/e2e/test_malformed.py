"""Ten thousand requests that are wrong or can be read in two ways, and thousands of tampered tokens: none reaches
a backend, each gets one clean 4xx or a close, and the gate serves on."""

import json
import random
import sys

import pytest

import malformed
from gate import ROOT
from malformed import SMUGGLED, distinct, send_all
from test_access import ISSUER, JWT_GATE, ORDERS, READ, TAMPERED
from tokens import ALGORITHMS

sys.path.insert(0, str(ROOT / "tests/golden/http1"))
from cases import read_cases  # noqa: E402


def trouble(request, answer):
    """What is wrong with an answer that must be one clean refusal; None when nothing is."""
    head, end, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if not head.startswith(b"HTTP/1.1 4") or not end:
        return "no 4xx"
    if request.startswith(b"HEAD "):
        return "a body for HEAD" if body else None
    if fields.get(b"content-type") != b"application/problem+json":
        return "no problem body"
    if int(fields.get(b"content-length", b"-1")) != len(body):
        return "not one answer"
    if json.loads(body)["status"] != int(head[9:12]):
        return "two statuses"
    return None


def check_refused(requests, answers):
    found = [(what, request, answer[:300]) for request, answer in zip(requests, answers, strict=True)
             if (what := trouble(request, answer))]
    assert not found, (len(found), found[:10])


def golden(*stages):
    return [case.data for case in read_cases("refused.txt") if case.get("at", "head") in stages]


def test_ten_thousand_malformed_requests(shared_gate):
    backend = shared_gate.backends[0]
    unclear = [*golden("head"), *distinct([*malformed.request_line_faults(), *malformed.header_faults(),
                                           *malformed.framing_faults(), *malformed.host_faults()], 9, seed=1)]
    # Behind these the next request begins where everybody thinks it does, so it would be served.
    clear = [*golden("target", "paths", "gate"), *distinct(malformed.target_faults(), 9, seed=2)]
    requests = [*(data + SMUGGLED for data in unclear), *clear]
    assert len(set(requests)) >= 10_000
    check_refused(requests, send_all(shared_gate.port, requests))
    assert backend.requests == []
    assert shared_gate.get("/after").status == 200
    backend.requests.clear()


def test_requests_cut_short(shared_gate):
    """Wherever the client stops: what was not a whole request is never one to a backend."""
    backend = shared_gate.backends[0]
    whole = [b"GET /a?b HTTP/1.1\r\nHost: gate.test\r\nAccept: */*\r\nX-A: 1\r\n\r\n",
             b"POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 20\r\n\r\n",
             b"PUT /x HTTP/1.1\r\nhost: gate.test\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"]
    requests = [request[:cut] for request in whole for cut in range(1, len(request))]
    for request, answer in zip(requests, send_all(shared_gate.port, requests), strict=True):
        assert not answer or trouble(request, answer) is None, (request, answer)
    assert backend.requests == []


def test_broken_bodies_are_never_whole(shared_gate):
    """The head may be on its way before the body turns out wrong; then the backend's request ends in an error."""
    backend = shared_gate.backends[0]
    chance = random.Random(3)
    bodies = [data.split(b"\r\n\r\n", 1)[1] for data in golden("body")]
    good = [b"", b"5\r\nhello\r\n", b"1;a=b\r\nx\r\n2\r\nyz\r\n"]
    requests = [b"%s /%d HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n" % (method, number)
                + chance.choice(good) + body + SMUGGLED
                for body in bodies for number, method in enumerate([b"POST", b"PUT", b"PATCH"])]
    for request, answer in zip(requests, send_all(shared_gate.port, requests), strict=True):
        assert not answer or trouble(request, answer) is None, (request, answer)
    assert not any(request.is_complete or request.target == "/smuggled" for request in backend.requests)
    backend.requests.clear()


def test_mutations_of_the_corpus(shared_gate):
    """Some are still right. What reaches the backend is a request by its strict reader, and was allowed: the
    books at the gate's end say so."""
    folder = ROOT / "tests/fuzz/codec_fuzz"
    seeds = [seed.read_bytes()[1:] for seed in sorted(folder.iterdir()) if seed.read_bytes()[:1] == b"\0"]
    seeds += golden("head", "body", "target", "paths", "gate", "incomplete")
    seeds += [case.data for case in read_cases("accepted.txt")]
    requests = malformed.mutations([seed for seed in seeds if len(seed) < 2000], 6000, seed=4)
    answers = send_all(shared_gate.port, requests)
    for request, answer in zip(requests, answers, strict=True):
        assert not answer or answer.startswith(b"HTTP/1.1 "), (request, answer)
        assert b"HTTP/1.1 5" not in answer, (request, answer)
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) > 3000
    assert not shared_gate.backends[0].unparsed
    assert shared_gate.get("/after").status == 200


# --- Tokens ----------------------------------------------------------------------------------------------------


def tampered_tokens(algorithm):
    """One good token with a character changed, lost or doubled, at every place: all of it is signed, so none is
    good, not even where base64 would give the same bytes (RFC 4648 §3.5)."""
    token, chance = ISSUER.token(algorithm, **READ), random.Random(5)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    made = set()
    for at, was in enumerate(token):
        made.add(token[:at] + chance.choice(alphabet.replace(was, "")) + token[at + 1:])
        made.add(token[:at] + alphabet[(alphabet.index(was) + 1) % 64] + token[at + 1:])
        made.add(token[:at] + token[at + 1:])
        made.add(token[:at] + was + token[at:])
        made.add(token[:at])
    return sorted(made - {token, ""})


@pytest.fixture(scope="module")
def token_gate(make_shared):
    make_gate, make_backend = make_shared
    backend = make_backend()
    return make_gate({"services/orders.yaml": ORDERS, "jwks.json": ISSUER.jwks()}, [backend],
                     gate=JWT_GATE % ", ".join(ALGORITHMS), local={"orders": f'["{backend.address}"]'})


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_tokens_tampered_with_at_every_place(token_gate, algorithm):
    backend = token_gate.backends[0]
    # The good one first: its verdict is in the cache, and must not help the others.
    assert token_gate.get("/orders/1", ISSUER.bearer(algorithm, **READ)).status == 200
    backend.requests.clear()
    tokens = [*tampered_tokens(algorithm), *(make() for make in TAMPERED.values())]
    requests = [b"GET /orders/1 HTTP/1.1\r\nHost: gate.test\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n"
                for token in tokens]
    answers = send_all(token_gate.port, requests)
    check_refused(requests, answers)
    assert {answer[9:12] for answer in answers} <= {b"400", b"401"}
    assert backend.requests == []
