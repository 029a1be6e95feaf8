"""The program that README shows runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
# A smaller cohort and shorter training; everything else runs as users read it.
SMALLER = {
    "make_cohort(120": "make_cohort(16",
    "Fold(5)": "Fold(2)",
    'anchor="all", ': 'anchor="all", max_epochs=2, n_trees=10, ',
}


def program() -> str:
    """Return README's Python program."""
    return re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.mark.slow
def test_program_of_the_readme_runs_on_fewer_subjects(tmp_path, monkeypatch, capsys):
    smaller = program()
    for words, fewer in SMALLER.items():
        assert smaller.count(words) == 1
        smaller = smaller.replace(words, fewer)
    monkeypatch.chdir(tmp_path)
    exec(compile(smaller, str(README), "exec"), {"__name__": "readme"})
    scores = np.array(re.findall(r"\d\.\d*", capsys.readouterr().out), dtype=float)
    assert len(scores) == 2
    assert np.all((scores >= 0) & (scores <= 1))


def test_grid_of_the_readme_names_real_parameters():
    namespace = {}
    source = (
        program().split("print(")[0].replace("cohort = make_cohort", "cohort = lambda **_: 0  #")
    )
    source = source.replace("cohort.genotype_files", "None")
    exec(compile(source, str(README), "exec"), namespace)
    grid = re.search(r"`(\{.*?\})`", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert set(eval(grid)) <= set(namespace["pipeline"].get_params())
