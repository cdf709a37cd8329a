# SPDX-License-Identifier: LGPL-2.1-or-later
"""What fills Docker's partition and is no log, on real Docker: volumes, write layers, images, deleted
files. Each is named by the alert, with the container as people know it."""

import time

import pytest

from guard import Guard

# 20 MB/s into one file that stays open.
WRITE = 'trap "exit 0" TERM; while head -c 2000000 /dev/urandom; do sleep 0.1 & wait $!; done > {path}'


@pytest.fixture(scope='module')
def guard(box, destdir):
    guard = Guard(box, destdir)
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
    return guard


def named(guard, after):
    """The first alert since that names a cause."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [e for e in guard.events()[after:] if 'DISKBRAKE_CAUSE' in e and int(e['PRIORITY']) <= 4]
        if found:
            return found[0]
        time.sleep(0.3)
    raise AssertionError(f'no alert names a cause: {guard.partition()["survey"]}\n{guard.recent()}')


@pytest.fixture(autouse=True)
def afresh(guard):
    """What came and went before would be excused for a while."""
    guard.box.systemctl('stop', 'diskbrake.service')
    guard.box.systemctl('start', 'diskbrake.service')
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])


class Filling:
    """A container that fills something, until the test is over."""

    def __init__(self, guard, name, path, *docker_args):
        self.guard, self.name = guard, name
        self.begun = len(guard.events())
        guard.box.start_container(name, WRITE.format(path=path), docker_args=docker_args)

    def __enter__(self):
        return named(self.guard, self.begun)

    def __exit__(self, *exc):
        self.guard.box.docker('rm', '-f', '-v', self.name)


def assert_named(guard, event, kind, text, container=None):
    assert event['DISKBRAKE_CAUSE'] == kind and int(event['DISKBRAKE_CAUSE_SHARE_PERMYRIAD']) > 7000, event
    assert text in event['MESSAGE'], event['MESSAGE']
    if container:
        assert event['DISKBRAKE_CAUSE_CONTAINER_ID'] == guard.box.container_id(container), event
        assert event['DISKBRAKE_CAUSE_CONTAINER'] == container, event


def test_a_volume(guard):
    with Filling(guard, 'db', '/data/base.sst', '-v', 'pgdata:/data') as event:
        assert_named(guard, event, 'volume', 'the volume `pgdata` of `db` (base.sst, by ', 'db')
        facts = guard.partition()['survey']
        assert facts['complete'] and facts['cpu_usec'] < 1_000_000, facts
        explained = guard.box.run('diskbrake', 'explain').stdout
        assert 'the volume `pgdata` of `db`' in ' '.join(explained.split()), explained
    guard.box.docker('volume', 'rm', 'pgdata')


def test_a_write_layer(guard):
    with Filling(guard, 'crasher', '/core') as event:
        assert_named(guard, event, 'write-layer', 'the write layer of `crasher` (/core, by ', 'crasher')


def test_an_image_that_is_unpacked(guard):
    begun = len(guard.events())
    guard.box.run('mkdir', '-p', '/tmp/layer')
    guard.box.run('truncate', '-s', '800M', '/tmp/layer/big')
    process = guard.box.popen('sh', '-c', "tar -C /tmp/layer -c . | split -b 1M --filter='cat; sleep 0.05' - | docker import - slow:1")
    event = named(guard, begun)
    assert_named(guard, event, 'images', 'images and build cache (')
    process.kill()
    guard.box.sh('pkill split; pkill tar; rm -r /tmp/layer; docker rmi slow:1', check=False)


def test_a_file_that_was_deleted_and_is_held_open(guard):
    begun = len(guard.events())
    script = 'exec 3> /data/gone; rm /data/gone; ' + WRITE.format(path='/proc/self/fd/3')
    guard.box.start_container('holder', script.replace('> /proc/self/fd/3', '>&3'), docker_args=['-v', 'held:/data'])
    event = named(guard, begun)
    assert_named(guard, event, 'deleted', 'deleted files that ')
    assert ' of `holder` keeps open (/data/gone' in event['MESSAGE'], event
    guard.box.docker('rm', '-f', 'holder')
    guard.box.docker('volume', 'rm', 'held')
