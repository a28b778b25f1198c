"""The audit: its seconds, its memory with 1,000 classes, and its queries beside the published search's."""

import re
import subprocess
import sys
from functools import cached_property

import pytest
import torch
from torchvision.models import resnet18

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.audit.plan import BUDGET
from labelleak_lib.audit.racing import LOOKS
from labelleak_lib.criteria.scores import TwoMeans
from labelleak_lib.models.access import BlackBox
from labelleak_lib.models.classifier import ModelSpec, build
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.specification import TrialSpec

SUBJECT, QUERIES, LARGE = "audit without samples", "queries that name the class exactly", "audit of 1,000 classes"
SECONDS = "seconds that name the class exactly"
SHARE = 22


def audit(model, **options):
    return labelleak_lib.audit(model, progress=False, **options)


def said(report):
    return f"{sorted(report.forgotten) or 'nobody'} named, {report.queries:,} queries"


def test_lenet(enter, target):
    enter(lambda: audit(target), subject=SUBJECT, name="LeNet", role="at_most", target=3, unit="s",
          quality=said, value=lambda report: report.seconds)  # fmt: skip


def test_resnet18(enter):
    """A network of random weights, from which most classes are out of reach: the longest search."""
    model = build(ModelSpec("resnet18", 10, 3), seed=0).eval()
    enter(lambda: audit(model), subject=SUBJECT, name="ResNet18, 32 x 32", role="at_most", target=20, rounds=1,
          unit="s", quality=said, value=lambda report: report.seconds)  # fmt: skip


class Targets:
    """Four retrained models, asked both ways: each returns the queries a model and the targets named exactly."""

    def __init__(self):
        options = {"dataset": "fashion_mnist", "seed": 1000, "profile": "paper", "device": "cpu"}
        specs = [TrialSpec.from_parameters(**options, trial=t) for t in range(4)]
        self.models = [unlearned_model(spec, "RT") for spec in specs]
        self.truth = [frozenset(spec.forgotten) for spec in specs]

    def searched(self):
        exact = 0
        for model, lost in zip(self.models, self.truth, strict=True):
            box = BlackBox.of(model)
            evidence = GeneticInversion().evidence(box, generator=torch.Generator().manual_seed(0))
            exact += TwoMeans().decide(evidence) == lost
        return box.queries, exact

    def audited(self, budget):
        reports = [audit(model, budget=budget + 2) for model in self.models]
        named = sum(report.forgotten == lost for report, lost in zip(reports, self.truth, strict=True))
        return reports[0].queries, named

    @cached_property
    def least(self):
        """The least of the audit's budgets by which it names as many targets as the published search."""
        exact = self.searched()[1]
        return next(budget for budget in LOOKS if self.audited(budget)[1] >= exact)


@pytest.fixture(scope="module")
def targets():
    return Targets()


def reached(found):
    return f"{found[1]} of 4 targets, {found[0]:,} queries a model"


def test_queries(enter, targets):
    enter(lambda: (*targets.searched(), *targets.audited(targets.least)), subject=QUERIES, role="at_least",
          name="published search over audit", target=50, rounds=1, unit="times as many",
          value=lambda found: found[0] / found[2],
          quality=lambda f: f"{f[1]} of 4 targets by {f[0]:,}, {f[3]} of 4 by {f[2]:,}")  # fmt: skip


def test_seconds_of_the_audit(enter, targets):
    budget = targets.least
    enter(lambda: targets.audited(budget), subject=SECONDS, name="this library's audit", role="ours",
          quality=reached)  # fmt: skip


def test_seconds_of_the_published_search(enter, targets):
    enter(targets.searched, subject=SECONDS, name="published search", role="peer", rounds=1, quality=reached)


def thousand(budget):
    """Audit a network of 1,000 classes at 224 x 224 on two threads."""
    torch.set_num_threads(2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = resnet18(weights=None).eval()
    return audit(model, space=InputSpace((3, 224, 224)), budget=budget)


def test_thousand_classes(enter):
    """Audit with a part of the default budget, in a process of its own; its time is that of the whole."""
    code = (f"import sys; sys.path.insert(0, 'tests/benchmarks'); import bench_audit; "
            f"report = bench_audit.thousand({BUDGET // SHARE}); "
            "print(report.seconds, report.queries, open('/proc/self/status').read())")  # fmt: skip

    def run():
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        seconds, queries = out.split()[:2]
        return float(seconds) / 60 * BUDGET / int(queries), int(re.search(r"VmHWM:\s+(\d+) kB", out)[1]) / 1024**2

    enter(run, subject=LARGE, name="ResNet18, 224 x 224, two threads", role="at_most", rounds=1, wall=True, target=15,
          unit="min", scaled_from=f"{BUDGET // SHARE:,} of {BUDGET:,} inputs", value=lambda found: found[0],
          quality=lambda found: f"{found[1]:.1f} GiB at most (of 8)")  # fmt: skip
