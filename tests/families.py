"""Every family of foundation models at a tiny size: weights, raw data of a cohort, an extractor."""

from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
import pandas as pd

from adestim import ClinicalExtractor, FMRIExtractor, GeneticsExtractor, SMRIExtractor
from adestim.backbone import find_card
from adestim.modalities.fmri.models.brain_jepa import time_sines
from tests.modalities.clinical.language_folders import small_folder
from tests.modalities.fmri.model_files import (
    JEPA_TINY,
    SMALL_TINY,
    VIT_TINY,
    baselines,
    coordinates_file,
    table_file,
)
from tests.modalities.genetics.files import simple_variants, write_plink
from tests.modalities.genetics.genomes import (
    TINY,
    TINY_BERT,
    V1,
    V2,
    genome_of,
    lively,
    save_released,
    tiny_bert,
    tiny_v1,
    tiny_v2,
    write_tokenizer,
)
from tests.modalities.smri.model_files import PREFIX, SMALL, random_model, saved_checkpoint
from tests.tabicl_file import write_tabicl

N_SUBJECTS = 24
N_SNPS = 4
WITHOUT_MODEL, WITHOUT_OTHER = (3, 10), (6, 13)
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "brain-jepa": JEPA_TINY | {"n_time_patches": 3},
    "brainlm-111m": VIT_TINY | {"n_parcels": 30, "n_frames": 40, "image_size": 64, "patch_size": 8},
    "brainlm-13m": SMALL_TINY,
    "brainharmonix-f": {
        "n_rois": 20, "n_time_patches": 3, "patch_size": 8, "n_gradients": 6, "n_modes": 5,
        "width": 24, "depth": 3, "n_heads": 3,
    },
    "cortex-mae-parcel": {"n_rois": 20, "width": 24, "depth": 3, "n_heads": 3},
}  # fmt: skip
WEIGHTS = {V1: tiny_v1, V2: tiny_v2}
LANGUAGE = ("llama", "gemma3_text", "bert", "modernbert")
FAMILIES = (
    *ARCHITECTURES,
    "brainmvp",
    "sam-med3d",
    "brainiac",
    "neurovfm",
    *LANGUAGE,
    "tabicl",
    V1,
    V2,
    "dnabert-2-117m",
)


@dataclass(frozen=True)
class Cohort:
    """Raw data of some subjects, their classes, and the extractor of a family.

    The first columns are the model's; those of the other modality follow.
    """

    name: str
    extractor: Any
    X: pd.DataFrame
    y: np.ndarray
    columns: list

    @property
    def modality(self):
        return self.extractor._modality

    @property
    def language(self):
        return self.name in LANGUAGE

    @property
    def ragged(self):
        """Whether subjects have different numbers of tokens."""
        return self.language or self.name == "neurovfm"

    @property
    def genetics(self):
        return self.modality == "genetics"

    @property
    def n_blocks(self):
        """Number of blocks that are adapted."""
        return 2 if self.genetics else 3

    @property
    def reads_text(self):
        return self.language or self.genetics


def classes():
    return np.array(["CN", "AD"] * (N_SUBJECTS // 2))


def cohort_of(name, folder):
    """Return the cohort of a family, its files in a folder."""
    if name in ARCHITECTURES:
        extractor, cells = functional(name, folder)
    elif name in SMALL:
        extractor, cells = structural(name, folder)
    elif name in LANGUAGE:
        extractor, cells = language(name, folder)
    elif name == "tabicl":
        extractor, cells = tabular(folder)
    else:
        extractor, cells = dna(name, folder)
    columns = list(cells)
    cells.iloc[list(WITHOUT_MODEL)] = None
    X = cells.join(other_modality(cells.index))
    return Cohort(name, extractor, X, classes(), columns)


def other_modality(index):
    rng = np.random.default_rng(1)
    shift = np.where(classes() == "AD", 0.5, 0.0)
    tau = pd.DataFrame(rng.normal(shift[:, None], size=(N_SUBJECTS, 2)), index, ["tau", "abeta"])
    tau.iloc[list(WITHOUT_OTHER)] = np.nan
    return tau


def subjects(**columns):
    frame = pd.DataFrame(index=[f"s{number}" for number in range(N_SUBJECTS)])
    for name, values in columns.items():
        column = np.empty(N_SUBJECTS, dtype=object)
        column[:] = values
        frame[name] = column
    return frame


def functional(name, folder):
    """Return an extractor of ROI series, and the series."""
    size = ARCHITECTURES[name]
    n_rois = size.get("n_rois") or size["n_parcels"]
    model = lively(find_card(name, "fmri").backbone_class()(**size), scale=0.2)
    if name == "brain-jepa":
        model.pos_embed_proj.emb_h = time_sines(3, size["width"] // 2).repeat(n_rois, 1)
        params = {"gradients": write_gradients(folder, n_rois, size["n_gradients"])}
    elif name == "brainharmonix-f":
        params = {
            "gradients": write_gradients(folder, n_rois, size["n_gradients"]),
            "eigenmodes": folder / "eigenmodes.csv",
        }
        modes = np.random.default_rng(1).normal(size=(n_rois, size["n_modes"]))
        pd.DataFrame(modes).to_csv(params["eigenmodes"])
    elif name == "cortex-mae-parcel":
        params = {"n_clips": 2}
    else:
        xyz = np.random.default_rng(0).integers(-70, 70, size=(n_rois, 3))
        params = {"coordinates": coordinates_file(folder / "A424_Coordinates.dat", xyz)}
    weights = save_released(model, folder / "model.safetensors", prefix="")
    series = [baselines(seed, 70, n_rois) for seed in range(N_SUBJECTS)]
    for each, label in zip(series, classes(), strict=True):
        each[:35, : n_rois // 2] += 300 * (label == "AD")
    extractor = FMRIExtractor(
        t_r=3.0,
        backbone=name,
        weights=weights,
        backbone_params={**params, "architecture": size},
        device="cpu",
        random_state=0,
    )
    return extractor, subjects(bold=series)


def write_gradients(folder, n_rois, n_gradients):
    """Write a table of gradients; return its path."""
    table = np.random.default_rng(0).normal(size=(n_rois, n_gradients))
    return table_file(folder / "gradients.csv", table)


def structural(name, folder):
    """Return an extractor of volumes, and the volumes."""
    # A cube of 108 mm, which a whole brain fits into.
    changes = {"img_size": 72, "patch_size": 18} if name == "sam-med3d" else {}
    state = random_model(name, **changes).state_dict()
    field = {"field_of_view": (104, 120, 96)}
    params = {"brainmvp": {"resolution": 6.0}, "brainiac": field}.get(name, {})
    extractor = SMRIExtractor(
        backbone=name,
        weights=saved_checkpoint(folder, name, {PREFIX[name] + key: state[key] for key in state}),
        backbone_params={**params, "architecture": {**SMALL[name], **changes}},
        device="cpu",
        random_state=0,
    )
    rng = np.random.default_rng(0)
    return extractor, subjects(t1w=[small_brain(rng, label) for label in classes()])


def small_brain(rng, label):
    """Return a skull-stripped brain in voxels of 4 mm; a patient's is darker at the back."""
    index = np.moveaxis(np.indices((26, 30, 24)), 0, -1)
    places = 4.0 * (index - (np.array(index.shape[:3]) - 1) / 2)
    inside = ((places / (42.0, 50.0, 40.0)) ** 2).sum(axis=-1) < 1
    values = 300 + 10 * rng.normal(size=inside.shape) + 2 * (label == "AD") * places[..., 1]
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    return nibabel.Nifti1Image(np.where(inside, values, 0).astype(np.float32), affine)


def language(name, folder):
    """Return an extractor of records, some longer than others, and the records."""
    extractor = ClinicalExtractor(
        backbone=str(small_folder(folder, name)),
        backbone_params={"reserve": 16},
        device="cpu",
        random_state=0,
    )
    return extractor, records()


def tabular(folder):
    """Return an extractor of rows of a table, and the rows."""
    write_tabicl(folder / "tabicl.ckpt", seed=1, row_num_blocks=3)
    extractor = ClinicalExtractor(
        backbone="tabicl", weights=folder / "tabicl.ckpt", device="cpu", random_state=0
    )
    return extractor, records()


def records():
    """Return a table of records, some with a gap."""
    frame = subjects(
        age=np.where(classes() == "AD", 80.0, 60.0),
        sex=["F", "M", None] * (N_SUBJECTS // 3),
        education=[16.0, 12.0] * (N_SUBJECTS // 2),
    )
    frame.loc[frame.index[::5], "education"] = None
    return frame


def dna(name, folder):
    """Return an extractor of genotype files, and the samples' names."""
    rng = np.random.default_rng(0)
    share = np.where(classes() == "AD", 0.8, 0.2)[:, None]
    dosages = rng.binomial(2, share, size=(N_SUBJECTS, N_SNPS)).astype(float)
    dosages[4, 1] = np.nan
    names = [f"p{number}" for number in range(N_SUBJECTS)]
    if name in WEIGHTS:
        weights = save_released(WEIGHTS[name](), folder / "model.safetensors")
    else:
        weights = folder / "released"
        weights.mkdir()
        write_tokenizer(weights)
        save_released(tiny_bert(), weights / "model.safetensors", prefix="bert.")
    extractor = GeneticsExtractor(
        backbone=name,
        weights=weights,
        backbone_params={
            "reference": genome_of(folder / "g.fa", simple_variants(N_SNPS)),
            "architecture": TINY if name in WEIGHTS else TINY_BERT,
        },
        genotypes=write_plink(folder / "cohort", dosages, names, simple_variants(N_SNPS)),
        min_call_rate=0,
        device="cpu",
        random_state=0,
    )
    return extractor, subjects(iid=names)
