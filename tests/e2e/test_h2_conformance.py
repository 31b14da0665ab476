"""HTTP/2 as RFC 9113 and HPACK as RFC 7541 have it, case for case in clear text and over TLS: h2_cases.py says
what is sent and what has to come of it."""

import pytest

import h2_cases
import h2_frames
import h2_message_cases
import h2wire

CASES = [*h2_cases.GENERIC, *h2_cases.FRAMES, *h2_cases.STREAMS, *h2_cases.DEFINITIONS, *h2_message_cases.MESSAGES,
         *h2_message_cases.HPACK]
OVER = ["clear", "tls"]


def named(cases):
    return [pytest.param(*case[2:], id=f"{case[0]} {case[1]}") for case in cases]


@pytest.fixture(scope="module")
def front(make_front, make_shared):
    _, make_backend = make_shared
    return make_front(make_backend())


@pytest.fixture(scope="module")
def quiet_front(make_front, make_shared):
    """Where nothing is cancelled, so that no request of an earlier case reaches the backend late."""
    _, make_backend = make_shared
    return make_front(make_backend())


def connect(front, over, **options):
    return h2wire.Client(front.port(over), tls=front.tls(over), **options)


def play(client, steps):
    """What stands side by side leaves in one piece: an answer in between would make another case of it."""
    together = []
    for step in steps:
        if not callable(step) and together and not callable(together[-1]):
            together[-1] += step
        else:
            together.append(step)
    for step in together:
        if callable(step):
            step(client)
            continue
        try:
            client.send(step)
        except OSError:
            return  # it has closed already; why is still to be read


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("steps, check", named([(*case[:2], [case[2]], case[3]) for case in h2_cases.PREFACE_CASES]))
def test_preface(front, over, steps, check):
    with connect(front, over, preface=False) as client:
        play(client, steps)
        check(client)


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("steps, check", named(CASES))
def test_conformance(front, quiet_front, over, steps, check):
    refused = getattr(check, "reaches_no_backend", False)
    front = quiet_front if refused else front
    heard = len(front.backend.requests)
    with connect(front, over, window=65535) as client:
        play(client.settle(), steps)
        check(client)
    if refused and front.gate:
        # The one request is that which showed the connection to go on.
        assert len(front.backend.requests) - heard == 1


def test_server_settings(front):
    """What a client is promised bounds what it may make us hold."""
    with connect(front, "clear") as client:
        client.settle()
        assert 0 < client.settings[h2_frames.S_MAX_CONCURRENT_STREAMS] <= 1000
        assert client.settings.get(h2_frames.S_INITIAL_WINDOW_SIZE, 65535) <= 1 << 20
        assert client.settings.get(h2_frames.S_ENABLE_PUSH, 0) == 0
        assert client.frames[0].type == h2_frames.T_SETTINGS
