"""Statistics files in the form of FreeSurfer and FastSurfer, of made-up people."""

ASEG = {"Left-Lateral-Ventricle": 4, "Left-Thalamus": 10, "Left-Hippocampus": 17, "CSF": 24}
APARC = ("bankssts", "entorhinal", "insula")
HEAD = 1_500_000.0


def write_aseg(
    path, scale=1.0, head=HEAD, head_name="EstimatedTotalIntraCranialVol, eTIV", names=None
):
    """Write aseg.stats; -> volumes by name."""
    names = names or ASEG
    volumes = {name: round(1000.0 * scale + number, 1) for name, number in names.items()}
    lines = [
        "# Title Segmentation Statistics ",
        "# generating_program mri_segstats",
        "# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 1100000.000000, mm^3",
    ]
    if head is not None:
        lines += [f"# Measure {head_name}, Estimated Total Intracranial Volume, {head:.6f}, mm^3"]
    lines += [
        f"# NRows {len(volumes)} ",
        "# NTableCols 10 ",
        "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev normMin "
        "normMax normRange  ",
    ]
    for index, (name, volume) in enumerate(volumes.items(), 1):
        lines += [
            f"{index:3d} {names[name]:3d} {volume:8.0f} {volume:10.1f}  {name}  60 10 1 99 98 "
        ]
    path.write_text("\n".join(lines) + "\n")
    return volumes


def write_aparc(path, side, scale=1.0, names=APARC):
    """Write lh.aparc.stats or rh.aparc.stats; volumes are 2000, thickness 2.5, area 700."""
    lines = [
        "# Table of FreeSurfer cortical parcellation anatomical statistics ",
        f"# hemi {side}",
        "# Measure Cortex, NumVert, Number of Vertices, 130000, unitless",
        "# Measure Cortex, MeanThickness, Mean Thickness, 2.5, mm",
        f"# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total, {HEAD:.6f}, mm^3",
        "# NTableCols 10",
        "# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd MeanCurv GausCurv "
        "FoldInd CurvInd",
    ]
    for name in names:
        lines += [f"{name:40} 1000 700 {2000 * scale:.0f} {2.5 * scale:.3f} 0.5 0.1 0.02 10 1.0"]
    path.write_text("\n".join(lines) + "\n")


def write_subject(folder, scale=1.0, atlas="aparc", **aseg):
    """Write a subject's folder with stats/; -> the folder."""
    stats = folder / "stats"
    stats.mkdir(parents=True)
    write_aseg(stats / "aseg.stats", scale, **aseg)
    for side in ("lh", "rh"):
        write_aparc(stats / f"{side}.{atlas}.stats", side, scale)
    return folder
