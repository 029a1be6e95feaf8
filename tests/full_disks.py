"""Real small and read-only file systems, for tests of what is done without room."""

import os
import subprocess
from contextlib import contextmanager

import pytest


def mount(*arguments):
    """Mount, or skip the test with the reason."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mount is not installed, so that no small disk can be made")
    if done.returncode:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")


@contextmanager
def small_disk(folder, size):
    """Yield a folder on a disk of its own with a few bytes, ``64k`` for instance."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder):
    """Make a folder read-only while the context lasts: by its disk for root, by its mode else."""
    if os.geteuid() == 0:
        mount("--bind", str(folder), str(folder))
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    else:
        change_modes(folder, 0o500)
    try:
        yield folder
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(folder)], check=True)
        else:
            change_modes(folder, 0o700)


def change_modes(folder, mode):
    """Give a folder and those below it a mode."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(mode)
