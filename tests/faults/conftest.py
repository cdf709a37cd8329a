# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the fault tests."""

from pathlib import Path

import pytest

from matrix import find_build, missing, need, pytest_runtest_makereport, row  # noqa: F401  pytest finds what is here
from rig import KINDS, Rig, build_tools


@pytest.fixture(scope='session')
def tools(tmp_path_factory):
    """A folder with what runs inside a rig."""
    need('unshare', 'nsenter', 'journalctl', 'losetup', 'pkg-config', 'cc',
         *(make[0] for make, _ in KINDS.values() if make))
    if not Path('/dev/fuse').exists():
        missing('no FUSE in this kernel')
    into = tmp_path_factory.mktemp('tools')
    into.chmod(0o755)
    build_tools(find_build(), into)
    return into


@pytest.fixture
def rig(row, tools, tmp_path):
    """A rig. What every row asks for is checked at its end, if the test itself was content."""
    with Rig(tmp_path, tools) as rig:
        yield rig
        if rig.daemon:
            rig.check()


@pytest.fixture
def well(rig):
    """The other partition, which must never notice anything."""
    return rig.partition('well')
