"""The report of a measurement, from one made by hand."""

import copy
import json
import struct

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from benchmarks import report

from labelleak_lib.authoring import pages
from labelleak_lib.figures import bench as figures
from labelleak_lib.results import bench


def entry(name, role, seconds, subject="heads", **info):
    named = {"subject": subject, "name": name, "role": role, "quality": ""}
    return {"stats": {"min": seconds}, "extra_info": named | info}


MEASURED = {
    "machine_info": {"cpu": {"brand_raw": "Some Processor", "count": 4, "flags": ["avx2"]}, "torch": "2.0"},
    "benchmarks": [
        entry("this library", "ours", 0.5, quality="loss 0.10", note="softmax 80%"),
        entry("plain loop", "peer", 2.0, scale=10.0, scaled_from="40 heads", quality="loss 0.11", target=30),
        entry("other library", "peer", 3.0, quality="", target=10),
        entry("products alone", "bare", 0.25, quality="", target=2),
        entry("aside", "aside", 0.1, quality="2000 queries"),
        entry("attacks", "at_most", 9.0, subject="trial", quality="", value=0.4, target=0.3, unit="of the time"),
        entry("rate", "at_least", 9.0, subject="trial", quality="", value=0.4, target=0.3),
    ],
}


@pytest.fixture
def frame():
    return report.rows(MEASURED)


def line(frame, name):
    [found] = frame[frame["name"] == name].itertuples()
    return found


@pytest.mark.parametrize(
    ("name", "seconds", "ratio", "met"),
    [
        ("plain loop", 20.0, 40.0, "yes"),
        ("other library", 3.0, 6.0, "no"),
        ("products alone", 0.25, 2.0, "yes"),
        ("attacks", 9.0, 0.4, "no"),
        ("rate", 9.0, 0.4, "yes"),
    ],
)
def test_ratios_are_scaled_and_held_against_their_targets(frame, name, seconds, ratio, met):
    found = line(frame, name)
    assert (found.seconds, found.ratio, found.met) == (pytest.approx(seconds), pytest.approx(ratio), met)


def test_a_bare_computation_bounds_our_time_from_above_and_a_peer_from_below(frame):
    slower = copy.deepcopy(MEASURED)
    slower["benchmarks"][0]["stats"]["min"] = 1.0
    found = report.rows(slower)
    assert line(found, "products alone").ratio == pytest.approx(4.0)
    assert [line(found, n).met for n in ("plain loop", "products alone")] == ["no", "no"]


def test_lines_without_a_target_have_no_verdict(frame):
    for name in ("this library", "aside"):
        assert line(frame, name).met == ""
        assert pd.isna(line(frame, name).ratio)
    assert set(frame.processor) == {"Some Processor without AMX"}
    assert set(frame.cores) == {4} and set(frame.torch) == {"2.0"}


@pytest.mark.parametrize("change", [lambda b: b.pop(0), lambda b: b.append(b[0])])
def test_a_subject_without_exactly_one_line_of_this_library_is_an_error(change):
    damaged = copy.deepcopy(MEASURED)
    change(damaged["benchmarks"])
    with pytest.raises(ValueError, match=r"subject 'heads' has [02] lines of this library; it must be one"):
        report.rows(damaged)


def test_the_table_says_what_was_scaled_reached_met_and_missed(frame):
    text = bench.table(frame)
    assert "| plain loop | 20 s (scaled from 40 heads) | loss 0.11 | takes 40 times ours | at least 30: met |" in text
    assert "| other library | 3 s |  | takes 6 times ours | at least 10: **missed** |" in text
    assert "| products alone | 0.25 s |  | ours takes 2 times this | at most 2: met |" in text
    assert "| attacks | 0.4 of the time | at most 0.3: **missed** |" in text
    assert "| **this library** | 0.5 s | loss 0.10 |  |  |" in text
    assert "this library: softmax 80%." in text
    assert text.index("**heads**") < text.index("**trial**")
    assert "nan" not in text


def test_a_target_below_the_bare_computation_is_said_to_be_out_of_reach(frame):
    assert "the target leaves" not in bench.table(frame)
    bare = copy.deepcopy(MEASURED)
    bare["benchmarks"][3] = entry("its products alone", "bare", 0.31, quality="")
    text = bench.table(report.rows(bare))
    assert "other library: the target leaves 0.3 s; its products alone take 0.31 s." in text
    assert text.count("the target leaves") == 1


def test_a_part_of_other_work_that_is_less_than_the_bare_computation_is_out_of_reach_too():
    bare = copy.deepcopy(MEASURED)
    bare["benchmarks"][3] = entry("its products alone", "bare", 0.25, quality="")
    for others, said in ((0.6, True), (0.9, False)):
        bare["benchmarks"][4] = entry("other products alone", "bare", others, quality="", target=0.4)
        sentence = f"other products alone: the target leaves {0.4 * others:.3g} s; its products alone take 0.25 s."
        assert (sentence in bench.table(report.rows(bare))) is said


def test_the_figure_shows_each_comparison_with_its_target(frame):
    drawn = figures.figure(frame)
    peers, bare = drawn.axes
    assert [tick.get_text() for tick in peers.get_yticklabels()] == ["plain loop\n(heads)", "other library\n(heads)"]
    assert [tick.get_text() for tick in bare.get_yticklabels()] == ["products alone\n(heads)"]
    assert peers.get_xscale() == bare.get_xscale() == "log"
    points = {c.get_label(): c.get_offsets().tolist() for c in peers.collections}
    assert points["target met"] == [[40.0, 1.0]]
    assert points["target missed"] == [[6.0, 0.0]]
    assert points["target"] == [[30.0, 1.0], [10.0, 0.0]]
    plt.close(drawn)


def test_a_measurement_survives_its_file_and_becomes_a_page(tmp_path, frame, capsys):
    measured, csv = tmp_path / "out.json", tmp_path / "bench" / "bench.csv"
    measured.write_text(json.dumps(MEASURED))
    assert report.main([str(measured), "--csv", str(csv)]) == 0
    assert "missed: heads: other library: 6, target 10" in capsys.readouterr().out
    pd.testing.assert_frame_equal(bench.read(csv), frame, check_dtype=False)
    pages.speed_page(tmp_path / "generated", bench.read(csv))
    text = (tmp_path / "generated" / "speed.md").read_text()
    assert "Measured on Some Processor without AMX (4 cores, torch 2.0). One thread works " in text
    assert "unless a line says otherwise. 3 of 5 targets are met" in text
    assert "](generated/speed_0.png)" in text
    width, _ = struct.unpack(">II", (tmp_path / "generated" / "speed_0.png").read_bytes()[16:24])
    assert 500 < width <= 900


def test_the_committed_measurement_is_a_page(tmp_path):
    pages.speed_page(tmp_path)
    text = (tmp_path / "speed.md").read_text()
    for name in ("scikit-learn", "ART, MIFace", "PyGAD", "EvoTorch", "DEAP", "torchvision"):
        assert name in text


def elsewhere(*benchmarks):
    """Return a measurement on a processor with AMX."""
    machine = {"cpu": {"brand_raw": "Other", "count": 2, "flags": ["avx2", "amx_tile"]}, "torch": "2.1"}
    return {"machine_info": machine, "benchmarks": list(benchmarks)}


def kept(measurement, folder, *options):
    (folder / "out.json").write_text(json.dumps(measurement))
    assert report.main([str(folder / "out.json"), "--csv", str(folder / "bench.csv"), *options]) == 0
    return bench.read(folder / "bench.csv")


def test_each_processor_keeps_its_lines_until_it_is_measured_anew(tmp_path):
    kept(MEASURED, tmp_path)
    seconds = kept(elsewhere(entry("this library", "ours", 0.7), entry("plain loop", "peer", 7.0)), tmp_path).seconds
    assert len(seconds) == 9
    other = elsewhere(entry("attacks", "at_most", 1.0, subject="trial", value=0.2, target=0.3))
    both = bench.by_processor(kept(other, tmp_path, "--keep"))
    assert {name: len(part) for name, part in both.items()} == {"Some Processor without AMX": 7, "Other with AMX": 3}
    pd.testing.assert_frame_equal(both["Some Processor without AMX"], report.rows(MEASURED), check_dtype=False)
    assert len(kept(other, tmp_path)) == 8, "a whole measurement replaces what that processor had"


def test_the_page_has_a_tab_for_each_processor_the_one_of_most_subjects_first(tmp_path):
    kept(elsewhere(entry("this library", "ours", 0.7), entry("plain loop", "peer", 7.0)), tmp_path)
    pages.speed_page(tmp_path / "generated", kept(MEASURED, tmp_path))
    text = (tmp_path / "generated" / "speed.md").read_text()
    first, second = text.split("::::{tab-item} ")[1:]
    assert first.startswith("Some Processor without AMX\n") and second.startswith("Other with AMX\n")
    assert "takes 40 times ours" in first and "takes 10 times ours" in second
    assert "](generated/speed_0.png)" in first and "](generated/speed_1.png)" in second
    assert (tmp_path / "generated" / "speed_1.png").exists()


def test_missed_targets_that_leave_too_little_time_are_counted_and_held_against_the_longest_floor():
    bare = copy.deepcopy(MEASURED)
    bare["benchmarks"][3] = entry("its products alone", "bare", 0.31, quality="")
    assert "2 of 4 targets are met, of 2 missed ones 1 cannot be met" in bench.basis(report.rows(bare))
    bare["benchmarks"].append(entry("its products and softmax alone", "bare", 0.35, quality=""))
    said = bench.out_of_reach(report.rows(bare).query("subject == 'heads'"))
    assert said == ["other library: the target leaves 0.3 s; its products and softmax alone take 0.35 s."]
    assert "cannot be met" not in bench.basis(report.rows(MEASURED))


def test_a_bare_computation_that_takes_longer_than_ours_bounds_nothing():
    bare = copy.deepcopy(MEASURED)
    bare["benchmarks"][3] = entry("its products alone", "bare", 0.51)
    assert bench.out_of_reach(report.rows(bare).query("subject == 'heads'")) == []
