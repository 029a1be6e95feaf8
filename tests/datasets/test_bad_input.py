"""What is wrong with a download, for every study that is read from tables."""

from typing import NamedTuple

import pandas as pd
import pytest

from adestim.datasets import load_adni, load_aibl, load_oasis3, load_ppmi
from adestim.exceptions import DataWarning, TableError
from tests.datasets.writers.adni import write_adni, write_archive
from tests.datasets.writers.aibl import write_aibl
from tests.datasets.writers.oasis import make_participants as make_oasis3
from tests.datasets.writers.oasis import write_oasis3
from tests.datasets.writers.people import make_people
from tests.datasets.writers.ppmi import make_participants as make_ppmi
from tests.datasets.writers.ppmi import write_ppmi


class Study(NamedTuple):
    """A loader, its chief table, a column that must be there, and one that should."""

    load: object
    table: str
    needed: str
    other: str
    score: tuple
    date: tuple = ()


STUDIES = {
    "ADNI": Study(load_adni, "DXSUM", "DIAGNOSIS", "2", ("MMSE", "MMSCORE", "mmse"),
                  ("DXSUM", "EXAMDATE")),
    "AIBL": Study(load_aibl, "aibl_pdxconv", "DXCURREN", "2", ("aibl_mmse", "MMSCORE", "mmse"),
                  ("aibl_mmse", "EXAMDATE")),
    "OASIS-3": Study(load_oasis3, "OASIS3_UDSb4", "CDRTOT", "0.5",
                     ("OASIS3_UDSb4", "MMSE", "mmse")),
    "PPMI": Study(load_ppmi, "Participant_Status", "ENROLL_STATUS", "Declined",
                  ("MDS-UPDRS_Part_III", "NP3TOT", "updrs3"), ("Demographics", "INFODT")),
}  # fmt: skip


def write(name, root):
    """Write the tables of a study."""
    if name == "OASIS-3":
        write_oasis3(*make_oasis3(8), root)
    elif name == "PPMI":
        write_ppmi(*make_ppmi(8)[1:], root)
    else:
        (write_adni if name == "ADNI" else write_aibl)(*make_people(8)[1:], root)


@pytest.fixture(params=STUDIES)
def study(request, tmp_path):
    """A study and the folder of its tables."""
    write(request.param, tmp_path)
    return STUDIES[request.param], tmp_path


def path_of(root, table):
    """Return the one file of a table."""
    return next(root.rglob(f"{table}[_.]*"))


def edit(path, change):
    """Change a table on disk; return its path."""
    table = change(pd.read_csv(path, dtype="str", keep_default_na=False))
    table.to_csv(path, index=False)
    return path


def test_folder_that_is_not_there_is_refused(study):
    load, root = study[0].load, study[1]
    with pytest.raises(TableError, match="The folder of a study exists"):
        load(root / "nowhere")


def test_folder_of_another_study_is_refused(study, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write("ADNI" if study[0].load is not load_adni else "PPMI", other)
    with pytest.raises(TableError, match=r"is in the folder.*Download it: "):
        study[0].load(other)


def test_missing_table_is_named_with_where_to_get_it(study):
    chosen, root = study
    path_of(root, chosen.table).unlink()
    with pytest.raises(TableError, match=r"is in the folder.*Download.*(ida\.loni|form D1|NITRC)"):
        chosen.load(root)


def test_renamed_column_is_named_with_the_nearest(study):
    chosen, root = study
    renamed = f"{chosen.needed}_V2"
    edit(path_of(root, chosen.table), lambda table: table.rename(columns={chosen.needed: renamed}))
    with pytest.raises(TableError, match=rf"column '{chosen.needed}'.*nearest: '{renamed}'"):
        chosen.load(root)


def test_renamed_score_is_never_missing_in_silence(study):
    chosen, root = study
    name, column, ours = chosen.score
    edit(path_of(root, name), lambda table: table.rename(columns={column: f"{column}_V2"}))
    with pytest.warns(DataWarning, match=rf"lacks columns.*'{column}' .*nearest: '{column}_V2'"):
        cohort = chosen.load(root)
    assert ours not in cohort.frame


def test_newer_of_two_dates_is_read_with_a_warning_that_names_both(study):
    chosen, root = study
    path = path_of(root, chosen.table)
    newer = path.with_name(f"{chosen.table}_01Jan2026.csv")
    newer.write_bytes(path.read_bytes())

    def without_the_first(table):
        person = next(name for name in ("RID", "OASISID", "PATNO") if name in table)
        return table[table[person] != table[person].iloc[0]]

    edit(newer, without_the_first)
    path = path.rename(path.with_name(f"{chosen.table}_01Jan2020.csv"))
    with pytest.warns(DataWarning, match=rf"'{newer.name}' is read, '{path.name}' is not"):
        cohort = chosen.load(root)
    assert len(cohort.frame) == 7


def test_visit_entered_twice_is_told_and_counts_once(study):
    chosen, root = study

    def again(table):
        return pd.concat([table, table.iloc[[0]].assign(**{chosen.needed: chosen.other})])

    edit(path_of(root, chosen.table), again)
    with pytest.warns(DataWarning, match=r"has differing rows of the same .* were dropped"):
        cohort = chosen.load(root)
    assert cohort.frame.index.is_unique
    assert len(cohort.flow.subjects) == 8


# OASIS-3 has days since entry in place of dates.
@pytest.mark.parametrize("study", [name for name in STUDIES if STUDIES[name].date], indirect=True)
@pytest.mark.parametrize("date", ["02/31/2012", "2099-01-01", "soon"])
def test_impossible_date_is_told_and_missing(study, date):
    chosen, root = study
    name, column = chosen.date

    def impossible(table):
        table.loc[table.index[0], column] = date
        return table

    edit(path_of(root, name), impossible)
    with pytest.warns(
        DataWarning, match=r"1 cells .* are no possible dates .* missing: data rows 1"
    ):
        cohort = chosen.load(root)
    assert len(cohort.flow.subjects) == 8


def test_images_that_cannot_be_used_are_told_and_exclude_who_needs_them(tmp_path):
    _, frame, target = make_people(8)
    write_adni(frame, target, tmp_path / "tables")
    write_archive(frame, tmp_path / "images")
    empty, dangling, *_ = sorted((tmp_path / "images").rglob("*.nii"))
    empty.write_bytes(b"")
    dangling.unlink()
    dangling.symlink_to(tmp_path / ".git" / "annex" / "objects" / "gone")
    with pytest.warns(DataWarning, match=r"2 images .* cannot be used .1 of them: "):
        cohort = load_adni(tmp_path / "tables", images=tmp_path / "images", require=["t1w"])
    assert cohort.flow.excluded["reason"].tolist() == ["no t1w", "no t1w"]
    assert set(cohort.flow.excluded["step"]) == {"index visit"}
    assert len(cohort.frame) == 6
