"""One contestant, timed once or a few times, on one thread, with what `report.py` needs to know."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from labelleak_lib.models.classifier import Classifier
from labelleak_lib.trials.originals import original_model, unlearned_model
from labelleak_lib.trials.specification import TrialSpec

torch.set_num_threads(1)


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["torch"] = torch.__version__.partition("+")[0]


def time_shares(function: Callable[[], Any], most: int = 4) -> str:
    """Run `function` once more, and name the operators of torch that take most of its time."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    spent: Counter[str] = Counter()
    for event in profile.key_averages():
        spent[event.key.removeprefix("aten::").strip("_")] += event.self_cpu_time_total
    return ", ".join(f"{name} {100 * part / spent.total():.0f}%" for name, part in spent.most_common(most))


@pytest.fixture(autouse=True)
def same_on_any_processor():
    """Let the library multiply in bfloat16, as it does for its users; other tests compute in float32."""


@pytest.fixture
def enter(benchmark) -> Callable[..., Any]:
    """Return a function that times a contestant and returns what it computed.

    Roles: "ours" is what a subject's other lines are compared with; a "peer" should take at least `target` times as
    long; of a "bare" computation's time ours should take at most `target` times as much; "at_most" and "at_least"
    bound the `value` itself.
    """
    # Time of this process's one thread: other work on the machine counts for nobody.
    benchmark._timer = time.process_time

    def run(
        function: Callable[[], Any],
        *,
        subject: str,
        name: str,
        role: str,
        rounds: int = 3,
        wall: bool = False,
        quality: Callable[[Any], str] = lambda result: "",
        value: Callable[[Any], float] | None = None,
        **info: Any,
    ) -> Any:
        if wall:
            benchmark._timer = time.perf_counter
        # the seconds of a second thread, of which NumPy's and SciPy's products have one a core, would count too
        with threadpool_limits(1):
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            result = benchmark.pedantic(function, rounds=rounds)
        benchmark.extra_info |= {"subject": subject, "name": name, "role": role, "quality": quality(result), **info}
        if value is not None:
            benchmark.extra_info["value"] = value(result)
        if role == "ours" and not wall:
            # What a missed target is explained by.
            notes = [info["note"]] if "note" in info else []
            benchmark.extra_info["note"] = "; ".join([*notes, time_shares(function)])
        return result

    return run


@pytest.fixture(scope="session")
def spec() -> TrialSpec:
    """Return the trial that lends its models: LeNet on Fashion-MNIST, one forgotten class."""
    return TrialSpec.from_parameters(dataset="fashion_mnist", seed=1000, profile="paper", device="cpu")


@pytest.fixture(scope="session")
def original(spec) -> Classifier:
    return original_model(spec)


@pytest.fixture(scope="session")
def target(spec) -> Classifier:
    """Return the model that was retrained without the forgotten class: trained once, then read from the cache."""
    return unlearned_model(spec, "RT")


@pytest.fixture(scope="session")
def retained(spec) -> list[int]:
    return [c for c in range(spec.data.classes) if c not in spec.forgotten]
