"""One folder a modality: its readers, its built-in model, its extractor and its models.

Whoever wants the modalities' names looks for the folders, so that a further one is found by itself.
"""

# Tables begin with these; further modalities follow by name.
FIRST = ("smri", "fmri", "clinical", "genetics")
