"""How often the audit is right, counted on lines made up here and on what is stored."""

import json

import pytest

from labelleak_lib.results import plain_models


@pytest.fixture
def table(tmp_path):
    rows = [
        ("a", 0, None, [], [], "ONNX", []),
        ("a", 0, 2, [2], [], "ONNX", [2]),
        ("a", 1, 1, [1, 2], [1], "safetensors", [1]),
        ("b", 0, None, [0], [], "ONNX", [0]),
    ]
    names = ("recipe", "seed", "without", "probabilities", "labels", "kind_of_file", "through_file")
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    return plain_models.audited(path)


def test_right_is_the_class_and_no_other_or_silence(table):
    by_probabilities = table[table.answers == "probabilities"]
    assert by_probabilities.right.tolist() == [True, True, False, False]
    assert table[table.answers == "labels"].right.tolist() == [True, False, True, True]


def test_counts_stand_by_recipe(table):
    wide = plain_models.by_recipe(table).set_index("recipe")
    assert wide.loc["a", "exact, probabilities"] == "1 of 2" and wide.loc["b", "silent, probabilities"] == "0 of 1"
    assert wide["same through a file"].to_dict() == {"a": "2 of 3", "b": "1 of 1"}


def test_sentences_count_both_sides_and_name_where_it_is_wrong(table):
    first, second, third = plain_models.sentences(table)
    assert "1 of 2 models without a class named exactly" in first and "1 of 2 never-unlearned" in first
    assert first.endswith("Wrong where: a; b.") and second.endswith("Wrong where: a.")
    assert third == ("Through a file, 3 of 4 models get the verdict of the module: ONNX 3 of 3, safetensors 0 of 1.")


def test_stored_models_are_many_and_by_probabilities_the_audit_is_right_on_nearly_all():
    stored = plain_models.audited()
    own = stored[stored.answers == "probabilities"]
    for part in (own[own.without >= 0], own[own.without < 0]):
        assert len(part) >= 60 and part.right.mean() >= 0.95


def test_stored_models_get_one_verdict_as_modules_and_through_files_of_every_kind():
    models = plain_models.audited().query("answers == 'probabilities'")
    assert models.kind_of_file.nunique() == 6 and models.kind_of_file.value_counts().min() >= 20
    assert models.same.all()
