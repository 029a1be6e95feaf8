"""How weights get in: files, the hub, checkpoints and whose they are."""
