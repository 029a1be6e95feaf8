"""Cohorts: seconds and memory to read and label tables, and to index a BIDS tree.

People are simulated; the tests' writers write their tables and files into a temporary folder. Each
measurement is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from reporting import machine, markdown, write

ROOT = Path(__file__).resolve().parents[1]
# There is one writer of each format, the tests'.
sys.path.insert(0, str(ROOT))
from tests.datasets.writers import adni, bids, oasis, ppmi  # noqa: E402
from tests.datasets.writers.people import make_people  # noqa: E402

A_MONTH = 365.25 / 12
MONTHS_APART = 6
# As PPMI names visits after the baseline.
EVENTS = tuple(f"V{number:02d}" for number in range(1, 16))
# Who progresses does so at the fifth visit.
PROGRESSION_AT = 4
FILES = {
    "anat": ("T1w.nii.gz", "T1w.json", "FLAIR.nii.gz", "FLAIR.json"),
    "func": ("task-rest_bold.nii.gz", "task-rest_bold.json", "task-rest_events.tsv"),
    "dwi": ("dwi.nii.gz", "dwi.bval", "dwi.bvec"),
}
N_SESSIONS = 4
# What is measured: function, folder, parameters, goal in s.
CASES = {
    "ADNI, single tables, `nc_ad`": ("load_adni", "adni", {"source": "tables"}, 10),
    "ADNI, ADNIMERGE, `nc_ad`": ("load_adni", "adni", {"source": "adnimerge"}, 10),
    "ADNI, single tables, `smci_pmci`": ("load_adni", "mci", {"task": "smci_pmci"}, 10),
    "OASIS-3, `nc_ad`": ("load_oasis3", "oasis", {}, 10),
    "PPMI, `nc_pd`": ("load_ppmi", "ppmi", {}, 10),
    "BIDS tree, `index_images`": ("index_images", "bids", {}, 30),
    "BIDS tree, `load_bids`": ("load_bids", "bids", {}, None),
}
MEMORY_GOAL = 500
# A process that holds nothing but the package's data sets. Its peak memory is the kernel's account
# of it alone (Linux): that of getrusage begins with what the process that started it held.
PROBE = r"""
import json, re, sys, time
from pathlib import Path
from adestim import datasets
name, root, parameters = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
start, used = time.perf_counter(), time.process_time()
found = getattr(datasets, name)(root, **parameters)
seconds, used = time.perf_counter() - start, time.process_time() - used
n_rows = len(found.frame if "frame" in found else found)
status = Path("/proc/self/status").read_text()
megabytes = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6
print(json.dumps([seconds, used, megabytes, n_rows]))
"""


def visits_of(frame, target, n_visits):
    """Return one row a person and visit; of those who progress the later ones with dementia."""
    number = np.tile(np.arange(n_visits), len(frame))
    visits = frame.loc[frame.index.repeat(n_visits)].reset_index(names="subject")
    label = target.loc[visits["subject"]].reset_index(drop=True)
    later = (label == "pMCI") & (number >= PROGRESSION_AT)
    diagnosis = label.replace({"sMCI": "MCI", "pMCI": "MCI"}).mask(later, "AD")
    place = np.arange(len(frame)).repeat(n_visits)
    return visits.assign(month=number * MONTHS_APART, diagnosis=diagnosis, place=place)


def write_adni(root, n_people, n_visits, task="nc_ad"):
    """Write ADNI's single tables, and ADNIMERGE beside them."""
    _, frame, target = make_people(n_people, task)
    begun = np.arange(n_people) % 1000
    frame["date"] = pd.Timestamp(2008, 1, 1) + pd.to_timedelta(begun, unit="D")
    visits = visits_of(frame, target, n_visits).rename(columns={"date": "baseline"})
    days = pd.to_timedelta((visits["month"] * A_MONTH).round(), unit="D")
    number = visits["subject"].str.rsplit("_", n=1).str[-1].astype(int).astype(str)
    visits = visits.assign(date=visits["baseline"] + days, rid=number)
    adni.write_single_tables(visits, root, "2025", quoted=True)
    adni.write_adnimerge(visits, root, old=False, quoted=True)


def write_oasis3(root, n_people, n_visits):
    """Write the tables of OASIS-3."""
    frame, target = oasis.make_participants(n_people)
    visits = visits_of(frame, target, n_visits)
    day = (visits["month"] * A_MONTH).round().astype(int)
    visits = visits.assign(day=day, cdr=visits["diagnosis"].map(oasis.CDR))
    oasis.write_new(frame, visits, pd.Series(0, index=frame.index), root, typos=True)


def write_ppmi(root, n_people, n_visits):
    """Write the tables of PPMI, the forms of the baseline again at every later visit."""
    _, frame, target = ppmi.make_participants(n_people)
    ppmi.write_ppmi(frame, target, root)
    for path in root.glob("*.csv"):
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
        if "EVENT_ID" in table:
            first = table[table["EVENT_ID"].isin(["BL", "SC"])]
            later = [first.assign(EVENT_ID=event) for event in EVENTS[: n_visits - 1]]
            pd.concat([first, *later]).to_csv(path, index=False, quoting=1)


def write_tree(root, n_files):
    """Write a BIDS tree of about so many files; return how many there are."""
    n_people = max(1, n_files // N_SESSIONS // sum(map(len, FILES.values())))
    bare = bids.make_people(max(8, n_people)).assign(has_t1w=False, has_bold=False)[:n_people]
    bids.write_bids(bare, root)
    for subject in bare.index:
        for session in range(N_SESSIONS):
            write_session(root, subject, f"ses-M{12 * session:03d}")
    return sum(path.is_file() for path in root.rglob("*"))


def write_session(root, subject, session):
    """Write the files of one session, small ones."""
    for folder, endings in FILES.items():
        image = bids.tiny_image(3 if folder == "anat" else 4)
        place = root / subject / session / folder
        place.mkdir(parents=True)
        for ending in endings:
            content = image if ending.endswith(".gz") else b'{"RepetitionTime": 3.0}'
            (place / f"{subject}_{session}_{ending}").write_bytes(content)


def write_all(root, n_people, n_visits, n_files):
    """Write every folder that is read; return how many files the tree has."""
    write_adni(root / "adni", n_people, n_visits)
    write_adni(root / "mci", n_people, n_visits, "smci_pmci")
    write_oasis3(root / "oasis", n_people, n_visits)
    write_ppmi(root / "ppmi", n_people, n_visits)
    return write_tree(root / "bids", n_files)


def measured(root, name, repeats):
    """Return seconds and seconds of the processor, MB at the peak, and rows, of the median run."""
    function, folder, parameters, _ = CASES[name]
    command = [sys.executable, "-c", PROBE, function, str(root / folder), json.dumps(parameters)]
    runs = []
    for _ in range(repeats):
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        print(name, runs[-1], flush=True)
    return sorted(runs)[len(runs) // 2]


def row_of(root, name, repeats):
    """Return one row of the table of results."""
    seconds, used, megabytes, n_rows = measured(root, name, repeats)
    _, folder, _, goal = CASES[name]
    memory = f" (goal {MEMORY_GOAL})" if folder == "bids" else ""
    return {
        "what": name,
        "s": f"**{seconds:.1f}**" + (f" (goal {goal})" if goal else ""),
        "s of one core": f"{used:.1f}",
        "peak memory of the process, MB": f"{megabytes:.0f}{memory}",
        "rows": n_rows,
    }


def main():
    """Run the benchmark and write ``results/cohorts.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        n_files = write_all(root, arguments.subjects, arguments.visits, arguments.files)
        rows = [row_of(root, case, arguments.repeats) for case in CASES]
    parts = [
        "# Reading cohorts",
        f"Tables of {arguments.subjects:,} simulated people with {arguments.visits} visits each, "
        f"read and labelled, and a BIDS tree of {n_files:,} files, {N_SESSIONS} sessions a person. "
        f"Each number is that of the median of {arguments.repeats} runs, each in a process of its "
        "own that has imported `adestim.datasets` and nothing else; the import is not timed. The "
        "files had just been written, so that they were in the system's cache. Load of the machine "
        f"meanwhile (waiting processes, mean of 15 minutes): {os.getloadavg()[2]:.1f}.",
        markdown(pd.DataFrame(rows)),
        "ADNI: diagnoses, demographics, APOE and six scores, all cells quoted; ADNIMERGE has its "
        "116 columns. OASIS-3: forms A3, B4, B6, D1 and demographics. PPMI: fifteen tables, of "
        "which the baseline is taken. `load_bids` also reads the participants and takes one file a "
        "person and modality.",
        f"Measured with {machine()}",
    ]
    write("cohorts", "\n\n".join(parts))


if __name__ == "__main__":
    main()
