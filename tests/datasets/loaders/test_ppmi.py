"""PPMI from its tables, from a curated data cut, and with images."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import load_ppmi
from adestim.datasets.loaders.ppmi import ppmi_event, read_ppmi
from adestim.datasets.simulation.genotypes import write_plink
from adestim.exceptions import DataWarning, InputError, TableError
from tests.datasets.writers.bids import tiny_image, write
from tests.datasets.writers.ida import write_ida_tree
from tests.datasets.writers.ppmi import RECORDED, make_participants, write_curated, write_ppmi


def assert_same(cohort, frame, target):
    """Everything that was written is read again."""
    pd.testing.assert_frame_equal(
        cohort.frame[RECORDED], frame[RECORDED], check_dtype=False, check_names=False
    )
    assert cohort.target.tolist() == target.tolist()
    assert cohort.site.tolist() == frame["site"].tolist()


@pytest.fixture
def written(tmp_path):
    """A folder of tables, and what they were written from."""
    _, frame, target = make_participants(8)
    write_ppmi(frame, target, tmp_path)
    return tmp_path, frame, target


# Round trips


@pytest.mark.parametrize("missing", [None, "adni"])
def test_tables_give_what_was_written(tmp_path, missing):
    _, frame, target = make_participants(10, missing=missing)
    write_ppmi(frame, target, tmp_path)
    assert_same(load_ppmi(tmp_path), frame, target)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize("words", [True, False])
def test_curated_data_cut_gives_what_was_written(tmp_path, suffix, words):
    _, frame, target = make_participants(10, missing="adni")
    write_curated(frame, target, tmp_path, suffix=suffix, words=words)
    cohort = load_ppmi(tmp_path)
    assert_same(cohort, frame, target)
    assert "rbdsq" in cohort.columns["diagnostic"]


def test_tables_and_data_cut_agree(written):
    root, frame, target = written
    write_curated(frame, target, root)
    tables, curated = load_ppmi(root), load_ppmi(root, source="curated")
    pd.testing.assert_frame_equal(tables.frame[RECORDED], curated.frame[RECORDED])


def test_participants_are_strings_of_four_to_six_digits(written):
    cohort = load_ppmi(written[0])
    assert {len(subject) for subject in cohort.frame.index} == {4, 5, 6}


def test_what_makes_the_diagnosis_is_declared(written):
    cohort = load_ppmi(written[0])
    assert set(cohort.columns["diagnostic"]) >= {
        "updrs1", "updrs2", "updrs3", "hoehn_yahr", "datscan_putamen", "ledd", "moca",
    }  # fmt: skip
    assert cohort.columns["clinical"] == ["age", "sex", "education", "gds", "upsit"]


def test_column_that_no_table_has_is_left_out(written):
    root = written[0]
    next(root.glob("DaTScan*")).unlink()
    cohort = load_ppmi(root)
    assert "datscan_putamen" not in cohort.frame
    assert "datscan_putamen" not in cohort.columns["diagnostic"]


# Traps of coding


def test_sex_is_coded_zero_for_female_and_one_for_male(written):
    root, frame, target = written
    write_ppmi(frame.assign(sex="F"), target, root)
    assert (load_ppmi(root).frame["sex"] == "F").all()
    raw = pd.read_csv(next(root.glob("Demographics*")), dtype="str")
    assert (raw["SEX"] == "0").all()


@pytest.mark.parametrize("source", ["tables", "curated"])
def test_sex_coded_as_in_other_studies_is_refused(written, source):
    root, frame, target = written
    path = next(root.glob("Demographics*"))
    pd.read_csv(path, dtype="str").assign(SEX="2").to_csv(path, index=False)
    write_curated(frame, target, root, SEX="2")
    with pytest.raises(TableError, match="coded 0 = F, 1 = M"):
        load_ppmi(root, source=source)


def test_words_of_the_arm_come_before_its_code(written):
    root, frame, target = written
    write_ppmi(frame, target, root, COHORT="9")
    assert load_ppmi(root).target.tolist() == target.tolist()


# Who is left out


def test_flow_tells_who_is_neither_control_nor_patient(tmp_path):
    _, frame, target = make_participants(9)
    names = list(frame.index)
    target[names[:2]] = ["SWEDD", "Prodromal"]
    status = ["Enrolled", "enrolled", "WITHDREW", "Screen_Failed", "declined", "Excluded",
              "complete", "Enrolled", "Enrolled"]  # fmt: skip
    write_ppmi(frame, target, tmp_path, ENROLL_STATUS=status)
    cohort = load_ppmi(tmp_path)
    assert cohort.flow.excluded.set_index("subject")["reason"].to_dict() == {
        names[3]: "screen_failed", names[4]: "declined", names[5]: "excluded",
        names[0]: "SWEDD", names[1]: "Prodromal",
    }  # fmt: skip
    assert len(cohort.flow.subjects) == 9


def test_participant_without_a_status_is_left_out(written):
    root, frame, target = written
    write_ppmi(frame.iloc[1:], target.iloc[1:], root, forms=["Participant_Status"])
    excluded = load_ppmi(root).flow.excluded
    assert excluded[["subject", "reason"]].to_numpy().tolist() == [[frame.index[0], "no status"]]


def test_patients_with_a_variant_can_be_left_out(written):
    root, frame, target = written
    patient, control = (target.index[target == arm][0] for arm in ("PD", "CN"))
    flags = np.where(frame.index.isin([patient, control]), "1", "0")
    write_ppmi(frame, target, root, ENRLLRRK2=flags)
    assert len(load_ppmi(root).frame) == len(frame)
    dropped = load_ppmi(root, genetic_pd="drop")
    assert dropped.flow.excluded["subject"].tolist() == [patient]
    assert dropped.flow.excluded["reason"].tolist() == ["genetic PD"]


def test_patients_with_a_variant_are_known_by_the_subgroup_of_a_data_cut(tmp_path):
    _, frame, target = make_participants(8)
    write_curated(frame, target, tmp_path, subgroup=target.map({"PD": "LRRK2", "CN": "HC"}))
    assert set(load_ppmi(tmp_path, genetic_pd="drop").target) == {"CN"}
    write_curated(frame, target, tmp_path, subgroup="Sporadic PD")
    assert len(load_ppmi(tmp_path, genetic_pd="drop").frame) == 8


def test_treated_patients_can_be_left_out(written):
    root, _, target = written
    path = next(root.glob("LEDD*"))
    log = pd.read_csv(path, dtype="str")
    patients = target.index[target == "PD"]
    log.loc[log["PATNO"] == patients[0], "STARTDT"] = "01/2011"
    log.to_csv(path, index=False)
    assert load_ppmi(root).frame.loc[patients[0], "ledd"] == 300
    excluded = load_ppmi(root, unmedicated=True).flow.excluded
    assert excluded["subject"].tolist() == [patients[0]]
    assert excluded["reason"].tolist() == ["medicated at baseline"]


def test_patients_of_unknown_treatment_do_not_count_as_untreated(written):
    root, _, target = written
    next(root.glob("LEDD*")).unlink()
    excluded = load_ppmi(root, unmedicated=True).flow.excluded
    assert set(excluded["subject"]) == set(target.index[target == "PD"])
    assert set(excluded["reason"]) == {"medication not known"}


def test_participant_without_a_baseline_is_left_out(tmp_path):
    _, frame, target = make_participants(8)
    write_curated(frame, target, tmp_path)
    path = next(tmp_path.glob("*.csv"))
    table = pd.read_csv(path, dtype="str")
    gone = (table["PATNO"] == frame.index[0]) & (table["EVENT_ID"] == "BL")
    table[~gone].to_csv(path, index=False)
    excluded = load_ppmi(tmp_path).flow.excluded
    assert excluded[["subject", "reason"]].to_numpy().tolist() == [
        [frame.index[0], "no baseline visit"]
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"task": "nc_ad"}, "'task' parameter must be one of 'nc_pd'"),
     ({"source": "web"}, "'source' parameter must be one of 'auto'"),
     ({"genetic_pd": "maybe"}, "'genetic_pd' parameter must be one of 'keep', 'drop'"),
     ({"window_days": -1}, "'window_days' parameter must be 0 or more"),
     ({"require": "t1w"}, "'require' parameter must be a list")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        load_ppmi(tmp_path, **options)


def test_folder_without_tables_says_where_they_are(tmp_path):
    with pytest.raises(TableError, match="Download it: study data of PPMI"):
        load_ppmi(tmp_path, source="tables")
    with pytest.raises(TableError, match="Download it: curated data cuts of PPMI"):
        load_ppmi(tmp_path)


# Images and genotypes


def series_of(subject, *scans):
    rows = [(subject, "MPRAGE_GRAPPA", f"{day} 12:00:00", f"I{number}", "t1w")
            for number, day in scans]  # fmt: skip
    table = pd.DataFrame(rows, columns=["subject", "description", "acquired", "image_id", "kind"])
    return table.assign(acquired=pd.to_datetime(table["acquired"]))


def test_scan_nearest_to_the_baseline_is_taken(written):
    root, frame, _ = written
    subject = frame.index[0]
    scans = series_of(subject, (11, "2011-01-05"), (12, "2012-04-01"), (13, "2013-03-20"))
    write_ida_tree(scans, root / "images")
    cohort = load_ppmi(root, images=root / "images")
    assert cohort.images["image_id"].tolist() == ["I12"]
    assert cohort.images["days_apart"].tolist() == [31]
    assert cohort.frame["t1w"].notna().sum() == 1


def test_list_of_the_archive_tells_which_scan_is_of_the_baseline(written):
    root, frame, _ = written
    subject = frame.index[0]
    write_ida_tree(series_of(subject, (12, "2012-03-05"), (13, "2012-07-20")), root / "images")
    listed = pd.DataFrame({"Image Data ID": ["I12", "I13"], "Subject": subject,
                           "Visit": ["Month 6", "Baseline"]})  # fmt: skip
    listed.to_csv(root / "collection.csv", index=False)
    cohort = load_ppmi(root, images=root / "images", collection=root / "collection.csv")
    assert cohort.images["image_id"].tolist() == ["I13"]


def test_session_of_bids_names_the_event(written):
    root, frame, _ = written
    for event in ("BL", "V04"):
        start = f"sub-{frame.index[1]}_ses-{event}"
        write(root / "bids" / start / "anat" / f"{start}_T1w.nii.gz", tiny_image(3))
    cohort = load_ppmi(root, images=root / "bids", require=["t1w"])
    assert cohort.frame.index.tolist() == [frame.index[1]]
    assert "ses-BL" in cohort.frame["t1w"].iloc[0]
    assert set(cohort.flow.excluded["reason"]) == {"no t1w"}


@pytest.mark.parametrize("spelling", ["{}", "PPMI_{}", "PP-{}"])
def test_samples_are_found_by_number(tmp_path, spelling):
    tables, frame, target = make_participants(8)
    write_ppmi(frame, target, tmp_path)
    people = pd.DataFrame({"female": (frame["sex"] == "F").to_numpy()},
                          index=[spelling.format(name) for name in frame.index])  # fmt: skip
    write_plink(tmp_path / "neurox", tables.genotypes, people, np.arange(6), build="hg19",
                swapped=True)  # fmt: skip
    cohort = load_ppmi(tmp_path, genotypes=tmp_path / "neurox")
    assert cohort.frame["genotypes"].dropna().tolist() == list(people.index[:6])
    assert cohort.columns["genetics"] == ["apoe", "genotypes"]
    assert cohort.genotype_builds == {str(tmp_path / "neurox"): "hg19"}


def test_file_sets_of_two_builds_are_told(tmp_path):
    tables, frame, target = make_participants(8)
    write_ppmi(frame, target, tmp_path)
    people = pd.DataFrame({"female": (frame["sex"] == "F").to_numpy()}, index=frame.index)
    prefixes = [tmp_path / build for build in ("hg18", "hg19")]
    for prefix, rows in zip(prefixes, np.array_split(np.arange(8), 2), strict=True):
        write_plink(prefix, tables.genotypes, people, rows, build=prefix.name, swapped=False)
    with pytest.warns(DataWarning, match="different genome builds"):
        cohort = load_ppmi(tmp_path, genotypes=prefixes)
    assert (cohort.frame["genotypes"] == frame.index).all()


@pytest.mark.parametrize(
    ("visit", "event"),
    [("Baseline", "BL"), ("Screening", "SC"), ("Month 6", "R01"), ("Month 12", "V04"),
     ("Month 24", "V06"), ("Month 36", "V08"), ("Month 48", "V10"), ("Month 60", "V12"),
     ("v04", "V04"), ("ses-BL", "BL")],
)  # fmt: skip
def test_visits_of_the_archive_are_events(visit, event):
    assert ppmi_event(visit) == event


def test_tables_without_participants_are_refused(tmp_path):
    (tmp_path / "Participant_Status.csv").write_text("PATNO,COHORT,ENROLL_STATUS\n")
    (tmp_path / "Demographics.csv").write_text("PATNO,SEX\n")
    with pytest.raises(TableError, match="The tables of PPMI name participants"):
        read_ppmi(tmp_path, "auto")
