# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rig itself: what the rows stand on."""

import os

from rig import KINDS, Rig, children_of, inner_pid
import pytest


@pytest.mark.parametrize('kind', [*KINDS, 'fuse'])
def test_a_partition_of_each_kind_is_guarded_and_trimmed(rig, well, kind):
    p = rig.partition('other', kind)
    rig.start()
    p.start_writer()
    p.assert_guarded()
    well.assert_guarded()
    p.assert_log_valid()
    assert len(rig.pids('watcher')) == len(rig.pids('trimmer')) == 2
    assert p.pids('watcher') and p.pids('watcher') != well.pids('watcher')
    assert inner_pid(p.pids('watcher')[0]) < 1000


def test_it_leaves_nothing_behind(tools, tmp_path):
    def seen():
        with open('/proc/self/mountinfo') as f:
            return f.read()
    before = seen()
    with Rig(tmp_path, tools) as rig:
        p = rig.partition('one')
        rig.start()
        p.freeze()
        p.start_writer()
        assert seen() == before
        pids = children_of(rig.daemon.pid)
        assert pids
    assert seen() == before
    assert not any(os.path.exists(f'/proc/{pid}') for pid in pids)
    assert not list(tmp_path.glob('*.img'))
