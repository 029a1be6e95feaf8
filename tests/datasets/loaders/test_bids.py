import json
import pickle
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import acknowledgement, load_bids, make_cohort
from adestim.datasets.loaders.bids import ASIDE
from adestim.exceptions import DataWarning, InputError, TableError, VolumeError
from tests.datasets.writers.bids import (
    ATLAS,
    T_R,
    XCPD_NAMES,
    make_people,
    write,
    write_bids,
    write_caps,
    write_fmriprep,
    write_table,
    write_xcpd,
)

CLINICAL = ["age", "sex", "education", "mmse", "apoe", "site"]


def expected_frame(people, images):
    """What a loader is to return of these people."""
    return pd.concat([images, people[CLINICAL]], axis=1)


def assert_same(frame, expected):
    """The same columns and cells, in whatever order of columns."""
    pd.testing.assert_frame_equal(
        frame.rename_axis(None), expected, check_like=True, check_dtype=False,
        check_index_type=False, check_column_type=False,
    )  # fmt: skip


@pytest.fixture
def people():
    return make_people()


def test_raw_data_set_comes_back_as_it_was_written(tmp_path, people):
    images = write_bids(people, tmp_path)
    cohort = load_bids(tmp_path)
    assert_same(cohort.frame, expected_frame(people, images))
    assert dict(cohort.target) == dict(people["diagnosis"])
    assert list(cohort.groups) == list(people.index)
    assert list(cohort.site) == list(people["site"])
    assert set(cohort.repetition_time.dropna()) == {T_R}
    assert cohort.columns == {
        "smri": ["t1w"], "fmri": ["bold"], "clinical": ["age", "sex", "education"],
        "diagnostic": ["mmse"], "genetics": ["apoe"],
    }  # fmt: skip
    assert cohort.flow.excluded.empty


def test_simulated_cohort_comes_back_from_its_files(tmp_path):
    cohort = make_cohort(8, root=tmp_path, missing=0.3, resolution=12, bold_resolution=12)
    loaded = load_bids(tmp_path, genotype_files=cohort.genotype_files)
    assert_same(loaded.frame, cohort.frame.rename_axis(None))
    assert list(loaded.target) == list(cohort.target)
    assert loaded.columns == cohort.columns
    assert loaded.genotype_files == cohort.genotype_files


def test_preprocessed_images_go_before_raw_ones(tmp_path, people):
    raw = write_bids(people, tmp_path)
    images = write_fmriprep(people, tmp_path / "derivatives" / "fmriprep")
    assert_same(load_bids(tmp_path).frame, expected_frame(people, raw))
    cohort = load_bids(tmp_path, derivatives="fmriprep")
    assert_same(cohort.frame, expected_frame(people, images))
    assert set(cohort.images["pipeline"]) == {"fMRIPrep"}
    # No sidecar of fMRIPrep's own is there: the raw run says it.
    assert set(cohort.repetition_time.dropna()) == {T_R}


@pytest.mark.parametrize("generation", XCPD_NAMES)
def test_denoised_runs_and_series_come_without_confounds(tmp_path, people, generation):
    write_bids(people, tmp_path / "raw")
    write_fmriprep(people, tmp_path / "fmriprep")
    images = write_xcpd(people, tmp_path / "xcp_d", generation)
    folders = [tmp_path / "xcp_d", tmp_path / "fmriprep"]
    cohort = load_bids(tmp_path / "raw", derivatives=folders)
    wanted = images[["t1w", "bold", "roi_series"]]
    assert_same(cohort.frame, expected_frame(people, wanted))
    assert "confounds" not in cohort.frame


def test_atlas_is_chosen_by_the_user(tmp_path, people):
    write_bids(people, tmp_path)
    write_xcpd(people, tmp_path / "x", "0.10.7", atlases=[ATLAS, "Tian"])
    with pytest.raises(InputError, match=r"of one atlas\. Got series of 2: '4S456Parcels', 'Tian'"):
        load_bids(tmp_path, derivatives=tmp_path / "x")
    cohort = load_bids(tmp_path, derivatives=tmp_path / "x", atlas="Tian")
    assert cohort.frame["roi_series"].dropna().str.contains("seg-Tian").all()


@pytest.mark.parametrize("session", ["ses-M000", "ses-M00"])
def test_images_of_clinica_belong_to_the_session_in_either_spelling(tmp_path, people, session):
    write_bids(people, tmp_path / "raw", sessions=["ses-M000", "ses-M012"])
    cropped = write_caps(people, tmp_path / "caps", session=session)
    cohort = load_bids(tmp_path / "raw", derivatives=tmp_path / "caps")
    pd.testing.assert_series_equal(
        cohort.frame["t1w"], cropped, check_dtype=False, check_index_type=False, check_names=False
    )


def test_each_enters_at_their_earliest_session(tmp_path, people):
    images = write_bids(people, tmp_path, sessions=["ses-M006", "ses-M012", "ses-M120"])
    visits = pd.DataFrame(
        {"age": [70.0, 71.0], "diagnosis": ["AD", "n/a"]}, index=["ses-M006", "ses-M012"]
    )
    write_table(tmp_path / "sub-0001" / "sub-0001_sessions.tsv", visits.rename_axis("session_id"))
    cohort = load_bids(tmp_path)
    expected = people.copy()
    expected.loc["sub-0001", ["age", "diagnosis"]] = [70.0, "AD"]
    # Whoever has no image has no session.
    assert_same(cohort.frame, expected_frame(expected, images))
    assert cohort.target["sub-0001"] == "AD"
    later = load_bids(tmp_path, session="M012")
    assert later.frame.loc["sub-0001", "age"] == 71.0
    assert later.target["sub-0001"] == "CN"
    assert later.frame["t1w"].dropna().str.contains("ses-M012").all()


def test_whoever_was_not_seen_at_the_session_is_in_the_flow(tmp_path, people):
    write_bids(people, tmp_path, sessions=["ses-M000"])
    write_bids(people.iloc[:3], tmp_path, sessions=["ses-M024"], participants=False)
    cohort = load_bids(tmp_path, session="ses-M024")
    assert list(cohort.frame.index) == list(people.index[:3])
    assert set(cohort.flow.excluded["reason"]) == {"not seen at 'ses-M024'"}


def test_sessions_without_an_order_are_not_guessed(tmp_path, people):
    write_bids(people, tmp_path, sessions=["ses-post", "ses-pre"])
    with pytest.raises(InputError, match=r"tell the earliest\. Got neither.*'session' parameter"):
        load_bids(tmp_path)
    assert len(load_bids(tmp_path, session="ses-pre").frame) == len(people)


def test_groups_are_read_from_identifiers(tmp_path, people):
    names = {old: f"sub-{'CTL' if i % 2 else 'ODP'}{i:02d}" for i, old in enumerate(people.index)}
    people = people.rename(index=names).drop(columns="diagnosis")
    write_bids(people, tmp_path, participants=False)
    by_pattern = load_bids(tmp_path, group=r"^([A-Z]+)", labels={"CTL": "CN", "ODP": "PD"})
    assert dict(by_pattern.target.value_counts()) == {"PD": 4, "CN": 4}
    by_function = load_bids(tmp_path, group=lambda name: name[:3])
    assert set(by_function.target) == {"CTL", "ODP"}
    assert list(by_function.frame) == ["t1w", "bold"]
    with pytest.raises(InputError, match=r"Groups are read.*Got both.*one of them"):
        load_bids(tmp_path, group="C", target="diagnosis")


def test_data_set_that_says_nothing_of_its_people_is_refused(tmp_path, people):
    write_bids(people, tmp_path, participants=False)
    with pytest.raises(TableError, match=r"which group\. Got none of.*pass 'group'"):
        load_bids(tmp_path)
    with pytest.raises(InputError, match="folder of images exists"):
        load_bids(tmp_path / "nowhere")


def test_codes_are_labelled_by_themselves_or_by_what_they_mean(tmp_path, people):
    coded = people.replace({"diagnosis": {"CN": "C", "AD": "A"}})
    meaning = {"diagnosis": {"C": "Healthy", "A": {"Description": "Alzheimer's"}}}
    write_bids(coded, tmp_path, levels=meaning, columns={"diagnosis": "Group"})
    write(tmp_path / "participants.json", json.dumps({"Group": {"Levels": meaning["diagnosis"]}}))
    assert set(load_bids(tmp_path).target) == {"Healthy", "Alzheimer's"}
    cohort = load_bids(tmp_path, labels={"C": "CN", "Alzheimer's": "AD"})
    assert dict(cohort.target) == dict(people["diagnosis"])
    only = load_bids(tmp_path, target="group", labels={"A": "AD"})
    assert set(only.flow.excluded["reason"]) == {"group Healthy is not asked for"}
    with pytest.raises(InputError, match=r"asked for\. Got only the groups .*Healthy.*'labels'"):
        load_bids(tmp_path, labels={"PD": "PD"})


@pytest.mark.parametrize(("codes", "swapped"), [({"1": "M", "2": "F"}, False),
                                                ({"1": "F", "2": "M"}, True)])  # fmt: skip
def test_numbers_for_sex_are_never_guessed(tmp_path, people, codes, swapped):
    coded = people.replace({"sex": {"M": "1", "F": "2"}})
    write_bids(coded, tmp_path, columns={"sex": "Gender"})
    with pytest.raises(TableError, match=r"Sex is coded by words.*8 participants.*sex_codes="):
        load_bids(tmp_path)
    sex = load_bids(tmp_path, sex_codes=codes).frame["sex"]
    assert (list(sex) != list(people["sex"])) == swapped
    meaning = {code: {"M": "Male", "F": "Female"}[sex] for code, sex in codes.items()}
    write(tmp_path / "participants.json", json.dumps({"Gender": {"Levels": meaning}}))
    assert list(load_bids(tmp_path).frame["sex"]) == list(sex)


def test_broken_images_exclude_their_subject_unless_asked_otherwise(tmp_path, people):
    images = write_bids(people, tmp_path)
    first, second = images["t1w"].iloc[0], images["bold"].iloc[2]
    Path(first).unlink()
    Path(first).symlink_to(tmp_path / "annex" / "gone.nii.gz")
    Path(second).write_bytes(b"")
    cohort = load_bids(tmp_path)
    excluded = cohort.flow.excluded.set_index("subject")["reason"]
    assert dict(excluded) == {"sub-0001": "t1w: dangling link", "sub-0003": "bold: empty file"}
    assert not {"sub-0001", "sub-0003"} & set(cohort.frame.index)
    with pytest.warns(DataWarning, match=r"count as missing: t1w: dangling link \(1 files\)"):
        kept = load_bids(tmp_path, broken="missing").frame
    assert len(kept) == len(people)
    assert pd.isna(kept.loc["sub-0001", "t1w"])
    with pytest.raises(VolumeError, match=r"Subject 'sub-000[13]'.*datalad get") as caught:
        load_bids(tmp_path, broken="raise")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_modality_that_is_required_is_in_the_flow(tmp_path, people):
    write_bids(people, tmp_path)
    cohort = load_bids(tmp_path, require=["t1w", "bold"])
    assert list(cohort.frame.index) == list(people.index[people["has_t1w"] & people["has_bold"]])
    assert list(cohort.flow.steps["reason"])[-2:] == ["no t1w", "no bold"]
    with pytest.raises(InputError, match=r"what is required\. Got nobody: no confounds"):
        load_bids(tmp_path, require=["confounds"])


def test_person_without_a_row_in_the_table_has_no_group(tmp_path, people):
    write_bids(people, tmp_path)
    write_bids(make_people(9).iloc[8:], tmp_path, participants=False)
    cohort = load_bids(tmp_path)
    assert cohort.flow.excluded.iloc[0].tolist() == ["sub-0009", "label", "no group is told"]


def test_identifiers_without_their_zeros_are_pointed_out(tmp_path, people):
    write_bids(people, tmp_path)
    write_bids(people.rename(lambda name: str(int(name[4:]))), tmp_path / "other")
    (tmp_path / "other" / "participants.tsv").replace(tmp_path / "participants.tsv")
    with pytest.raises(TableError, match=r"'sub-1' in the table and 'sub-0001' for a folder"):
        load_bids(tmp_path)


def test_measures_of_other_tables_are_joined(tmp_path, people):
    write_bids(people.drop(columns="diagnosis"), tmp_path)
    table = people[["diagnosis"]].rename(index=lambda name: name[4:]).assign(gait="0,5", pain="-9")
    write_table(tmp_path / "phenotype" / "gait.tsv", table.rename_axis("participant_id"))
    facts = {"diagnosis": {"Levels": {"CN": "Healthy"}}, "pain": {"MissingValues": [-9]}}
    write(tmp_path / "phenotype" / "gait.json", json.dumps(facts))
    with pytest.raises(TableError, match=r"there are 'age', .*or pass its table as 'phenotype'"):
        load_bids(tmp_path, target="diagnosis")
    with pytest.warns(DataWarning, match="Column 'gait' is written with decimal commas"):
        cohort = load_bids(tmp_path, phenotype="phenotype")
    assert dict(cohort.target) == dict(people["diagnosis"].replace("CN", "Healthy"))
    assert set(cohort.frame["gait"]) == {0.5}
    assert cohort.frame["pain"].isna().all()
    assert "gait" in cohort.columns["clinical"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"phenotype": "gait"}, r"'phenotype' parameter names a table.*Got 'gait', which"),
        ({"broken": "drop"}, r"'broken' parameter must be one of 'exclude'"),
        ({"require": "t1w"}, r"'require' parameter lists some of 't1w'"),
        ({"require": ["pet"]}, r"'require' parameter lists some of 't1w'"),
        ({"derivatives": "fmriprep"}, r"'derivatives' parameter names folders.*Got 'fmriprep'"),
        ({"space": "MNI305"}, r"files of 't1w' in the space 'MNI305'\. Got only others: 'none"),
        ({"space": {"pet": "T1w"}}, r"names spaces of 't1w' and 'bold'\. Got 'pet' besides"),
        ({"target": "diagnossis"}, r"has a column 'diagnossis'.*nearest: 'diagnosis'"),
        ({"genotype_files": ["nowhere"]}, r"file set has a '.fam'\. Got none"),
    ],
)
def test_parameters_out_of_range_are_refused(tmp_path, people, parameters, message):
    write_bids(people, tmp_path)
    with pytest.raises(InputError, match=message):
        load_bids(tmp_path, **parameters)


def test_what_the_clinical_table_is_warned_of_is_declared_diagnostic(tmp_path, people):
    people = people.assign(cdr_global=0.5, rbdsq=4.0, study_group="A", weight=70.0)
    write_bids(people, tmp_path)
    columns = load_bids(tmp_path, target="diagnosis").columns
    assert columns["diagnostic"] == ["mmse", "cdr_global", "rbdsq", "study_group"]
    assert columns["clinical"] == ["age", "sex", "education", "weight"]


@pytest.mark.parametrize(
    "name", ["site", "phase", "alternative_id_1", "adni_rid", "original_study", "acq_time"]
)
def test_what_describes_no_patient_is_not_clinical(name):
    assert ASIDE.fullmatch(name)
    assert not ASIDE.fullmatch("age")


def test_data_set_says_itself_whom_to_acknowledge(tmp_path, people):
    write_bids(people, tmp_path)
    cohort = load_bids(tmp_path)
    assert "dataset_description.json" in re.sub(r"\s+", " ", acknowledgement(cohort))
    assert "8 people" in cohort.description


def test_numbers_with_gaps_stay_numbers(tmp_path, people):
    people["weight"] = np.where(people["sex"] == "F", np.nan, 70.5)
    write_bids(people, tmp_path)
    assert load_bids(tmp_path).frame["weight"].dtype == "float64"


@pytest.fixture
def unpack(realdata, tmp_path):
    """Return a function that unpacks a skeleton of a real data set."""

    def unpacked(name):
        with tarfile.open(realdata / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="fully_trusted")
        return tmp_path / name.rsplit("/", 1)[-1]

    return unpacked


def test_real_data_set_whose_groups_are_in_identifiers_and_whose_links_dangle(unpack):
    root = unpack("openneuro/ds000245")
    with pytest.raises(VolumeError, match=r"t1w: dangling link \(45 files\).*datalad get"):
        load_bids(root, group="CTL|ODN|ODP")
    with pytest.warns(DataWarning, match="count as missing"):
        cohort = load_bids(
            root, group="CTL|ODN|ODP", labels={"CTL": "CN", "ODP": "PD"}, broken="missing"
        )
    assert dict(cohort.target.value_counts()) == {"PD": 15, "CN": 15}
    assert set(cohort.frame["sex"]) == {"F", "M"}
    assert cohort.columns["diagnostic"] == ["mmse"]
    assert set(cohort.flow.excluded["reason"]) == {"group ODN is not asked for"}


def test_real_codes_of_groups_are_explained_beside_the_table(unpack):
    root = unpack("openneuro/ds004504")
    target = load_bids(root, labels={"A": "AD", "Healthy Group": "CN"}).target
    assert dict(target.value_counts()) == {"AD": 36, "CN": 29}
    assert "Frontotemporal Dementia Group" in set(load_bids(root).target)
