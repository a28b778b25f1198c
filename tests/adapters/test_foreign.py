"""Unlearning code with other signatures than the library's: what it is handed, what may come back, what is refused."""

# ruff: noqa: NPY002 - global generators are what is tested

import copy
import functools
import random
import sys

import numpy as np
import pytest
import torch
from torch import nn
from toys import blobs, rng, same_state, small_trials, snapshot, trained

from labelleak_lib.adapters.foreign import Foreign, adapted
from labelleak_lib.adapters.signature import role_of
from labelleak_lib.adapters.surroundings import seeded
from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.identity import content_hash, describe
from labelleak_lib.trials.originals import original_and_unlearned, original_model
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning.finetune import FineTune

RETAIN, FORGET = split_classes(blobs(), (1,))


def silence(model, loader):
    """Silence the class of every label that the loader yields, in place."""
    for _, labels in loader:
        with torch.no_grad():
            model.head.weight[labels] = 0
            model.head.bias[labels] = -1e3


def in_place(model, retain_loader, forget_loader):
    silence(model, forget_loader)


def other_order(model, forget_loader, retain_loader):
    silence(model, forget_loader)
    return model


def bare(model, retain, forget):
    silence(model, forget)
    return model


def as_state(net, df_loader, dr_loader):
    silence(net, df_loader)
    return net.state_dict()


def in_tuple(model, forget_loader, retain_loader=None, epochs=1, **kwargs):
    assert retain_loader is not None and not kwargs
    silence(model, forget_loader)
    return model, [0.5], []


def in_dict(model, data_loaders):
    silence(model, data_loaders["forget"])
    return {"model": model, "loss": 0.5}


def in_state_of_parallel(model, forget_loader):
    silence(model, forget_loader)
    return nn.DataParallel(model).state_dict()


def parallel(model, forgetLoader):
    silence(model, forgetLoader)
    return nn.DataParallel(model)


def compiled(model, forget_loader, device):
    assert device == torch.device("cpu")
    silence(model, forget_loader)
    return torch.compile(model, backend="eager")


def by_class(model, class_to_forget, num_classes):
    assert num_classes == 4
    silence(model, [(None, torch.tensor([class_to_forget]))])


def by_classes(model, classes_to_forget, train_loader):
    assert {c for _, labels in train_loader for c in labels.tolist()} == {0, 1, 2, 3}
    silence(model, [(None, torch.tensor(classes_to_forget))])


def from_sets(model, forget_dataset, retain_set, criterion):
    images, label = forget_dataset[0]
    assert images.shape == (1, 8, 8) and {int(retain_set[i][1]) for i in range(len(retain_set))} == {0, 2, 3}
    assert criterion(model(images[None]), label[None]).item() >= 0
    silence(model, [(None, label[None])])


def with_teacher(teacher, model, forget_loader):
    assert same_state(teacher.state_dict(), model.state_dict()) and teacher is not model and not teacher.training
    silence(model, forget_loader)


def half(model, forget_loader):
    silence(model, forget_loader)
    return model.half()


class Strategy:
    """An object whose verb takes the forget set first, and swallows what it does not know."""

    def __init__(self, bias=-1e3):
        self.bias, self.calls = bias, 0

    def unlearn(self, model, forget_loader, retain_loader=None, **kwargs):
        self.calls += 1
        assert self.calls == 1, "nothing is left of another call"
        silence(model, forget_loader)
        return model, []


FUNCTIONS = [
    in_place, other_order, bare, as_state, in_tuple, in_dict, in_state_of_parallel, parallel, compiled, by_class,
    by_classes, from_sets, with_teacher, half, Strategy(), Strategy,
    functools.partial(in_tuple, epochs=3), f"{__name__}:Strategy", f"{__name__}:bare",
]  # fmt: skip


@pytest.mark.parametrize("method", FUNCTIONS, ids=lambda m: getattr(m, "__name__", str(m)[:30]))
def test_code_with_other_signatures_forgets_what_it_is_to_forget(method):
    before = snapshot(trained())
    for _ in range(2):
        found = adapted(method).unlearn(trained(), RETAIN, FORGET, generator=rng(0))
        assert accuracy(found, FORGET) == 0 and accuracy(found, RETAIN) > 0.9
        assert same_state(before, trained().state_dict()), "the original is left alone"
        assert next(found.parameters()).dtype == torch.float32
        assert all(parameter.requires_grad for parameter in found.parameters())


def test_code_is_handed_scaled_float_images_whole_labels_and_contiguous_weights():
    seen = {}

    def look(model, retain_loader, forget_loader):
        images, labels = next(iter(forget_loader))
        seen.update(images=images, labels=labels, side=[y for _, y in retain_loader])
        assert model.training and torch.is_grad_enabled() and torch.random.initial_seed() == 5
        for parameter in model.parameters():
            parameter.data.view(-1).mul_(0.5)

    with torch.no_grad():
        Foreign(look, batch_size=16).unlearn(trained(), RETAIN, FORGET, generator=rng(5))
        assert not torch.is_grad_enabled()
    assert (seen["images"].dtype, seen["labels"].dtype) == (torch.float32, torch.int64)
    assert 0.5 < seen["images"].max() <= 1 and seen["images"].is_contiguous() and len(seen["images"]) == 16
    assert set(torch.cat(seen["side"]).tolist()) == {0, 2, 3}
    assert not trained().training


def test_global_generators_and_switches_are_seeded_and_put_back():
    def draw(model, forget_loader):
        draws.append((random.random(), np.random.random(), float(torch.rand(()))))
        order.append(torch.cat([labels for _, labels in forget_loader]))
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        model.head.bias.data.add_(draws[-1][2])

    draws, order = [], []
    torch.manual_seed(9), np.random.seed(9), random.seed(9)
    expected = random.Random(9).random(), np.random.RandomState(9).random(), float(torch.rand((), generator=rng(9)))
    found = [Foreign(draw).unlearn(trained(), RETAIN, FORGET, generator=rng(seed)) for seed in (3, 3, 4)]
    assert (random.random(), np.random.random(), float(torch.rand(()))) == expected
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert draws[0] == draws[1] != draws[2]
    assert same_state(found[0].state_dict(), found[1].state_dict())
    assert not same_state(found[0].state_dict(), found[2].state_dict())


def test_what_is_printed_comes_through(capsys):
    def loud(model, forget_loader):
        print("epoch 1")
        silence(model, forget_loader)

    Foreign(loud).unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    assert capsys.readouterr().out == "epoch 1\n"


def test_the_library_s_own_methods_stay_as_they_are():
    def own(original, retain, forget, *, generator):
        return original

    for method in (FineTune(), own, lambda original, *rest, generator: original):
        assert adapted(method) is method


def test_swapped_sets_are_not_taken_for_the_library_s_order():
    def swapped(model, forget, retain, *, generator):
        assert generator.initial_seed() == 5
        silence(model, forget)

    found = adapted(swapped).unlearn(trained(), RETAIN, FORGET, generator=rng(5))
    assert accuracy(found, FORGET) == 0 and accuracy(found, RETAIN) > 0.9


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("retain_loader", "retain"), ("remain_dl", "retain"), ("Dr", "retain"), ("forget_train_dataloader", "forget"),
        ("D_f", "forget"), ("unlearn_loader", "forget"), ("forget_set", "forget set"), ("train_loader", "whole"),
        ("full_train_dataloader", "whole"), ("trainset", "whole set"), ("forget_class", "class"),
        ("class_to_forget", "class"), ("forget_label_id", "class"), ("classes_to_forget", "classes"),
        ("num_classes", "count"), ("device", "device"), ("net", "model"), ("original_model", "model"),
        ("full_trained_teacher", "teacher"), ("unlearning_teacher", ""), ("forget_lr", ""), ("retain_weight", ""),
        ("unlearn_epochs", ""), ("model_name", ""), ("forget_idx", ""), ("optimizer", ""), ("forget_images", ""),
    ],
)  # fmt: skip
def test_names_say_what_parameters_hold(name, role):
    assert role_of(name) == role


def two_loaders(model, loader1, loader2):
    silence(model, loader2)


def spoken(value):
    """Name a parameter alike in every process, whatever its address."""
    plain = isinstance(value, str | int | dict)
    return str(value) if plain else getattr(value, "__name__", type(value).__name__)


def no_data(model):
    return model


REFUSED = [
    (two_loaders, {}, "loader1, loader2"),
    (no_data, {}, "of retained or forgotten data"),
    (bare, {"options": {"steps": 3}}, "option is 'steps'; it must be a parameter of"),
    (two_loaders, {"holds": {"loader1": "first", "loader2": "forget"}}, "role is 'first'"),
    ("no_such_module:function", {}, "module cannot be imported"),
    ("random:no_such_function", {}, "a name that random holds"),
    ("random", {}, "a name like 'module:function'"),
    (3, {}, "method is 3"),
    (nn.Linear, {}, "a class with unlearn"),
    (FineTune(), {"batch_size": 3}, "left out for a method of this library"),
]


@pytest.mark.parametrize(("method", "settings", "words"), REFUSED, ids=spoken)
def test_what_cannot_be_called_is_one_sentence_before_anything_runs(method, settings, words):
    with pytest.raises(ValueError, match=words) as error:
        adapted(method, **settings)
    assert "\n" not in str(error.value)


def test_a_role_can_be_given_where_the_name_says_nothing():
    method = adapted(two_loaders, holds={"loader1": "retain", "loader2": "forget"})
    found = method.unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    assert accuracy(found, FORGET) == 0 and accuracy(found, RETAIN) > 0.9


def one_more_output(model, forget_loader):
    wide = copy.deepcopy(model)
    wide.head = nn.Linear(model.head.in_features, model.head.out_features + 1)
    return wide


def not_finite(model, forget_loader):
    model.head.bias.data[0] = torch.nan


def other_network(model, forget_loader):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))


def wide_network(model, forget_loader):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))


def deaf(model, forget_loader):
    return nn.Linear(3, 4)


def few_parameters(model, forget_loader):
    return {"head.weight": model.head.weight}


def forgot_to_return(model, forget_loader):
    copy.deepcopy(model)


def two_models(model, forget_loader):
    return model, copy.deepcopy(model)


def a_number(model, forget_loader):
    return 0.5


def raises(model, forget_loader):
    raise KeyError("a\nb")


def ours_with_more_outputs(original, retain, forget, *, generator):
    return one_more_output(original, None)


def ours_not_finite(original, retain, forget, *, generator):
    not_finite(original, None)
    return original


def ours_without_a_model(original, retain, forget, *, generator):
    return nn.Sequential(original)


BROKEN = [
    (one_more_output, r"\(8, 5\); it must be \(8, 4\)"), (ours_with_more_outputs, r"\(8, 5\); it must be \(8, 4\)"),
    (not_finite, "not finite in head.bias"), (ours_not_finite, "not finite in head.bias"),
    (ours_without_a_model, "Sequential; it must be a model with the original's parameters"),
    (other_network, "a model with the original's parameters"), (wide_network, r"\(8, 5\)"),
    (deaf, "answers float images of shape"), (few_parameters, "the original's parameters"),
    (forgot_to_return, "NoneType"), (two_models, "2 models"), (a_number, "'float'; it must be a model"),
    (raises, "failed: KeyError: 'a"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "words"), BROKEN, ids=lambda x: getattr(x, "__name__", ""))
def test_a_model_that_attacks_cannot_judge_is_refused_in_one_sentence_before_any_attack(method, words, tmp_path):
    class Never(DirectProbe):
        def evidence(self, access, *, generator):
            raise AssertionError("no attack may run")

    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        with pytest.raises(ValueError, match=words) as error:
            run_cell(spec, "X", method=method, attacks={"direct_probe": Never()})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", [other_order, f"{__name__}:in_place", Strategy()], ids=spoken)
def test_a_cell_runs_under_foreign_code_and_its_placebo_is_the_original(method, tmp_path):
    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        cell = run_cell(spec, "X", method=method, attacks={"direct_probe": DirectProbe()})
        rows = cell.rows[cell.rows.criterion == "above_half"]
    assert dict(zip(rows.control, rows.predicted, strict=True)) == {"none": "1", "placebo": ""}
    line = rows[rows.control == "none"].iloc[0]
    assert line.forget_acc_before > 0.9 and line.forget_acc_after == 0 and line.unlearned


def test_a_hook_left_on_the_model_is_judged_the_second_time_too(tmp_path):
    class Hooked(FineTune):
        """A method of the library's kind that leaves a hook behind, which no checkpoint holds."""

        def unlearn(self, original, retain, forget, *, generator):
            rows = forget.labels.unique()
            original.register_forward_hook(lambda module, given, logits: logits.index_fill(1, rows, -1e3))
            return original

    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        images = spec.part("test").images.float() / 255
        for _ in range(2):
            _, unlearned = original_and_unlearned(spec, "HOOK", Hooked())
            assert (unlearned(images)[:, 1] == -1e3).all()


def draws_globally(original, retain, forget, *, generator):
    """Draw from the global generators, as public code does."""
    original.head.bias.data += torch.rand(()) + np.random.random() + random.random()
    return original


def test_a_method_that_uses_global_generators_gives_one_model_a_seed(tmp_path):
    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        found = [original_and_unlearned(spec, "X", draws_globally)[1].state_dict() for _ in range(2)]
        assert same_state(*found)
        assert not same_state(found[0], original_model(spec).state_dict())


def test_options_partials_and_objects_differ_in_identity():
    methods = [
        Foreign(in_tuple), Foreign(in_tuple, {"epochs": 2}), Foreign(in_tuple, batch_size=64),
        Foreign(functools.partial(in_tuple, epochs=2)), Foreign(functools.partial(in_tuple, epochs=3)),
        Foreign(in_tuple, package="p 1"), Foreign(in_tuple, package="p 2"), Foreign(other_order),
        Foreign(Strategy().unlearn), Foreign(Strategy(-5).unlearn), adapted(two_loaders, holds={
            "loader1": "retain", "loader2": "forget"}), adapted(two_loaders, holds={
            "loader2": "retain", "loader1": "forget"}),
    ]  # fmt: skip
    identities = [content_hash(describe(method)) for method in methods]
    assert len(set(identities)) == len(methods)
    assert identities[9] == content_hash(describe(Foreign(Strategy(-5).unlearn)))


def count_calls(model, forget_loader, counter):
    counter.calls += 1
    silence(model, forget_loader)


def test_running_changes_neither_the_method_nor_its_identity():
    for method in (Foreign(count_calls, {"counter": Strategy()}), Foreign(Strategy().unlearn),
                   Foreign(functools.partial(count_calls, counter=Strategy()))):  # fmt: skip
        before = content_hash(describe(method))
        found = [method.unlearn(trained(), RETAIN, FORGET, generator=rng(0)).state_dict() for _ in range(2)]
        assert content_hash(describe(method)) == before and same_state(*found)


def test_seeding_survives_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded(3):
        raise KeyError
    assert torch.equal(before, torch.get_rng_state())


def test_this_module_can_be_named():
    assert sys.modules[__name__].bare is bare
