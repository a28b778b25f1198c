"""A model behind a web service, asked over HTTP."""

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit.remote import RemoteModel


def audit(url: str, budget: int) -> None:
    """Audit the service at an address; print the verdict and what it cost."""

    def ask(inputs):
        """Send an array of inputs; return a row of probabilities for each."""
        body = json.dumps(inputs.tolist()).encode()
        with urllib.request.urlopen(url, body, timeout=10) as answer:
            return json.load(answer)

    pace = {"batch_size": 100, "per_second": 200, "retries": 5, "wait": 0.01}
    remote = RemoteModel(ask, budget=budget, **pace)
    report = labelleak_lib.audit(remote, space=InputSpace.vectors(64))
    print(report.verdict)
    print(f"Search: {report.status}")
    print(f"Sent: {remote.sent:,} inputs in {remote.requests} requests")


# From here on: the service, which stands for somebody else's.


def fitted(without: int | None = None) -> MLPClassifier:
    """Return a classifier of digits: of all classes, or of all but one."""
    x, y = load_digits(return_X_y=True)
    x, y, classes = x[y != without] / 16, y[y != without], np.arange(10)
    model = MLPClassifier((64,), random_state=0)
    for _ in range(20):
        model.partial_fit(x, y, classes=classes)
    return model


class Service(BaseHTTPRequestHandler):
    """Answers in JSON, and is too busy for one request in ten."""

    def do_POST(self) -> None:
        """Answer one request: rows of numbers by rows of probabilities."""
        length = int(self.headers["Content-Length"])
        rows = json.loads(self.rfile.read(length))
        self.server.requests += 1
        if self.server.requests % 10 == 0:
            self.send_error(503)
            return
        self.server.rows += map(tuple, rows)
        answers = self.server.model.predict_proba(np.array(rows))
        body = json.dumps(answers.tolist()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Say nothing."""


if __name__ == "__main__":
    for without, budget in ((None, 20_000), (7, 20_000), (7, 3_000)):
        server = HTTPServer(("127.0.0.1", 0), Service)
        server.model, server.requests, server.rows = fitted(without), 0, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"Left out of training: {without}. Budget: {budget:,}")
        audit(f"http://127.0.0.1:{server.server_port}", budget)
        server.shutdown()
        server.server_close()
        twice = len(server.rows) - len(set(server.rows))
        print(f"Refused: {server.requests // 10}. Sent twice: {twice}\n")
