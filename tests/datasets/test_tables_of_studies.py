"""Tables of every study as people save them again: in Excel, elsewhere, with rows twice."""

import csv
import io

import pandas as pd
import pytest

from adestim.datasets import load_adni, load_aibl, load_nacc, load_oasis3, load_ppmi
from adestim.exceptions import DataWarning
from tests.datasets.writers import adni, aibl, nacc, oasis, people, ppmi

STUDIES = {
    "adni": (load_adni, people.make_people, adni.write_adni),
    "aibl": (load_aibl, people.make_people, aibl.write_aibl),
    "nacc": (load_nacc, nacc.make_participants, nacc.write_nacc),
    "oasis": (load_oasis3, oasis.make_participants, oasis.write_oasis3),
    "ppmi": (load_ppmi, ppmi.make_participants, ppmi.write_ppmi),
}


@pytest.fixture(scope="module", params=STUDIES)
def study(request, tmp_path_factory):
    """What loads a study, the content of its tables, and what it gives as they were written."""
    load, make, write = STUDIES[request.param]
    *_, frame, target = make(8)
    root = tmp_path_factory.mktemp(request.param)
    write(frame, target, root)
    tables = {path.relative_to(root): path.read_text() for path in root.rglob("*.csv")}
    return load, tables, load(root)


def save_for_excel(text):
    """Save as Excel's Unicode text: UTF-16, tabs, blank rows at the end."""
    return write_rows(text, "\t", "\r\n", [""] * 3).encode("utf-16")


def save_in_europe(text):
    """Save with semicolons, in Windows-1252, with the separator stated."""
    return ("sep=;\r\n" + write_rows(text, ";", "\r\n", [])).encode("cp1252")


def repeat_rows(text):
    """Write every row twice."""
    names, *rows = text.splitlines(keepends=True)
    return "".join([names, *(row for row in rows for _ in range(2))]).encode()


def write_rows(text, separator, newline, below):
    """Write the rows of a table of commas anew, and rows of blanks below them."""
    rows = list(csv.reader(io.StringIO(text)))
    new = io.StringIO(newline="")
    csv.writer(new, delimiter=separator, lineterminator=newline).writerows(rows)
    return new.getvalue() + "".join(separator * (len(rows[0]) - 1) + newline for _ in below)


@pytest.mark.parametrize("save", [save_for_excel, save_in_europe, repeat_rows])
def test_study_is_the_same_whoever_saved_its_tables(study, tmp_path, save):
    load, tables, before = study
    for name, text in tables.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(text))
    after = load(tmp_path)
    pd.testing.assert_frame_equal(after.frame, before.frame)
    pd.testing.assert_series_equal(after.target, before.target)


def test_decimal_commas_of_a_study_are_read_with_a_warning(study, tmp_path):
    load, tables, before = study
    for name, text in tables.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
        commas = rows.apply(
            lambda cells: cells.str.replace(r"^(-?\d+)\.(\d+)$", r"\1,\2", regex=True)
        )
        commas.to_csv(path, index=False, sep=";")
    with pytest.warns(DataWarning, match="are written with decimal commas"):
        after = load(tmp_path)
    pd.testing.assert_frame_equal(after.frame, before.frame)
