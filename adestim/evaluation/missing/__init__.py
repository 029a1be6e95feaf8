"""What missing modalities do to the scores."""
