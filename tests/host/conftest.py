# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the host tests. A box takes seconds to start, so that a module's tests share one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from box import Box, missing_prerequisite

SOURCE = Path(__file__).resolve().parents[2]
sys.path.append(str(SOURCE / 'tests/faults'))

from matrix import pytest_runtest_makereport, row  # noqa: E402, F401: the rows of the fault matrix

# Rows of the fault matrix that need a whole host: the fixture is the same.
sys.path.append(str(SOURCE / 'tests/faults'))
from matrix import pytest_runtest_makereport, row  # noqa: E402,F401  pytest finds what is here


def require_boxes():
    """Skips where boxes cannot run. In CI that is a failure: a test that is never run must not look green."""
    reason = missing_prerequisite()
    if reason and os.environ.get('CI') == 'true':
        pytest.fail(f'boxes cannot run here: {reason}')
    if reason:
        pytest.skip(f'boxes cannot run here: {reason}')


@pytest.fixture(scope='session')
def make_box():
    """Box itself, for another filesystem, size or Docker configuration: with make_box('trixie', fs='xfs') as box."""
    require_boxes()
    return Box


@pytest.fixture(scope='module')
def box_bookworm(make_box):
    """systemd 252, Docker 20.10."""
    with make_box('bookworm') as box:
        yield box


@pytest.fixture(scope='module')
def box_trixie(make_box):
    """systemd 257, Docker 26.1."""
    with make_box('trixie') as box:
        yield box


@pytest.fixture(scope='module', params=['bookworm', 'trixie'])
def box(request):
    """Each of the two in turn."""
    return request.getfixturevalue(f'box_{request.param}')


@pytest.fixture(scope='session')
def destdir(tmp_path_factory):
    """The product, installed into a folder, for box.install(destdir). $DISKBRAKE_DESTDIR names one that exists."""
    given = os.environ.get('DISKBRAKE_DESTDIR')
    if given:
        assert (Path(given) / 'usr').is_dir(), f'DISKBRAKE_DESTDIR={given} holds no installed tree'
        return Path(given)
    build = tmp_path_factory.mktemp('build')
    dest = tmp_path_factory.mktemp('destdir')
    for command in (['meson', 'setup', '--prefix=/usr', '--sysconfdir=/etc', '--localstatedir=/var', build, SOURCE],
                    ['meson', 'compile', '-C', build],
                    ['meson', 'install', '-C', build, '--no-rebuild', '--destdir', dest]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f'{command} failed:\n{done.stdout[-5000:]}'
    return dest
