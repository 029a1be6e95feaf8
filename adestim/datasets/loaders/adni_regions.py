"""FreeSurfer's names of the regions that ADNI's tables of it number.

Numbers are those of the data dictionary of UCSFFSX7 (https://adni.loni.usc.edu): ``ST29SV`` is the
volume of the left hippocampus, ``ST24TA`` the thickness of the left entorhinal cortex. The right
side has the number of the left and 59 more, but for the insula.
"""

from __future__ import annotations

import re

RIGHT = 59
CORTICAL = {
    13: "bankssts", 14: "caudalanteriorcingulate", 15: "caudalmiddlefrontal", 23: "cuneus",
    24: "entorhinal", 25: "frontalpole", 26: "fusiform", 31: "inferiorparietal",
    32: "inferiortemporal", 34: "isthmuscingulate", 35: "lateraloccipital",
    36: "lateralorbitofrontal", 38: "lingual", 39: "medialorbitofrontal", 40: "middletemporal",
    43: "paracentral", 44: "parahippocampal", 45: "parsopercularis", 46: "parsorbitalis",
    47: "parstriangularis", 48: "pericalcarine", 49: "postcentral", 50: "posteriorcingulate",
    51: "precentral", 52: "precuneus", 54: "rostralanteriorcingulate",
    55: "rostralmiddlefrontal", 56: "superiorfrontal", 57: "superiorparietal",
    58: "superiortemporal", 59: "supramarginal", 60: "temporalpole", 62: "transversetemporal",
}  # fmt: skip
PAIRED = {
    11: "Accumbens-area", 12: "Amygdala", 16: "Caudate", 17: "Cerebellum-Cortex",
    18: "Cerebellum-White-Matter", 21: "choroid-plexus", 29: "Hippocampus", 30: "Inf-Lat-Vent",
    37: "Lateral-Ventricle", 42: "Pallidum", 53: "Putamen", 61: "Thalamus", 65: "VentralDC",
    66: "vessel",
}  # fmt: skip
UNPAIRED = {
    1: "Brain-Stem", 2: "CC_Anterior", 3: "CC_Central", 4: "CC_Mid_Anterior",
    5: "CC_Mid_Posterior", 6: "CC_Posterior", 7: "CSF", 8: "5th-Ventricle", 9: "4th-Ventricle",
    68: "non-WM-hypointensities", 69: "Optic-Chiasm", 127: "3rd-Ventricle",
    128: "WM-hypointensities",
}  # fmt: skip
SURFACE = {
    **{number: f"lh_{name}" for number, name in CORTICAL.items()},
    **{number + RIGHT: f"rh_{name}" for number, name in CORTICAL.items()},
    129: "lh_insula",
    130: "rh_insula",
}
VOLUMES = {
    **UNPAIRED,
    **{number: f"Left-{name}" for number, name in PAIRED.items()},
    **{number + RIGHT: f"Right-{name}" for number, name in PAIRED.items()},
}
INTRACRANIAL = "ST10CV"
MEASURES = {"CV": "volume", "SA": "area", "TA": "thickness"}


def name_freesurfer_measure(column: str) -> str | None:
    """Return FreeSurfer's name of a column; None for sums, spreads and what is no measure."""
    if column == INTRACRANIAL:
        return "eTIV"
    found = re.fullmatch(r"ST(\d+)(SV|CV|SA|TA)", column)
    if found is None:
        return None
    number, kind = int(found[1]), found[2]
    if kind == "SV":
        return VOLUMES.get(number)
    return f"{SURFACE[number]}_{MEASURES[kind]}" if number in SURFACE else None
