# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method on every filesystem: what it came to, and what it really freed, by statvfs after the filesystem has written
out. docs/FILESYSTEMS.md is made of it (./dev filesystems-table). Needs root and loop devices."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lines import check_kept, check_valid, write_lines
from matrix import missing, need
from test_trim_matrix import ID, MIB, act, driver, log_of, mounted  # noqa: F401  driver is a fixture

METHODS = ('collapse', 'collapse-leased', 'punch', 'heal', 'truncate', 'delete')
CUTS = ('collapse', 'collapse-leased', 'punch', 'truncate')
COLLAPSING = {'ext4, 4 KiB blocks', 'ext4, 1 KiB blocks', 'ext4, bigalloc 64 KiB', 'XFS', 'XFS without reflink',
              'overlay on ext4', 'ext4 on dm-crypt', 'ext4 on LVM'}


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def made(command, where):
    """A fresh filesystem that this command makes, in an image, mounted."""
    need(command[0])
    image, mount = where / 'disk.img', where / 'mnt'
    mount.mkdir()
    with open(image, 'wb') as f:
        f.truncate(512 * MIB)
    run(*command, image)
    run('mount', '-o', 'loop', image, mount)
    try:
        (mount / 'containers' / ID).mkdir(parents=True)
        yield mount
    finally:
        run('umount', mount)
        image.unlink()


@contextlib.contextmanager
def overlay(below, where):
    """An overlay as the partition's filesystem: its upper folder is on that one."""
    with mounted(below, where) as mount:
        for name in ('lower', 'upper', 'work'):
            (mount / name).mkdir()
        merged = where / 'merged'
        merged.mkdir()
        run('mount', '-t', 'overlay', '-o', ','.join(f'{n}dir={mount / n}' for n in ('lower', 'upper', 'work')), 'none',
            merged)
        try:
            (merged / 'containers' / ID).mkdir(parents=True)
            yield merged
        finally:
            run('umount', merged)


def need_device_mapper(program):
    """Not a matter of what is installed: a kernel has it or has it not."""
    probe = subprocess.run(['dmsetup', 'version'], capture_output=True) if shutil.which('dmsetup') else None
    if probe is None or probe.returncode != 0:
        pytest.skip('this kernel has no device-mapper')
    need(program)


@contextlib.contextmanager
def looped(where):
    image = where / 'outer.img'
    with open(image, 'wb') as f:
        f.truncate(512 * MIB)
    device = subprocess.run(['losetup', '--find', '--show', str(image)], check=True, capture_output=True,
                            text=True).stdout.strip()
    try:
        yield device
    finally:
        run('losetup', '-d', device)
        image.unlink()


@contextlib.contextmanager
def on_device(device, where):
    mount = where / 'mnt'
    mount.mkdir()
    run('mkfs.ext4', '-q', '-F', device)
    run('mount', device, mount)
    try:
        (mount / 'containers' / ID).mkdir(parents=True)
        yield mount
    finally:
        run('umount', mount)


@contextlib.contextmanager
def on_dm_crypt(where):
    need_device_mapper('cryptsetup')
    name, key = f'diskbrake-{os.getpid()}', where / 'key'
    key.write_bytes(os.urandom(32))
    with looped(where) as device:
        run('cryptsetup', 'open', '--type', 'plain', '--cipher', 'aes-xts-plain64', '--key-size', '256', '--key-file',
            key, device, name)
        try:
            with on_device(f'/dev/mapper/{name}', where) as mount:
                yield mount
        finally:
            run('cryptsetup', 'close', name)


@contextlib.contextmanager
def on_lvm(where):
    need_device_mapper('lvm')
    group = f'diskbrake{os.getpid()}'
    with looped(where) as device:
        run('lvm', 'vgcreate', group, device)
        try:
            run('lvm', 'lvcreate', '-y', '-l', '100%FREE', '-n', 'logs', group)
            with on_device(f'/dev/{group}/logs', where) as mount:
                yield mount
        finally:
            run('lvm', 'vgremove', '-f', group)


FILESYSTEMS = {
    'ext4, 4 KiB blocks': lambda where: mounted('ext4-4k', where),
    'ext4, 1 KiB blocks': lambda where: mounted('ext4-1k', where),
    'ext4, bigalloc 64 KiB': lambda where: mounted('ext4-bigalloc', where),
    'ext4 on dm-crypt': on_dm_crypt,
    'ext4 on LVM': on_lvm,
    'XFS': lambda where: mounted('xfs', where),
    'XFS without reflink': lambda where: made(['mkfs.xfs', '-q', '-f', '-m', 'reflink=0'], where),
    'btrfs': lambda where: mounted('btrfs', where),
    'tmpfs': lambda where: mounted('tmpfs', where),
    'overlay on ext4': lambda where: overlay('ext4-4k', where),
    'overlay on tmpfs': lambda where: overlay('tmpfs', where),
}


def note(**row):
    """A row of the table."""
    results = os.environ.get('DISKBRAKE_FAULT_RESULTS')
    if results:
        row |= {'kernel': platform.release(), 'date': time.strftime('%Y-%m-%d')}
        with open(Path(results).with_name('filesystem-rows.jsonl'), 'a', encoding='utf-8') as f:
            f.write(json.dumps(row) + '\n')


@contextlib.contextmanager
def noted_skip(**row):
    try:
        yield
    except pytest.skip.Exception as skipped:
        note(**row, result='not run', reason=str(skipped))
        raise


def free_bytes(mount):
    run('sync', '-f', mount)
    found = os.statvfs(mount)
    return found.f_bfree * found.f_frsize


def freed_since(mount, before, expected):
    """That many have become free. XFS frees the blocks of a removed file in the background, a moment later."""
    end = time.monotonic() + 5
    while (freed := free_bytes(mount) - before) < expected * 3 / 4 and time.monotonic() < end:
        time.sleep(0.05)
    return freed


def grow(log, total, first=0):
    """As a log grows: on the disk bit by bit. Of a large extent btrfs frees only all."""
    n = first
    for size in range(MIB, total + 1, MIB):
        n = write_lines(log, size, first=n)
        run('sync', '-f', log.parent)
    return n


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('filesystem', list(FILESYSTEMS))
def test_a_method_frees_what_it_says(driver, tmp_path, filesystem, method):  # noqa: F811
    with noted_skip(filesystem=filesystem, method=method), FILESYSTEMS[filesystem](tmp_path) as mount:
        log = log_of(mount)
        n = grow(log, 12 * MIB)
        options = {'page': tmp_path / 'page'}
        if method == 'heal':
            assert act(driver, mount, 'punch', want=8 * MIB, keep=MIB, **options)['result'] == 'done'
        if method == 'delete':
            for number in range(1, 9):
                Path(f'{log}.{number}').write_bytes(os.urandom(MIB))
        before = free_bytes(mount)
        with open(log, 'ab') if method == 'collapse' else contextlib.nullcontext() as writer:
            if writer:
                options |= {'pid': os.getpid(), 'fd': writer.fileno()}
            r = act(driver, mount, method, want=8 * MIB if method != 'heal' else 0, keep=MIB, **options)
        freed = freed_since(mount, before, r['freed'])
        note(filesystem=filesystem, method=method, result=r['result'], said_bytes=r['freed'], freed_bytes=freed)

        needs_collapse = method in ('collapse', 'collapse-leased', 'heal')
        if needs_collapse and filesystem not in COLLAPSING:
            assert r['result'] == 'unsupported' and r['can_collapse'] == 0
            check_valid(log.read_bytes())
            return
        assert r['result'] == 'done', r
        if needs_collapse:
            assert r['can_collapse'] == 1
        if method != 'truncate':
            check_kept(log.read_bytes(), n, allow_hole=method == 'punch')
        if method != 'heal':    # which makes a hole go away
            assert r['freed'] >= 7 * MIB and freed >= r['freed'] * 3 / 4, (r['freed'], freed)


# ---- what others have, too ------------------------------------------------------------------------------------

def share(filesystem, mount, log):
    """Somebody keeps what the log is now: a snapshot, a copy that shares its blocks. What XFS has set aside behind the
    log's end goes first: nobody would share it."""
    os.truncate(log, log.stat().st_size)
    run('sync', '-f', mount)
    if filesystem == 'btrfs':
        run('btrfs', 'subvolume', 'snapshot', mount, mount / 'snapshot')
    else:
        run('cp', '--reflink=always', log, mount / 'copy')


@pytest.mark.parametrize('method', ['punch', 'truncate', 'collapse-leased'])
@pytest.mark.parametrize('filesystem', ['XFS', 'btrfs'])
def test_what_a_snapshot_keeps_does_not_count_as_freed(driver, tmp_path, filesystem, method):  # noqa: F811
    if method == 'collapse-leased' and filesystem not in COLLAPSING:
        pytest.skip('this filesystem cannot collapse')
    with FILESYSTEMS[filesystem](tmp_path) as mount:
        log = log_of(mount)
        n = grow(log, 10 * MIB)
        share(filesystem, mount, log)
        before = free_bytes(mount)
        r = act(driver, mount, method, want=8 * MIB, keep=MIB, page=tmp_path / 'page')
        freed = free_bytes(mount) - before
        note(filesystem=filesystem, method=method, shared=True, result=r['result'], said_bytes=r['freed'],
             freed_bytes=freed)
        assert r['result'] == 'done' and r['cut'] >= 8 * MIB
        assert freed < MIB, 'the snapshot has it still'
        assert r['freed'] < MIB, 'what is not free was said to be'
        if method != 'truncate':
            check_kept(log.read_bytes(), n, allow_hole=True)


@pytest.mark.parametrize('filesystem', ['XFS', 'btrfs'])
def test_what_came_after_a_snapshot_counts(driver, tmp_path, filesystem):  # noqa: F811
    with FILESYSTEMS[filesystem](tmp_path) as mount:
        log = log_of(mount)
        n = grow(log, 4 * MIB)
        share(filesystem, mount, log)
        for size in range(5, 13):
            n = write_lines(log, size * MIB, first=n)
            run('sync', '-f', mount)
        before = free_bytes(mount)
        r = act(driver, mount, 'punch', want=10 * MIB, keep=MIB, page=tmp_path / 'page')
        freed = free_bytes(mount) - before
        assert r['result'] == 'done'
        assert 5 * MIB <= r['freed'] <= 6.5 * MIB and abs(freed - r['freed']) < 1.5 * MIB, (r['freed'], freed)
        check_kept(log.read_bytes(), n, allow_hole=True)


# ---- old kernels ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize('method', ['collapse', 'collapse-leased', 'heal', 'punch'])
def test_kernels_before_5_10_do_not_collapse(driver, tmp_path, method):  # noqa: F811
    """They had bugs that corrupted files. This one says that it is a 2.6."""
    need('setarch')
    with FILESYSTEMS['ext4, 4 KiB blocks'](tmp_path) as mount:
        log = log_of(mount)
        n = write_lines(log, 8 * MIB)
        if method == 'heal':
            assert act(driver, mount, 'punch', want=4 * MIB, keep=MIB)['result'] == 'done'
        before = log.read_bytes()
        with open(log, 'ab') if method == 'collapse' else contextlib.nullcontext() as writer:
            options = {'pid': os.getpid(), 'fd': writer.fileno()} if writer else {}
            r = act(driver, mount, method, want=4 * MIB, keep=MIB, wrapper=['setarch', '--uname-2.6'], **options)
        assert r['can_collapse'] == 0 and r['can_punch'] == 1
        if method == 'punch':
            assert r['result'] == 'done' and check_kept(log.read_bytes(), n, allow_hole=True) > 0
        else:
            assert r['result'] == 'unsupported' and log.read_bytes() == before
