"""Whether a model knew what it should not."""
