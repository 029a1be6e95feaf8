"""Genetics: PLINK, VCF and dosage tables, one token a SNP, by dosage or by a model of DNA.

* ``genotypes.py`` says what every genotype file offers; ``plink.py`` and ``vcf.py``, over the lines
  of ``vcf_lines.py``, read them, ``opened.py`` remembers them, and ``pooled.py`` reads several as
  one;
* ``build.py`` and ``harmonise.py`` see to it that all count the same allele at the same place;
* ``selection.py`` chooses the SNPs and ``left_out.py`` counts the others, ``columns.py`` reads the
  table's cells, ``apoe.py`` APOE;
* ``dosage.py`` is the reference backbone, ``extractor.py`` the scikit-learn estimator, and
  ``reading.py`` what it reads;
* ``reference.py`` opens reference genomes, ``sequence.py`` cuts the DNA around SNPs out of them,
  ``kmers.py`` tokenises it;
* ``dna_model.py`` is what DNA models share; ``nucleotide_transformer.py`` (with its layers in
  ``esm.py``) and ``dnabert2.py`` are the models; ``allele_tokens.py`` reads each allele once,
  ``mixing.py`` weighs the alleles by a subject's dosages, and ``genotype_model.py`` joins
  these to the extractor.
"""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "GeneticsExtractor": "adestim.modalities.genetics.extractor",
        "parse_apoe": "adestim.modalities.genetics.apoe",
        "sniff_build": "adestim.modalities.genetics.build",
    },
)
