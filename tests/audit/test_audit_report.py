"""The report: JSON after its schema, one HTML page without a network, a plot, and the null behind it."""

import json
import re
import tomllib
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from forgetful import fitted
from project import ROOT
from scipy import stats

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.audit import measuring
from labelleak_lib.audit.flags import Learnt, near_misses
from labelleak_lib.audit.null import FILE, Comparison, comparable, content
from labelleak_lib.audit.racing import Found, Racing
from labelleak_lib.audit.report import SCHEMA
from labelleak_lib.criteria.calibrated import AgainstReferences
from labelleak_lib.nulls.calibration import RARE, evidence_on_bank, kinds
from labelleak_lib.nulls.stored import stored

SHAPE = (12,)


@pytest.fixture(scope="module")
def reports():
    space = InputSpace(SHAPE)
    names = ["<b>one</b>", "two", "three & more", "four", "five"]
    model = fitted(5, SHAPE, (2,))
    named = labelleak_lib.audit(model, space, class_names=names, progress=False)
    blank = labelleak_lib.audit(model, space, budget=100, progress=False)
    return {"named": named, "silent": labelleak_lib.audit(fitted(5, SHAPE), space, progress=False), "blank": blank}


@pytest.mark.parametrize("kind", ["named", "silent", "blank"])
def test_json_follows_the_schema(reports, kind, tmp_path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    text = reports[kind].to_json(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == text
    held, schema = json.loads(text), json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(held, schema)
    assert held["version"] == schema["properties"]["version"]["const"] == 1
    assert set(held) == set(schema["required"]), "every field is there, and documented"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(held | {"verdict": 3}, schema)


def test_json_says_what_the_report_says(reports):
    held, report = json.loads(reports["named"].to_json()), reports["named"]
    assert held["forgotten"] == [2] and held["p_value"] == pytest.approx(report.p_value, rel=1e-5)
    np.testing.assert_allclose([row["reach"] for row in held["classes"]], report.classes.reach, rtol=1e-5)
    assert json.loads(reports["blank"].to_json())["p_value"] is None
    assert set(held["reproduce"]["versions"]) == {"labelleak", "torch", "numpy", "python"}


class Addresses(HTMLParser):
    """Collects whatever a page would load."""

    def __init__(self):
        super().__init__()
        self.loaded, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]


@pytest.mark.parametrize("kind", ["named", "silent", "blank"])
def test_the_page_loads_nothing_and_begins_with_the_verdict(reports, kind, tmp_path):
    report = reports[kind]
    text = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == text
    page = Addresses()
    page.feed(text)
    assert page.loaded == [] and not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    soup = BeautifulSoup(text, "html.parser")
    first = soup.body.find("p")
    assert first["class"] == ["verdict"] and first.text == report.verdict
    assert len(soup.find("tbody").find_all("tr")) == 5
    assert len(soup.find("svg").find_all("circle")) == 5 + len(report.null)
    assert [item.text for item in soup.find("ul").find_all("li")] == list(report.flags or ["none"])
    assert soup.find("meta", attrs={"name": "viewport"}) and soup.find("svg")["width"] == "100%"


def test_names_are_text_in_the_page(reports):
    soup = BeautifulSoup(reports["named"].to_html(), "html.parser")
    assert not soup.find("b") and "<b>one</b>" in soup.text
    assert [row.find_all("td")[0].text for row in soup.find_all("tr", class_="named")] == ["2"]
    assert "'three & more'" in soup.find("p", class_="verdict").text


def test_notebooks_get_the_same_page_and_terminals_a_table(reports):
    report = reports["named"]
    assert report._repr_html_() in report.to_html()
    assert str(report).startswith(report.verdict) and all(f"flag: {flag}" in str(report) for flag in report.flags)
    assert repr(report) == f"<AuditReport: {report.verdict}>"


def test_the_plot_has_a_dot_a_class_and_a_model(reports):
    matplotlib.use("agg")
    ax = reports["named"].plot()
    own, null = (dots.get_offsets() for dots in ax.collections)
    assert (len(own), len(null)) == (5, len(reports["named"].null))
    expected = reports["named"].classes.relative_reach.clip(-1.05, 2.05)
    np.testing.assert_allclose(own[:, 0], expected)
    matplotlib.pyplot.close(ax.figure)


def test_the_null_is_the_banks_and_the_searchs():
    held, bank = json.loads(FILE.read_text()), stored()
    assert held["search"] == vars(Racing())
    told = kinds(bank.models)
    plain = told[told.kind != RARE]
    columns = content()
    assert columns["dataset"] == plain.dataset.tolist() and columns["kind"] == plain.kind.tolist()
    evidence = evidence_on_bank(bank)
    for answers, attack in measuring.ATTACK.items():
        reach = [evidence[model, attack].reach for model in plain.model]
        lowest = np.array([relative_reach(row).min() for row in reach])
        np.testing.assert_allclose(columns[f"{answers}_2400"], lowest, rtol=1e-3, atol=1e-3)
        # where the random inputs left nothing unreached, the audit ends with them
        done = np.array([(row > 0).all() for row in reach])
        np.testing.assert_allclose(np.array(columns[answers])[done], lowest[done], rtol=1e-3, atol=1e-3)
        assert (np.array(columns[answers]) <= 0).sum() <= (lowest <= 0).sum(), "a further search accuses no more"
        assert done.mean() > 0.8


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 17, 26, 62, 100, 1000])
@pytest.mark.parametrize("labels_only", [False, True])
def test_any_number_of_classes_has_models_to_be_compared_with(classes, labels_only):
    null = comparable(classes, labels_only=labels_only)
    assert len(null) >= 19 and null.alarms == (null.lowest <= 0).sum()
    interval = stats.binomtest(null.alarms, len(null)).proportion_ci(method="exact")
    assert null.interval == pytest.approx((interval.low, interval.high))
    assert f"{len(null)} never-unlearned models" in null.sentence()
    nearest = min(set(content()["classes"]), key=lambda c: abs(np.log(c / classes)))
    assert nearest in null.classes
    looks = [comparable(classes, labels_only=labels_only, inputs=n).inputs for n in (100, 300, 999, 1000, 2399, 9999)]
    assert looks == [300, 300, 300, 1000, 1000, 2400]


def test_a_p_value_is_the_rank_among_the_models():
    null = Comparison(np.array([0.1, 0.2, 0.3]), 0, np.array([10] * 3), ("d",), ("a",), 0, 0.5, 1.0)
    np.testing.assert_allclose(null.p_values([0.05, 0.1, 0.25, 0.9, np.nan]), [1 / 4, 2 / 4, 3 / 4, 1, 1])


def test_on_the_bank_itself_p_values_are_at_most_uniform():
    lowest = comparable(10, labels_only=False).lowest
    others = [Comparison(np.delete(lowest, i), 0, np.zeros(1, int), (), (), 0, 0, 0) for i in range(len(lowest))]
    p = np.array([null.p_values([own])[0] for null, own in zip(others, lowest, strict=True)])
    for level in (0.05, 0.1, 0.3):
        assert (p <= level).mean() <= level


def test_the_schema_and_the_null_are_part_of_the_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert listed["labelleak_lib.audit"] == [FILE.name, SCHEMA.name]
    assert isinstance(pd.DataFrame(content()), pd.DataFrame), "columns of one length"


@pytest.mark.parametrize(("p_value", "named"), [(0.05, {1}), (0.06, set())])
def test_a_class_out_of_reach_is_named_only_where_hardly_any_model_has_such_a_class(p_value, named):
    learnt = Learnt(Found(np.array([4.0, -1.0, 3.0]), np.array([9, 0, 8])))
    assert learnt.named(np.array([0.9, p_value, 0.8]), level=0.05) == named
    assert learnt.said_of(1, bool(named)).startswith("as if" if named else "out of reach, as in models that forgot")
    assert learnt.named(np.array([0.01, p_value, 0.01]), level=0.05) == named, "a class in reach is never named"


def test_a_class_that_is_answered_is_not_named_however_far_out_the_references_leave_it():
    found = Found(np.array([0.1, -1.0, 3.0, 4.0]), np.array([1, 0, 8, 9]))
    learnt = Learnt(found, against=AgainstReferences(0.05, frozenset({0, 1})), references=19)
    assert learnt.named(np.ones(4), 0.05) == {1}
    (told,) = near_misses(learnt, np.ones(4), 0.05)
    assert told.startswith("class 0 is harder to reach") and told.endswith("not named")
