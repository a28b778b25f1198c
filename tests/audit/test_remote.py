"""Remote models: a real local server, asked in batches, patiently, within a budget, and nothing twice."""

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit.remote import RemoteModel
from labelleak_lib.models.access import QueryBudgetError


class Server(HTTPServer):
    """Answers four classes by the largest feature; refuses the requests whose numbers it is told."""

    def __init__(self, refused=(), status=503):
        super().__init__(("127.0.0.1", 0), Handler)
        self.refused, self.status, self.batches, self.times, self.rows = set(refused), status, [], [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def ask(self, inputs):
        body = json.dumps(inputs.tolist()).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server_port}", data=body, timeout=10) as answer:
            return np.asarray(json.load(answer))


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        rows = np.asarray(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.batches.append(len(rows))
        self.server.times.append(time.monotonic())
        if len(self.server.batches) in self.server.refused:
            self.send_error(self.server.status)
            return
        self.server.rows += [row.tobytes() for row in rows]
        scores = np.exp(8 * rows[:, :4])
        body = json.dumps((scores / scores.sum(1, keepdims=True)).tolist()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve():
    """Start servers, and end them."""
    servers = []

    def start(**options):
        servers.append(Server(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_audit_over_the_network_sends_nothing_twice(serve):
    server = serve(refused=(2, 3, 7))
    remote = RemoteModel(server.ask, batch_size=50, wait=0.01)
    report = labelleak_lib.audit(remote, InputSpace.vectors(6), progress=False)
    assert report.forgotten == frozenset() and report.status == "complete"
    assert max(server.batches) <= 50 and len(set(server.rows)) == len(server.rows) == remote.sent
    assert remote.requests == len(server.batches)
    # every input of the audit was answered, those that were asked about before from memory
    assert remote.sent <= report.queries


def test_a_budget_ends_the_audit_and_keeps_what_is_known(serve):
    server = serve()
    remote = RemoteModel(server.ask, budget=1000)
    report = labelleak_lib.audit(remote, InputSpace.vectors(6), progress=False)
    assert report.status == "budget spent" and len(server.rows) == remote.sent <= 1000
    assert remote.sent > 800 and report.classes.answered.sum() > 800
    with pytest.raises(QueryBudgetError, match="the budget is 1000"):
        remote(torch.rand(200, 6))


def test_waiting_doubles_and_ends(serve):
    server = serve(refused=range(1, 99))
    remote = RemoteModel(server.ask, retries=3, wait=0.05)
    with pytest.raises(OSError, match="503"):
        remote(torch.zeros(1, 6))
    assert len(server.times) == remote.requests == 4 and remote.sent == 0
    first, second, third = np.diff(server.times)
    assert first >= 0.05 and second >= 0.1 and third >= 0.2


def test_what_would_fail_again_is_not_sent_again(serve):
    server = serve(refused=(1,), status=401)
    with pytest.raises(OSError, match="401"):
        RemoteModel(server.ask)(torch.zeros(1, 6))
    assert len(server.batches) == 1


class Clock:
    """A clock that moves only when somebody sleeps or works: what a machine's load cannot disturb."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(
    ("work", "between"), [((0, 0, 0, 0), [0.05] * 3), ((0.02, 0.2, 0.01, 0), [0.05, 0.2, 0.05])], ids=["fast", "slow"]
)
def test_requests_keep_their_distance(monkeypatch, work, between):
    clock, sent = Clock(), []
    monkeypatch.setattr("labelleak_lib.audit.remote.time", clock)

    def ask(inputs):
        sent.append(clock.now)
        clock.sleep(work[len(sent) - 1])
        return np.ones((len(inputs), 2))

    RemoteModel(ask, batch_size=1, per_second=20)(torch.rand(4, 6))
    # a request that took longer than the distance is followed at once
    np.testing.assert_allclose(np.diff(sent), between, atol=1e-9)


def test_identical_inputs_are_one_input():
    asked = []

    def ask(inputs):
        asked.extend(inputs[:, 0].tolist())
        return np.stack([inputs[:, 0], 1 - inputs[:, 0]], axis=1)

    remote = RemoteModel(ask, batch_size=2)
    x = torch.tensor([[0.5], [0.25], [0.5], [0.75], [0.25]])
    expected = torch.stack([x[:, 0], 1 - x[:, 0]], dim=1)
    for _ in range(2):
        torch.testing.assert_close(remote(x).float(), expected)
    assert asked == [0.5, 0.25, 0.75] and (remote.sent, remote.requests) == (3, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"wait": -1.0}, "wait is -1.0"),
        ({"per_second": 0}, "per_second is 0"),
        ({"budget": 0}, "budget is 0"),
    ],
)
def test_a_wrapper_checks_its_parameters(options, words):
    with pytest.raises(ValueError, match=words):
        RemoteModel(lambda x: x, **options)


def test_an_answer_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="ask's answer is 'of 1 rows'; it must be one for each of 3"):
        RemoteModel(lambda x: x[:1])(torch.arange(3.0)[:, None])
