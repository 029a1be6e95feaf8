"""Tables of splits as ClinicaDL's TSV tools write them."""

import pandas as pd


def write_side(subjects, path, sessions=("ses-M000",)):
    """Write one side: a row a subject and session."""
    rows = [(subject, session) for subject in subjects for session in sessions]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id"])
    table.to_csv(path, sep="\t", index=False)


def write_split(train, test, folder, test_name="test"):
    """Write what ``clinicadl tsvtools split`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    write_side(train, folder / "train_baseline.tsv")
    write_side(train, folder / "train.tsv", ("ses-M000", "ses-M012"))
    write_side(test, folder / f"{test_name}_baseline.tsv")


def write_kfold(folds, folder, mark="-", test_name="validation"):
    """Write what ``clinicadl tsvtools kfold`` does; ``mark`` stands before the number."""
    for number, (train, test) in enumerate(folds):
        name = f"split{mark}{number}"
        write_split(train, test, folder / f"{len(folds)}_fold" / name, test_name)
