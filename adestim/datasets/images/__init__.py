"""Images on a disk, and which of them to take."""
