"""One folder a modality: its readers, its built-in model, its extractor and its models."""
