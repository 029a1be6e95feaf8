"""ADNI from files of every generation."""

import csv

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import load_adni
from adestim.exceptions import DataWarning, InputError, TableError
from adestim.modalities.clinical import diagnostic_columns
from adestim.modalities.genetics import GeneticsExtractor
from tests.datasets.writers.adni import write_adni, write_archive, write_bids, write_genotypes
from tests.datasets.writers.people import make_people
from tests.modalities.genetics.frames import stacked

SINGLE = ("raw-2023", "2025", "adnimerge2")
MERGED = ("tadpole", "2023")
NO_CAUSE = "does not say what dementia is due to"


@pytest.fixture(scope="module")
def people():
    return make_people(10)


@pytest.fixture
def written(people, tmp_path):
    """A folder of today's tables, and what they were written from."""
    _, frame, target = people
    write_adni(frame, target, tmp_path / "tables")
    return tmp_path, frame, target


def edit(path, change):
    """Change a table on disk."""
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    changed = change(table)
    (table if changed is None else changed).to_csv(path, index=False)


def assert_same(cohort, frame, target, columns):
    """Everything that was written is read again; of birth only month and year were."""
    pd.testing.assert_frame_equal(
        cohort.frame.loc[frame.index, columns], frame[columns], check_dtype=False
    )
    ages = cohort.frame.loc[frame.index, "age"]
    pd.testing.assert_series_equal(ages, frame["age"], atol=0.16, rtol=0, check_dtype=False)
    assert cohort.target[frame.index].tolist() == target.tolist()


# Round trips


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("generation", SINGLE)
def test_single_tables_of_every_generation_give_what_was_written(
    people, tmp_path, generation, quoted
):
    _, frame, target = people
    write_adni(frame, target, tmp_path, generation, quoted=quoted)
    columns = ["sex", "education", "gds", "apoe", "mmse", "cdrsb", "adas13", "faq", "moca"]
    columns += ["site", "phase", "date"]
    assert_same(load_adni(tmp_path, "nc_ad"), frame, target, columns)


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("generation", MERGED)
def test_adnimerge_of_every_generation_gives_what_was_written(people, tmp_path, generation, quoted):
    _, frame, target = people
    write_adni(frame, target, tmp_path, generation, quoted=quoted)
    with pytest.warns(DataWarning, match=NO_CAUSE):
        cohort = load_adni(tmp_path, "nc_ad")
    columns = [
        "sex",
        "education",
        "mmse",
        "cdrsb",
        "adas13",
        "faq",
        "moca",
        "site",
        "phase",
        "date",
    ]
    assert_same(cohort, frame, target, columns)
    assert (cohort.frame["abeta_censored"] == ">").all()
    assert (cohort.frame["abeta"] == 1700).all()


@pytest.mark.parametrize("task", ["nc_mci", "smci_pmci"])
@pytest.mark.parametrize("generation", ["tadpole", "raw-2023", "2025"])
@pytest.mark.filterwarnings(f"ignore:.*{NO_CAUSE}")
def test_other_tasks_give_what_was_written(tmp_path, generation, task):
    _, frame, target = make_people(10, task, seed=1)
    write_adni(frame, target, tmp_path, generation)
    assert_same(load_adni(tmp_path, task), frame, target, ["sex", "mmse", "phase"])


def test_missing_cells_stay_missing(tmp_path):
    _, frame, target = make_people(40, seed=2, missing="adni")
    frame["education"] = frame["education"].mask(frame.index == frame.index[3])
    assert frame.isna().any(axis=None)
    write_adni(frame, target, tmp_path)
    columns = ["sex", "education", "gds", "apoe", "mmse", "cdrsb", "adas13", "faq", "moca"]
    assert_same(load_adni(tmp_path), frame, target, columns)


def test_three_classes_are_told_apart(tmp_path):
    _, frame, target = make_people(10, "nc_mci", seed=1)
    target.iloc[:2] = "AD"
    write_adni(frame, target, tmp_path)
    assert load_adni(tmp_path, "cn_mci_ad").target[target.index].tolist() == target.tolist()


def test_both_sources_agree(written):
    root, frame, target = written
    write_adni(frame, target, root / "tables", "2023")
    single = load_adni(root, source="tables")
    merged = load_adni(root, source="adnimerge")
    columns = [
        "age",
        "sex",
        "education",
        "apoe",
        "mmse",
        "moca",
        "site",
        "phase",
        "visit",
        "months",
    ]
    pd.testing.assert_frame_equal(
        single.frame[columns], merged.frame.loc[single.frame.index, columns], atol=0.16, rtol=0
    )
    assert single.groups.equals(merged.groups[single.frame.index])


# Traps


def test_age_is_that_at_the_index_visit_and_not_that_at_the_baseline(people, tmp_path):
    _, frame, target = people
    write_adni(frame, target, tmp_path, "2023")
    someone = frame.index[1]

    def no_diagnosis_at_first(table):
        row = (table["PTID"] == someone) & (table["VISCODE"] == "bl")
        table.loc[row, "DX"] = ""

    edit(tmp_path / "ADNIMERGE_23Dec2025.csv", no_diagnosis_at_first)
    with pytest.warns(DataWarning, match=NO_CAUSE):
        cohort = load_adni(tmp_path, label_params={"baseline_within": 12})
    assert cohort.frame.loc[someone, "visit"] == "m12"
    assert cohort.frame.loc[someone, "age"] == pytest.approx(
        frame.loc[someone, "age"] + 1, abs=0.06
    )
    assert cohort.frame.loc[someone, "mmse"] == frame.loc[someone, "mmse"] + 1


def test_sex_is_coded_one_for_male_and_two_for_female(written):
    root = written[0]
    raw = pd.read_csv(root / "tables/PTDEMOG_23Dec2025.csv", dtype="str").set_index("PTID")
    cohort = load_adni(root)
    assert (
        cohort.frame["sex"] == raw.loc[cohort.frame.index, "PTGENDER"].map({"1": "M", "2": "F"})
    ).all()


def test_dementia_not_due_to_alzheimers_disease_is_set_apart(written):
    root, _, target = written
    other = target.index[target == "AD"][0]

    def other_cause(table):
        table.loc[(table["PTID"] == other) & (table["DIAGNOSIS"] == "3"), "DXDDUE"] = "2"

    edit(root / "tables/DXSUM_23Dec2025.csv", other_cause)
    cohort = load_adni(root)
    assert other not in cohort.frame.index
    assert cohort.flow.excluded.to_dict("records") == [
        {"subject": other, "step": "diagnosis", "reason": "dementia not due to AD"}
    ]


def test_cause_of_dementia_is_taken_from_dxsum_beside_adnimerge(people, tmp_path):
    _, frame, target = people
    write_adni(frame, target, tmp_path, "2025")
    write_adni(frame, target, tmp_path, "2023")
    other = target.index[target == "AD"][0]

    def other_cause(table):
        table.loc[table["PTID"] == other, "DXDDUE"] = "2"

    edit(tmp_path / "DXSUM_23Dec2025.csv", other_cause)
    cohort = load_adni(tmp_path, source="adnimerge")
    assert cohort.flow.excluded["reason"].tolist() == ["dementia not due to AD"]


def test_codes_for_missing_values_never_become_numbers(written):
    root = written[0]

    def minus(table):
        table["MMSCORE"] = ["-1" if place % 2 else "-4" for place in range(len(table))]

    edit(root / "tables/MMSE_23Dec2025.csv", minus)
    assert "mmse" not in load_adni(root).frame


def test_a_person_in_several_phases_is_one_row_and_one_group(written):
    root, frame, _ = written
    someone = frame.index[0]

    def rolls_over(table):
        rows = (
            table[table["PTID"] == someone]
            .iloc[-1:]
            .assign(PHASE="ADNI4", VISCODE="4_bl", VISCODE2="m216", EXAMDATE="2024-01-10")
        )
        table.loc[len(table)] = rows.iloc[0]

    edit(root / "tables/DXSUM_23Dec2025.csv", rolls_over)
    cohort = load_adni(root)
    assert cohort.frame.index.is_unique
    assert cohort.frame.loc[someone, "phase"] == "ADNI1"
    assert cohort.labels.loc[someone, "months_followed"] == 216
    assert cohort.groups[someone] == "31"


def test_who_was_screened_again_is_one_group(written):
    root, frame, _ = written
    first, again = frame.index[[1, 4]]
    numbers = [str(int(name.rsplit("_", 1)[1])) for name in (again, first)]
    text = f"RID,PTID,VISCODE,VISCODE2,EXAMDATE,RGPREVID\n{numbers[0]},{again},sc,sc,,{first}\n"
    (root / "tables" / "REGISTRY_23Dec2025.csv").write_text(text)
    groups = load_adni(root).groups
    assert groups[again] == groups[first] == numbers[1]
    assert groups.nunique() == len(frame) - 1


def test_registry_gives_dates_that_the_diagnosis_lacks(written):
    root, frame, _ = written
    path = root / "tables" / "DXSUM_23Dec2025.csv"
    registry = pd.read_csv(path, dtype="str")[["PTID", "RID", "VISCODE", "VISCODE2", "EXAMDATE"]]
    registry.assign(RGPREVID="-4").to_csv(root / "tables" / "REGISTRY.csv", index=False)
    edit(path, lambda table: table.assign(EXAMDATE=""))
    cohort = load_adni(root)
    assert cohort.frame.loc[frame.index, "date"].tolist() == frame["date"].tolist()


def test_rows_entered_twice_count_as_they_were_changed_last(written):
    root, _, target = written
    someone = target.index[target == "CN"][0]

    def entered_twice(table):
        row = table[table["PTID"] == someone].iloc[0].copy()
        row["DIAGNOSIS"], row["DXDDUE"], row["USERDATE"] = "3", "1", "2025-06-01"
        table.loc[len(table)] = row
        return table.sort_values("USERDATE", ascending=False)

    edit(root / "tables/DXSUM_23Dec2025.csv", entered_twice)
    with pytest.warns(DataWarning, match="differing rows"):
        cohort = load_adni(root)
    assert cohort.target[someone] == "AD"


def test_subjective_memory_concern_can_be_excluded(written):
    root, frame, target = written
    write_adni(frame, target, root / "tables", "2023")
    someone = target.index[target == "CN"][0]

    def concerned(table):
        table.loc[table["PTID"] == someone, "DX_bl"] = "SMC"

    edit(root / "tables/ADNIMERGE_23Dec2025.csv", concerned)
    assert someone in load_adni(root).frame.index
    cohort = load_adni(root, smc="exclude")
    assert cohort.flow.excluded["reason"].tolist() == ["SMC at enrolment"]


def test_everybody_who_is_not_in_it_has_a_reason(written):
    root, frame, _ = written

    def no_form(table):
        return table[table["PTID"] != frame.index[2]]

    edit(root / "tables/DXSUM_23Dec2025.csv", no_form)
    cohort = load_adni(root)
    assert len(cohort.flow.subjects) == len(frame)
    assert cohort.flow.excluded["reason"].tolist() == ["no form with a diagnosis"]


def test_short_follow_up_is_not_stable(tmp_path):
    _, frame, target = make_people(10, "smci_pmci", seed=1)
    write_adni(frame, target, tmp_path)
    stable = target.index[target == "sMCI"][0]

    def cut(table):
        late = (table["PTID"] == stable) & table["VISCODE2"].isin(["m24", "m36"])
        return table[~late]

    edit(tmp_path / "DXSUM_23Dec2025.csv", cut)
    cohort = load_adni(tmp_path, "smci_pmci")
    assert cohort.flow.excluded["reason"].tolist() == ["follow-up too short"]
    kept = load_adni(tmp_path, "smci_pmci", label_params={"short": "stable"})
    assert kept.target[stable] == "sMCI"


def test_times_to_conversion_are_those_of_the_visits(tmp_path):
    _, frame, target = make_people(10, "smci_pmci", seed=1)
    write_adni(frame, target, tmp_path)
    cohort = load_adni(tmp_path, "time_to_ad")
    progressive = (target.loc[cohort.frame.index] == "pMCI").to_numpy()
    np.testing.assert_array_equal(cohort.target["event"], progressive)
    years = cohort.labels.loc[cohort.frame.index, "years"]
    np.testing.assert_array_equal(cohort.target["time"], years)
    converted = cohort.labels.loc[cohort.frame.index[progressive], "converted_at"]
    np.testing.assert_allclose(years[progressive], converted / 12)


def test_scores_that_make_the_diagnosis_are_declared(written):
    cohort = load_adni(written[0])
    columns = cohort.columns
    assert set(diagnostic_columns(columns["diagnostic"])) == set(columns["diagnostic"])
    assert diagnostic_columns(columns["clinical"]) == {}
    assert columns["clinical"] == ["age", "sex", "education", "gds"]
    assert columns["genetics"] == ["apoe"]


def test_adnimerge_alone_counts_alleles_and_says_so(people, tmp_path):
    _, frame, target = people
    write_adni(frame, target, tmp_path, "2023")
    with pytest.warns(DataWarning, match=NO_CAUSE):
        cohort = load_adni(tmp_path)
    assert cohort.frame.loc[frame.index, "apoe4"].tolist() == frame["apoe"].str.count("4").tolist()
    assert "apoe4" in cohort.columns["clinical"]
    assert "the genotype is in APOERES" in cohort.description


def test_columns_are_found_in_any_order_and_case(written):
    root, frame, target = written

    for path in (root / "tables").iterdir():
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
        table = table[table.columns[::-1]].rename(columns=str.lower)
        path.write_bytes(
            b"\xef\xbb\xbf" + table.to_csv(index=False, quoting=csv.QUOTE_ALL).encode()
        )
    assert_same(load_adni(root), frame, target, ["sex", "education", "mmse"])


# Images and genotypes


def test_images_are_those_nearest_to_the_index_visit(written):
    root, frame, _ = written
    write_bids(frame, root / "bids")
    cohort = load_adni(root / "tables", images=root / "bids")
    assert cohort.frame["t1w"].str.contains("ses-M000").all()
    assert cohort.frame["confounds"].str.contains("ses-M000").all()
    assert cohort.columns["fmri"] == ["bold", "confounds"]
    assert (cohort.images["days_apart"] == 0).all()
    first = frame.index[0].replace("_", "")
    assert first in cohort.frame.loc[frame.index[0], "t1w"]


def test_images_of_the_archive_are_matched_by_their_date(written):
    root, frame, _ = written
    write_archive(frame, root / "images", days=20)
    cohort = load_adni(root / "tables", images=root / "images")
    assert (cohort.images["days_apart"] == 20).all()
    assert cohort.frame["t1w"].notna().all()


def test_images_beyond_the_window_are_missing(written):
    root, frame, _ = written
    write_archive(frame, root / "images", days=200)
    cohort = load_adni(root / "tables", images=root / "images")
    assert "t1w" not in cohort.frame or cohort.frame["t1w"].isna().all()
    cohort = load_adni(root / "tables", images=root / "images", window_days=None)
    assert cohort.frame["t1w"].notna().all()


def test_who_lacks_what_is_required_is_excluded_with_a_reason(written):
    root, frame, _ = written
    write_archive(frame.iloc[2:], root / "images")
    everybody = load_adni(root / "tables", images=root / "images")
    assert everybody.frame["t1w"].isna().sum() == 2
    cohort = load_adni(root / "tables", images=root / "images", require=["t1w"])
    assert cohort.flow.excluded["subject"].tolist() == frame.index[:2].tolist()
    assert set(cohort.flow.excluded["reason"]) == {"no t1w"}
    assert set(cohort.images["subject"]) == set(cohort.frame.index)


def test_samples_are_found_in_file_sets(people, written):
    root, frame, _ = written
    prefixes = write_genotypes(people[0], frame, root / "plink", by_phase=False)
    cohort = load_adni(root / "tables", genotypes=prefixes[0])
    assert (cohort.frame["genotypes"] == cohort.frame.index).all()
    assert cohort.genotype_files == [str(prefixes[0])]
    assert cohort.genotype_builds == {str(prefixes[0]): "hg19"}
    assert cohort.columns["genetics"] == ["apoe", "genotypes"]


def test_file_sets_on_different_builds_are_warned_of(people, written):
    root, frame, _ = written
    prefixes = write_genotypes(people[0], frame, root / "plink", by_phase=True)
    with pytest.warns(DataWarning, match=r"adni1: hg18, later: hg19"):
        cohort = load_adni(root / "tables", genotypes=prefixes)
    assert list(cohort.genotype_builds.values()) == ["hg18", "hg19"]
    assert cohort.frame["genotypes"].notna().all()


def test_alleles_in_the_other_order_do_not_change_the_features(people, written):
    root, frame, _ = written
    apart = write_genotypes(people[0], frame, root / "apart", by_phase=True, early_build="hg19")
    together = write_genotypes(people[0], frame, root / "together", by_phase=False)
    dosages = []
    for prefixes in (apart, together):
        cohort = load_adni(root / "tables", genotypes=prefixes)
        extractor = GeneticsExtractor(genotypes=cohort.genotype_files, sample_column="genotypes")
        cells = stacked(extractor.fit_transform(cohort.frame[cohort.columns["genetics"]]))
        dosages.append(pd.DataFrame(cells, columns=[*extractor.variants_["id"], "e2", "e4"]))
    # Sets of several arrays leave out SNPs whose strand cannot be told.
    shared = dosages[0].columns
    assert len(shared) > 50
    pd.testing.assert_frame_equal(dosages[0], dosages[1][shared])


# Bad input


def test_other_source_is_refused(tmp_path):
    with pytest.raises(InputError, match="'source' parameter must be one of 'auto'"):
        load_adni(tmp_path, source="xml")


def test_missing_tables_are_named(tmp_path):
    (tmp_path / "DXSUMM.csv").write_text("RID\n1\n")
    with pytest.raises(TableError, match=r"'DXSUM' is in the folder.*nearest: 'DXSUMM.csv'"):
        load_adni(tmp_path)


def test_renamed_column_is_named(written):
    root = written[0]
    edit(
        root / "tables/PTDEMOG_23Dec2025.csv",
        lambda table: table.rename(columns={"PTGENDER": "PTGENDR"}),
    )
    with pytest.raises(TableError, match=r"column 'PTGENDER'.*nearest: 'PTGENDR'"):
        load_adni(root)


def test_images_of_another_study_are_refused(written):
    root, frame, _ = written
    write_bids(frame.iloc[:1], root / "bids", prefix="OAS")
    with pytest.raises(InputError, match="belong to people whom the tables name"):
        load_adni(root / "tables", images=root / "bids")
