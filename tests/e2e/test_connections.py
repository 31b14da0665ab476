"""How many connections a gate takes, and what becomes of one too many."""

import socket

from conftest import GATE_FILE, OPEN_SERVICE
from gate import wait_until


def small_gate(make_gate, backend, most):
    assert "workers: 2\n" in GATE_FILE
    return make_gate({"gatehouse.yaml": GATE_FILE.replace("workers: 2", f"workers: 1\nmax_connections: {most}"),
                      "services/hello.yaml": OPEN_SERVICE}, [backend], local={"hello": f'["{backend.address}"]'})


def read_all(sock):
    sock.settimeout(20)
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_an_idle_connection_makes_room(make_gate, backend):
    gate = small_gate(make_gate, backend, 3)
    clients = [gate.client() for _ in range(3)]
    for client in clients:
        assert client.get("/").status == 200
    assert gate.get("/").status == 200
    assert read_all(clients[0].socket) == b""
    assert clients[1].get("/").status == clients[2].get("/").status == 200
    for client in clients:
        client.close()


def test_one_too_many_is_told_so_and_the_admin_listener_is_not_counted(make_gate, backend):
    gate = small_gate(make_gate, backend, 3)
    busy = [socket.create_connection(("127.0.0.1", gate.port)) for _ in range(3)]
    for sock in busy:
        sock.sendall(b"GET / HTTP/1.1\r\nHo")
    wait_until(lambda: gate.metric("gatehouse_connections_accepted_total") == 3, "the connections")
    answer = gate.get("/")
    assert answer.status == 503 and answer.json()["reason"] == "connection_limit_reached"
    assert answer.header("Proxy-Status") == "gatehouse; error=connection_limit_reached"
    assert gate.metric("gatehouse_connections_refused_total") == 1
    assert gate.metric("gatehouse_exchanges_accepted_total") == 0 and backend.connections == []
    for sock in busy:
        sock.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 200")
        sock.close()
    assert gate.get("/").status == 200
