import re

import pandas as pd
import pytest

from adestim.datasets.loaders.participants import (
    find_target_column,
    label_codes,
    parse_genotypes,
    parse_sexes,
    read_groups,
    read_participants,
    read_visits,
    take_at_visit,
    tidy_cells,
)
from adestim.exceptions import DataWarning, InputError, TableError

SUBJECTS = pd.Index(["sub-CTL01", "sub-ODP02", "sub-03"])


def text(*cells):
    """A column of cells."""
    return pd.Series(cells, dtype="str")


def table(root, content):
    """Write participants.tsv and read it."""
    (root / "participants.tsv").write_text(content)
    return read_participants(root)


def test_cells_are_text_by_subject_and_na_is_missing(tmp_path):
    cells = table(tmp_path, "participant_id\tage\tcode\nsub-01\t70\t007\nsub-02\tn/a\t1\n")
    assert list(cells.index) == ["sub-01", "sub-02"]
    assert cells.loc["sub-01", "code"] == "007"
    assert pd.isna(cells.loc["sub-02", "age"])


def test_identifiers_get_the_prefix_that_a_table_leaves_out(tmp_path):
    cells = table(tmp_path, "Participant_ID\tage\n01\t70\nsub-02\t71\n\t72\n")
    assert list(cells.index) == ["sub-01", "sub-02"]


def test_data_set_without_the_table_has_none(tmp_path):
    assert read_participants(tmp_path) is None


def test_table_without_identifiers_or_with_one_twice_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"'participant_id'\. Got none among 1 columns, 'age'"):
        table(tmp_path, "age\n70\n")
    with pytest.raises(TableError, match=r"one row a participant\. Got several for 'sub-01'"):
        table(tmp_path, "participant_id\nsub-01\n01\n")


def test_visit_goes_before_person_and_person_fills_its_gaps():
    people = pd.DataFrame({"Age": ["70"], "sex": ["F"]}, index=["sub-01"], dtype="str")
    visits = pd.DataFrame(
        {"subject": "sub-01", "session": ["ses-M000", "ses-M012"], "age": ["70", "71"],
         "mmse": ["29", None]}, dtype="str",
    )  # fmt: skip
    sessions = pd.Series({"sub-01": "ses-M012"}, dtype="str")
    found = take_at_visit(people, visits, sessions).loc["sub-01"]
    assert list(found.index) == ["Age", "sex", "mmse"]
    assert (found["Age"], found["sex"]) == ("71", "F")
    assert pd.isna(found["mmse"])


def test_visits_are_read_under_either_spelling_of_the_session(tmp_path):
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text("session_id\tage\nses-M06\t70\n")
    visits = read_visits(tmp_path, pd.Index(["sub-01", "sub-02"]))
    assert visits.to_dict("records") == [{"subject": "sub-01", "session": "ses-M006", "age": "70"}]


@pytest.mark.parametrize("words", [("F", "M"), ("female", "Male"), ("Woman", "man"), ("w", "m")])
def test_sex_is_told_by_words(words):
    assert list(parse_sexes(text(*words), {})) == ["F", "M"]


def test_sex_in_numbers_needs_an_explanation():
    with pytest.raises(TableError, match=r"bare numbers for 2 participants.*sex_codes="):
        parse_sexes(text("0", "1.0", None), {})
    assert list(parse_sexes(text("0", "1"), {"0": "F", "1": "M"})) == ["F", "M"]


def test_other_words_for_sex_count_as_missing_with_a_warning():
    with pytest.warns(DataWarning, match=r"Sex of 1 participants is neither"):
        assert parse_sexes(text("F", "other"), {}).isna().tolist() == [False, True]


@pytest.mark.parametrize("cell", ["3/4", "E3/E4", "e4e3", "34", "4/3", "ε3ε4"])
def test_genotype_is_told_in_every_spelling(cell):
    assert list(parse_genotypes(text(cell))) == ["3/4"]


def test_what_is_no_genotype_is_missing():
    assert parse_genotypes(text("1/4", "4", None)).isna().all()


def test_columns_come_under_the_names_of_the_package():
    cells = pd.DataFrame(
        {"Age": ["70.5", "89+"], "Gender": ["F", "M"], "education_level": ["12", None],
         "Clinic Score": ["1", "2"], "hand": ["1", "2"], "apoe_gen1": ["4", "3"],
         "apoe_gen2": ["3", None], "centre": ["2", "2"]}, dtype="str",
    )  # fmt: skip
    tidied = tidy_cells(cells, {"hand": {"1": "right", "2": "left"}}, {})
    assert list(tidied) == ["age", "sex", "education", "clinic_score", "hand", "site", "apoe"]
    assert list(tidied["age"]) == [70.5, 89.0]
    assert tidied["education"].dtype == "float64"
    assert list(tidied["hand"]) == ["right", "left"]
    assert list(tidied["site"]) == ["2", "2"]
    assert tidied["apoe"].tolist()[0] == "3/4"
    assert pd.isna(tidied["apoe"].tolist()[1])


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["23,5", None, "1,25"], [23.5, None, 1.25], "decimal commas"),
        (["45 %", "50 %"], [45, 50], "the unit '%'"),
    ],
)
def test_numbers_of_another_spelling_are_read_with_a_warning(cells, numbers, said):
    with pytest.warns(DataWarning, match=f"Column 'gait' is written with {said}"):
        tidied = tidy_cells(pd.DataFrame({"Gait": cells}, dtype="str"), {}, {})
    assert tidied["gait"].astype(object).where(tidied["gait"].notna(), None).tolist() == numbers


def test_numbers_whose_spelling_is_open_are_refused_by_name():
    cells = pd.DataFrame({"Gait": ["23.5", "23,5"]}, dtype="str")
    with pytest.raises(TableError, match="column 'gait' are written in one way"):
        tidy_cells(cells, {}, {})


def test_scale_of_which_the_ends_are_told_stays_a_scale():
    cells = pd.DataFrame({"pain": ["0", "5", "10"]}, dtype="str")
    assert tidy_cells(cells, {"pain": {"0": "none", "10": "worst"}}, {})["pain"].tolist() == [
        0, 5, 10,
    ]  # fmt: skip


@pytest.mark.parametrize(("unit", "age"), [("months", 70), ("Month", 70), ("d", 840 / 365.25)])
def test_age_in_another_unit_becomes_years_with_a_warning(unit, age):
    cells = pd.DataFrame({"Age": ["840"]}, dtype="str")
    with pytest.warns(DataWarning, match=f"Column 'age' is in '{unit}'"):
        assert tidy_cells(cells, {}, {}, {"Age": unit})["age"].tolist() == [pytest.approx(age)]
    assert tidy_cells(cells, {}, {}, {"Age": "years"})["age"].tolist() == [840]


def test_session_told_twice_is_refused_unless_its_rows_are_the_same():
    people = pd.DataFrame(index=["sub-01"])
    visits = pd.DataFrame(
        {"subject": "sub-01", "session": "ses-1", "mmse": ["29", "29", "27"]}, dtype="str"
    )
    sessions = pd.Series({"sub-01": "ses-1"}, dtype="str")
    assert take_at_visit(people, visits[:2], sessions)["mmse"].tolist() == ["29"]
    with pytest.raises(TableError, match=r"one row a session\. Got differing rows for 'sub-01'"):
        take_at_visit(people, visits, sessions)


def test_column_of_numbers_and_words_stays_text():
    tidied = tidy_cells(pd.DataFrame({"dose": ["1", "none"]}, dtype="str"), {}, {})
    assert list(tidied["dose"]) == ["1", "none"]


def codes_of(*codes):
    """Codes by subject."""
    return pd.Series(codes, index=SUBJECTS, dtype="str", name="Group")


@pytest.mark.parametrize("column", ["diagnosis", "Group", "DX", "diagnosis_sc"])
def test_column_of_groups_is_found_under_its_usual_names(column):
    assert find_target_column(pd.Index(["age", column]), None) == column


def test_column_of_groups_is_the_one_named_in_whatever_case():
    assert find_target_column(pd.Index(["diagnosis", "Amyloid"]), "amyloid") == "Amyloid"
    with pytest.raises(TableError, match=r"has a column 'amiloid'\. Got none; nearest: 'Amyloid'"):
        find_target_column(pd.Index(["diagnosis", "Amyloid"]), "amiloid")
    with pytest.raises(TableError, match=r"Got none; there are 'age', 'sex'.*as 'phenotype'"):
        find_target_column(pd.Index(["age", "sex"]), "amyloid")


def test_table_without_groups_says_which_columns_it_has():
    with pytest.raises(TableError, match=r"among the columns 'age', 'sex'\. Name the column"):
        find_target_column(pd.Index(["age", "sex"]), None)


@pytest.mark.parametrize("group", ["[A-Z]+", r"^([A-Z]+)\d+", re.compile("[A-Z]{3}")])
def test_expression_finds_the_group_in_the_identifier(group):
    codes = read_groups(SUBJECTS, group)
    assert list(codes[:2]) == ["CTL", "ODP"]
    assert pd.isna(codes["sub-03"])


def test_function_finds_the_group_in_the_identifier():
    codes = read_groups(SUBJECTS, {"CTL01": "CN", "ODP02": "PD"}.get)
    assert list(codes[:2]) == ["CN", "PD"]
    assert pd.isna(codes["sub-03"])


def test_labels_are_what_codes_mean():
    target, reasons = label_codes(codes_of("C", "A", None), {"Group": {"C": "Healthy"}}, None)
    assert dict(target) == {"sub-CTL01": "Healthy", "sub-ODP02": "A"}
    assert dict(reasons) == {"sub-03": "no group is told"}


def test_labels_are_by_code_or_by_meaning_and_others_have_a_reason():
    levels = {"Group": {"C": "Healthy", "A": "Alzheimer"}}
    codes = codes_of("C", "A", "F")
    assert dict(label_codes(codes, levels, {"Healthy": "CN"})[0]) == {"sub-CTL01": "CN"}
    target, reasons = label_codes(codes, levels, {"C": "CN"})
    assert dict(target) == {"sub-CTL01": "CN"}
    assert reasons["sub-ODP02"] == "group Alzheimer is not asked for"
    assert reasons["sub-03"] == "group F is not asked for"


def test_number_as_a_key_is_the_code_as_text():
    assert dict(label_codes(codes_of("1", "2", "2"), {}, {1: "CN"})[0]) == {"sub-CTL01": "CN"}


def test_labels_that_nobody_gets_are_refused():
    with pytest.raises(InputError, match=r"Got only the groups 'A', 'C'.*\{'code': 'label'\}"):
        label_codes(codes_of("C", "A", "C"), {}, {"X": "Y"})
