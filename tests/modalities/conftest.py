"""What lies in the folder is imported as part of the package, by the test of a fifth modality."""

collect_ignore = ["fifth"]
