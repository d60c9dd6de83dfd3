"""What is computed from results, and how it is written."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks import __main__ as program
from benchmarks import report, results, runner
from benchmarks.report import svg, tables
from benchmarks.turns import QUICK, Budget


def row(variant, *values, case="LeNet-5 training, batch 128", **facts):
    return {"case": case, "variant": variant, "unit": "s", "values": list(values), "flops": 2e9, **facts}


@pytest.fixture
def found():
    made = results.new("python -m benchmarks")
    product = {"case": "product", "variant": "numpy", "unit": "s", "values": [1e-2, 2e-2, 4e-2], "flops": 4e9}
    steps = [row("gpunet", 2e-3, 3e-3, 2e-3), row("torch", 9e-3, 9e-3, 9e-3), row("torch-malloc", 4e-3, 4e-3, 8e-3)]
    growth = [row("gpunet", x * 1e-3, case=f"batch {x}", group="batch", x=x, of="LeNet-5") for x in (1, 10, 100)]
    sections = {"limits": [product], "steps": steps, "scaling": growth}
    for name, rows in sections.items():
        made["sections"][name] = {"title": name, "seconds": 1.0, "missing": {}, "failures": {}, "rows": rows}
        made["sections"][name] |= {"date": made["date"], "command": made["command"]}
    made["sections"]["steps"]["missing"] = {"JAX <jit>": "jax not installed"}
    return made


def test_ratios_are_of_rounds_and_against_the_best_pytorch(found):
    assert results.sgemm_rate(found) == 2e11
    (line,) = tables.summary(found).rows
    assert line == ["LeNet-5 training, batch 128", "2 ms", "4 ms", "0.50 (0.25 – 0.75)"]
    (table,) = tables.of_section(found, "steps")
    assert [cells[4] for cells in table.rows] == ["0.20", "0.40", "0.90"]  # of 2 GFLOP at 200 GFLOP/s


def test_the_summary_has_a_column_for_what_was_measured(found):
    found["sections"]["steps"]["rows"] += [row("gpunet-recorded", 1e-3, 1e-3, 2e-3), row("jax", 8e-3, 8e-3, 8e-3)]
    for one in found["sections"]["steps"]["rows"]:
        one["peak_bytes"] = 30 if one["variant"] == "gpunet" else 40
    table = tables.summary(found)
    assert table.columns[3:] == ["recorded", "fit", "JAX jit", "peak memory, of PyTorch's"]
    assert [cells[:4] for cells in table.rows[0][3:]] == ["0.25", "0.50", "2.00", "0.75"]


def test_the_slope_is_that_of_the_logarithms():
    assert results.slope([(x, 3 * x**1.5) for x in (1, 2, 7)]) == pytest.approx(1.5)
    assert results.slope([(2, 1.0)]) is None


def test_the_page_loads_nothing_and_its_plots_are_well_formed(found, tmp_path):
    report.write(found, tmp_path)
    page = (tmp_path / "bench.html").read_text()
    assert not re.search(r"(src|href)=|url\(|@import", page)
    assert "JAX &lt;jit&gt;" in page
    assert "slope 1.00" in page
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 3  # in short, steps, scaling
    for plot in plots:
        ET.fromstring(plot)
    assert "Missing: JAX <jit>: jax not installed" in (tmp_path / "bench.md").read_text()


def test_a_bar_far_beyond_the_others_is_cut():
    entries = [svg.Bar(name, value, value, value, name, False) for name, value in (("a", 1), ("b", 2), ("c", 100))]
    plot = ET.fromstring(svg.bars("times", entries, reference=1.5))
    widths = [float(rect.get("width")) for rect in plot.iter("rect")]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert max(widths) < 760
    assert "c →" in [text.text for text in plot.iter("text")]


def test_a_report_is_made_anew_from_its_file(found, tmp_path, capsys):
    results.save(found, tmp_path / "bench.json")
    assert program.main(["report", str(tmp_path / "bench.json")]) == 0
    assert (tmp_path / "bench.html").exists()
    assert "0.50 (0.25 – 0.75)" in capsys.readouterr().out


def test_comparing_two_files_names_what_changed_beyond_its_spread(found, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    results.save(found, old)
    ours, theirs, tuned = found["sections"]["steps"]["rows"]
    ours["values"] = [4e-3, 4e-3, 5e-3]  # were 2 to 3
    theirs["values"] = [6e-3, 8e-3, 7e-3]  # was 9
    tuned["values"] = [7e-3, 5e-3, 4e-3]  # was 4 to 8
    results.save(found, new)
    assert program.main(["compare", str(old), str(new)]) == 1
    said = capsys.readouterr().out
    assert re.search(r"gpunet\[cpu\] fit .* 2.00 \(1.33 – 2.50\) \| slower", said)
    assert re.search(r"PyTorch eager .* faster", said)
    assert "malloc tuned" not in said
    assert "7 rows in both files, 2 shown" in said
    assert program.main(["compare", str(old), str(old)]) == 0
    assert "No change beyond the spread" in capsys.readouterr().out


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "bench.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(ValueError, match="no result file of format"):
        results.load(tmp_path / "bench.json")


def test_the_runner_runs_sections_end_to_end(tmp_path, capsys):
    variants = ["numpy", "gpunet-numpy", "gpunet-numpy-recorded", "gpunet-numpy-eager"]
    arguments = ["overhead", "--rounds", "1", "--turn", "0.001", "--warm", "0.001", "--output", str(tmp_path)]
    assert program.main([*arguments, "--only", *variants]) == 0
    (path,) = tmp_path.glob("*/bench.json")
    found = results.load(path)
    assert list(found["sections"]) == ["limits", "overhead"]
    assert found["command"].startswith("python -m benchmarks overhead")
    assert found["machine"]["versions"]["numpy"]
    assert {r["variant"] for r in found["sections"]["overhead"]["rows"]} == set(variants[1:])
    assert "`fit` adds to a recorded step" in capsys.readouterr().out


def test_an_output_that_is_no_folder_is_refused_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        program.main(["overhead", "--output", str(tmp_path / "file")])
    assert "--output: no folder can be made of it" in capsys.readouterr().err


def test_single_cases_are_measured_and_the_others_kept(tmp_path, capsys):
    arguments = ["overhead", "--rounds", "1", "--turn", "0.001", "--warm", "0.001", "--output", str(tmp_path)]
    arguments += ["--only", "gpunet-numpy-recorded", "gpunet-numpy-eager", "--cases"]
    assert program.main([*arguments, "chain"]) == 0
    (path,) = tmp_path.glob("*/bench.json")
    assert program.main([*arguments, "mlp.*batch 8"]) == 0
    sections = results.load(path)["sections"]
    assert list(sections) == ["overhead"]
    tape, fit = sections["overhead"]["rows"]
    assert (fit["group"], tape["group"]) == ("fit", "tape")
    assert tape["command"].endswith("--cases chain")
    assert program.main([*arguments, "no such case"]) == 1
    assert "no case that matches 'no such case'" in capsys.readouterr().out
    assert results.load(path)["sections"] == sections
    with pytest.raises(SystemExit):
        program.main([*arguments, "("])


def test_a_section_that_breaks_is_part_of_the_results(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.sections.limits.record", lambda *_: 1 / 0)
    assert runner.run(runner.Choice([]), Budget(1, 0.001, 0.001, 1), "command", tmp_path) == 1
    (path,) = tmp_path.glob("*/bench.json")
    assert "ZeroDivisionError" in results.load(path)["sections"]["limits"]["failures"]["limits"]
    capsys.readouterr()


def test_budgets_are_checked():
    options = program._parser().parse_args(["--rounds", "2"])
    assert runner.budget(options) == QUICK._replace(rounds=2)
    with pytest.raises(SystemExit, match="--turn must be positive"):
        runner.budget(program._parser().parse_args(["--turn", "0"]))


def test_the_readme_shows_a_committed_result():
    text = report.README.read_text()
    block = text[text.index(report.BEGIN) : text.index(report.END) + len(report.END)]
    place = re.search(r"\[results\]\((.*?)\)", block)
    if place is None:
        assert "Not measured yet" in block
    else:
        path = report.README.parent / place[1] / "bench.json"
        assert block == report.readme_block(results.load(path), path)


def test_rows_of_a_command_before_keep_its_name(found):
    steps = found["sections"]["steps"]
    assert report.origins(steps) == [("python -m benchmarks", found["date"][:10])]
    steps["rows"][0] |= {"date": "2020-01-02T03:04:05+00:00", "command": "python -m benchmarks steps"}
    assert report.origins(steps) == [
        ("python -m benchmarks steps", "2020-01-02"),
        ("python -m benchmarks", found["date"][:10]),
    ]


def test_the_summary_goes_into_the_readme(found, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    report.README.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    results.save(found, tmp_path / "results" / "bench.json")
    assert program.main(["report", str(tmp_path / "results" / "bench.json"), "--readme"]) == 0
    text = report.README.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "0.50 (0.25 – 0.75)" in text
    assert "([results](results))" in " ".join(text.split())
