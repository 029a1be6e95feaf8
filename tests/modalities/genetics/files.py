"""Writers of small genotype files, and a slow reader that shares nothing with the library."""

import gzip

import numpy as np
import pandas as pd

CODE = {2.0: 0b00, 1.0: 0b10, 0.0: 0b11}


def variants(*rows):
    """(id, chromosome, position, counted, other) rows as a variants table."""
    return pd.DataFrame(rows, columns=["id", "chromosome", "position", "counted", "other"])


def simple_variants(n_variants, alleles=("A", "G"), chromosome="1"):
    return variants(
        *[(f"rs{n + 100}", chromosome, 1000 * (n + 1), *alleles) for n in range(n_variants)]
    )


def random_dosages(n_samples, n_variants, *, seed=0, missing=0.0, frequency=0.3):
    generator = np.random.default_rng(seed)
    dosages = generator.binomial(2, frequency, size=(n_samples, n_variants)).astype(float)
    dosages[generator.random(dosages.shape) < missing] = np.nan
    return dosages


def write_plink(prefix, dosages, samples, table):
    """Write a PLINK 1 file set; samples are IIDs or (FID, IID) pairs; A1 is counted."""
    pairs = [(name, name) if isinstance(name, str) else name for name in samples]
    fam = "".join(f"{family} {person} 0 0 0 -9\n" for family, person in pairs)
    prefix.with_suffix(".fam").write_text(fam)
    prefix.with_suffix(".bim").write_text(
        "".join(
            f"{row.chromosome}\t{row.id}\t0\t{row.position}\t{row.counted}\t{row.other}\n"
            for row in table.itertuples()
        )
    )
    packed = bytearray(b"\x6c\x1b\x01")
    for column in np.asarray(dosages, dtype=float).T:
        for start in range(0, len(column), 4):
            byte = 0
            for place, value in enumerate(column[start : start + 4]):
                byte |= CODE.get(value, 0b01) << (2 * place)
            packed.append(byte)
    prefix.with_suffix(".bed").write_bytes(bytes(packed))
    return prefix.with_suffix(".bed")


def write_vcf(path, dosages, samples, table, header=()):
    """Write a VCF of unphased calls; ALT is counted."""
    text = {0.0: "0/0", 1.0: "0/1", 2.0: "1/1"}
    lines = ["##fileformat=VCFv4.2", *header]
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join([*fixed, *samples]))
    for row, column in zip(table.itertuples(), np.asarray(dosages, dtype=float).T, strict=True):
        site = [row.chromosome, str(row.position), row.id, row.other, row.counted, ".", "PASS"]
        lines.append("\t".join([*site, ".", "GT", *[text.get(value, "./.") for value in column]]))
    return write_vcf_lines(path, lines)


def write_vcf_lines(path, lines):
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def slow_bed(prefix):
    """Decode a whole .bed with Python integers, two bits at a time."""
    n_samples = len(prefix.with_suffix(".fam").read_text().splitlines())
    n_variants = len(prefix.with_suffix(".bim").read_text().splitlines())
    raw = prefix.with_suffix(".bed").read_bytes()[3:]
    width = (n_samples + 3) // 4
    meaning = {0: 2.0, 1: float("nan"), 2: 1.0, 3: 0.0}
    return np.array(
        [
            [meaning[raw[v * width + s // 4] >> (2 * (s % 4)) & 3] for v in range(n_variants)]
            for s in range(n_samples)
        ]
    )


def slow_vcf(path):
    """Read the dosages of all alternate alleles of a plain VCF, as the specification has them."""
    columns = []
    for line in path.read_bytes().split(b"\n"):
        fields = line.rstrip(b"\r").split(b"\t")
        if line.startswith(b"#") or not line.strip() or fields[6].upper() not in (b"PASS", b"."):
            continue
        if not {b"GT", b"DS"} & set(fields[8].split(b":")):
            continue
        alternates = [] if fields[4] == b"." else fields[4].split(b",")
        for rank, allele in enumerate(fields[4].split(b","), start=1):
            if all(part == b"." or not part.upper().strip(b"ACGT") for part in (fields[3], allele)):
                cells = [slow_dosage(cell, fields[8], rank, alternates) for cell in fields[9:]]
                columns.append(cells)
    return np.array(columns, dtype=np.float32).T


def slow_dosage(cell, format_, rank, alternates):
    """Read one field of a sample: DS where a diploid one has it, GT elsewhere."""
    said = dict(zip(format_.split(b":"), cell.split(b":"), strict=False))
    alleles = said.get(b"GT", b".").replace(b"|", b"/").split(b"/")
    dosages = said.get(b"DS", b".").split(b",")
    if dosages[0] not in (b".", b"") and (len(alleles) == 2 or alleles == [b"."]):
        return float(dosages[rank - 1])
    if any(allele in (b".", b"") for allele in alleles):
        return float("nan")
    numbers = [int(allele) for allele in alleles]
    assert max(numbers) <= len(alternates)
    return 2 * numbers.count(rank) / len(numbers)
