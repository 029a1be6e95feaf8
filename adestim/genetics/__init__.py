"""Genetics: PLINK, VCF and dosage tables, one token a SNP.

* ``genotypes.py`` says what every genotype file offers; ``plink.py`` and ``vcf.py`` read them, and
  ``pooled.py`` reads several as one;
* ``build.py`` and ``harmonise.py`` see to it that all count the same allele at the same place;
* ``selection.py`` chooses the SNPs, ``columns.py`` reads the table's cells, ``apoe.py`` APOE;
* ``dosage.py`` is the reference backbone, ``extractor.py`` the scikit-learn estimator.
"""

from adestim.genetics.apoe import parse_apoe
from adestim.genetics.build import sniff_build
from adestim.genetics.extractor import GeneticsExtractor

__all__ = ["GeneticsExtractor", "parse_apoe", "sniff_build"]
