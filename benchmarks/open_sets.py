"""Readers of open tables of people, each in blocks named ``modality__feature``.

The folder that the user names holds one folder a set, with the names in ``FOLDERS``:

- ``ad_data``: modeldata's ``ad_data`` as csv (Craig-Schapiro et al. 2011, PLoS ONE 6:e18850).
- ``rosmap``: the three preselected omics that MOGONET's authors posted (Wang et al. 2021, Nature
  Communications 12:3445), with their own split.
- ``pd_speech``: modeldata's ``pd_speech`` (Sakar et al. 2019, Applied Soft Computing 74:255).
- ``stroke``: modeldata's ``ischemic_stroke``.
- ``reviews``: modeldata's ``small_fine_foods``, texts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

FOLDERS = {
    "ad_data": "modeldata_ad",
    "rosmap": "rosmap_mogonet",
    "pd_speech": "modeldata_pd_speech",
    "stroke": "modeldata_stroke",
    "reviews": "modeldata_reviews",
}
MARKERS = {"tau": "markers", "p_tau": "markers", "Ab_42": "markers"}
DEMOGRAPHICS = {"age": "demographics", "male": "demographics"}
# Ends of the names of the files of people to train on and to test: "tr", and so on.
PARTS = ("r", "e")
OMICS = {"mrna": 1, "methylation": 2, "mirna": 3}
# Sakar et al.'s families of features, tried in this order.
SPEECH = {
    "gender": r"gender$",
    "tqwt": r"tqwt_",
    "wavelet": r"(Ea|Ed|det_|app_)",
    "cepstrum": r".*(MFCC|delta|Log_energy)",
    "vocal_fold": r"(GQ|GNE|VFER|IMF)_",
    "intensity": r".*Intensity$",
    "formants": r"[fb][1-4]$",
    "perturbation": r".*",
}
HISTORY = (
    "age", "male", "smoking_history", "atrial_fibrillation", "coronary_artery_disease",
    "diabetes_history", "hypercholesterolemia_history", "hypertension_history",
)  # fmt: skip


@dataclass(frozen=True)
class OpenSet:
    """A table of people and whom to find.

    Parameters
    ----------
    name : str
        Name of the set.
    frame : DataFrame of shape (n_people, n_features)
        Numbers, columns named ``modality__feature``.
    y : ndarray of bool of shape (n_people,)
        Who has the positive label.
    positive : str
        The positive label.
    split : tuple of ndarray or None
        Row numbers of training and test, where the authors fixed them.
    """

    name: str
    frame: pd.DataFrame
    y: np.ndarray
    positive: str
    split: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def modalities(self):
        """Return the names of the blocks."""
        return list(dict.fromkeys(self.homes()))

    def homes(self):
        """Return the block of every column."""
        return [name.split("__")[0] for name in self.frame.columns]


def read_ad_data(path):
    """Return modeldata's ``ad_data``: proteins, markers, demographics and genotype."""
    table = pd.read_csv(path)
    y = (table.pop("Class") == "Impaired").to_numpy()
    genotype = table.pop("Genotype")
    homes = MARKERS | DEMOGRAPHICS
    frame = table.rename(columns=lambda name: f"{homes.get(name, 'proteins')}__{name}")
    for allele in "24":
        frame[f"genotype__e{allele}"] = genotype.str.count(allele)
    return frame.astype(float), y


def read_ad_set(folder):
    """Return ``ad_data`` as a set."""
    return OpenSet("ad_data", *read_ad_data(folder / "ad_data.csv.gz"), "impaired")


def read_rosmap(folder):
    """Return three omics of the AD set, training people first, and the authors' split."""
    frame = pd.concat([read_omics(folder, *each) for each in OMICS.items()], axis=1)
    labels = [np.loadtxt(folder / f"labels_t{part}.csv.gz") for part in PARTS]
    split = tuple(np.split(np.arange(len(frame)), [len(labels[0])]))
    return OpenSet("rosmap", frame, np.concatenate(labels) == 1, "AD", split)


def read_omics(folder, name, number):
    """Return one of the omics, training people first."""
    features = (folder / f"{number}_featname.csv.gz").as_posix()
    names = pd.read_csv(features, header=None)[0].astype(str)
    parts = [pd.read_csv(folder / f"{number}_t{part}.csv.gz", header=None) for part in PARTS]
    whole = pd.concat(parts, ignore_index=True).astype(float)
    return whole.set_axis([f"{name}__{feature}" for feature in names], axis=1)


def read_speech(folder):
    """Return features of the voice in eight blocks."""
    table = pd.read_csv(folder / "pd_speech.csv.gz")
    y = (table.pop("class") == "PD").to_numpy()
    frame = table.rename(columns=lambda name: f"{speech_home(name)}__{name}")
    return OpenSet("pd_speech", frame.astype(float), y, "PD")


def speech_home(name):
    """Return the block of a feature of the voice."""
    return next(home for home, pattern in SPEECH.items() if re.match(pattern, name))


def read_stroke(folder):
    """Return measures of carotid plaque, and history with age and sex."""
    table = pd.read_csv(folder / "ischemic_stroke.csv")
    y = (table.pop("stroke") == "yes").to_numpy()
    homes = dict.fromkeys(HISTORY, "history")
    frame = table.rename(columns=lambda name: f"{homes.get(name, 'plaque')}__{name}")
    return OpenSet("stroke", one_hot(frame), y, "yes")


def one_hot(frame):
    """Return numbers as they are and columns of words as one column a level."""
    words = list(frame.select_dtypes(exclude="number"))
    return pd.get_dummies(frame, columns=words, dtype=float).astype(float)


def read_reviews(folder):
    """Return texts, whether they go with the best score, and whether they are for training."""
    table = pd.read_csv(folder / "small_fine_foods.csv.gz")
    return table["review"], (table["score"] == "great").to_numpy(), (table["part"] == "train")


READERS = {
    "ad_data": read_ad_set,
    "rosmap": read_rosmap,
    "pd_speech": read_speech,
    "stroke": read_stroke,
}


def read_set(name, data):
    """Return the set of a name from the user's folder."""
    return READERS[name](Path(data) / FOLDERS[name])


def hide_blocks(frame, rate, seed=0):
    """Hide modalities completely at random, never all of a patient's."""
    rng = np.random.default_rng(seed)
    home = np.array([name.split("__")[0] for name in frame.columns])
    names = pd.unique(home)
    kept = rng.random((len(frame), len(names))) >= rate
    empty = ~kept.any(axis=1)
    kept[empty, rng.integers(len(names), size=empty.sum())] = True
    hidden = frame.copy()
    for place, name in enumerate(names):
        hidden.loc[~kept[:, place], home == name] = np.nan
    return hidden
