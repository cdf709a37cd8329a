# SPDX-License-Identifier: LGPL-2.1-or-later
"""Going away: watchdogd --remove-traces on what a real guard has left on real filesystems, beside containers that run, with
things in the way that are not ours, killed at each call, and asked on a terminal."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess

import pytest

from lines import check_kept, check_valid, filled
from matrix import find_build, need
from rig import MIB, Inside, wait_for

BALLAST = '[Ballast]\nSize=4M\n'
STATE = '/run/rig/state'
REFLINKING = ('xfs', 'btrfs')


# ---- the tool, and what it is to find --------------------------------------------------------------------------

def command(rig, *options):
    return [rig.tools / 'watchdogd', '--config', rig.scratch / 'diskbrake.conf', '--runtime-dir', '/run/rig',
            '--state-dir', STATE, '--remove-traces', *options]


def remove_traces(rig, *options, wrapper=(), timeout=60):
    return rig.run(*wrapper, *command(rig, *options), check=False, timeout=timeout)


def drive(rig, verb, where, p, container, *what):
    driver = rig.scratch / 'trim_driver'
    if not driver.exists():
        shutil.copy(find_build() / 'tests/trim_driver', driver)
    done = rig.run(driver, verb, where, p.root, p.container_id(container), *what, timeout=60)
    assert 'result=done' in done.stdout, done.stdout


def cut(rig, p, container, method, want=4 * MIB):
    drive(rig, 'act', '/run/rig/page', p, container, method, want, MIB)


def archive(rig, p, container, want=2 * MIB):
    rig.path(STATE).mkdir(parents=True, exist_ok=True, mode=0o700)
    drive(rig, 'archive', STATE, p, container, 'punch', want, MIB, f'name={container}')


def add_files(p):
    """As the trimmer makes them; what it makes itself is in the test with the guard."""
    for name, n in (('diskbrake-ballast', 4 * MIB), ('diskbrake-filler', MIB)):
        with open(p.outside / 'docker' / name, 'wb') as f:
            os.posix_fallocate(f.fileno(), 0, n)


def stop_guard(rig):
    rig.daemon.signal(signal.SIGTERM)
    rig.daemon.wait()
    rig.census.stop.set()
    rig.daemon = None


def traces_of(rig, p):
    files = [f'{f.name}' for f in (p.outside / 'docker').glob('diskbrake-*')]
    archives = [f.name for f in rig.path(STATE).rglob('*')] if rig.path(STATE).exists() else []
    return sorted(files + archives)


def has_hole_or_filler(data):
    return b'\0' in data or filled(data) > 0


@pytest.fixture
def ext4(rig):
    p = rig.partition('sick')
    rig.write_config()
    return p


# ---- all of it ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['ext4', 'xfs', 'btrfs'])
def test_what_a_guard_has_left_goes(row, rig, kind):
    """Cut by the guard itself; one container goes on writing meanwhile."""
    row(injected=f'the guard is uninstalled, on {kind}, while a container runs',
        holds=['refused while the guard runs', 'nothing changes unconfirmed', 'only the log that is open stays cut', 'no line lost'])
    p = rig.partition('sick', kind)
    p.add_container('api')
    p.fill_log(8 * MIB, 'api')
    archive(rig, p, 'web')
    rig.start(extra=BALLAST)
    wait_for(lambda: (p.outside / 'docker/diskbrake-ballast').exists(), text=rig.describe)
    p.start_writer('api', 20_000)
    for container in ('web', 'api'):
        assert p.trim(container, '1M')['result'] == 'done'
        assert has_hole_or_filler(p.read_log(container))
    before = traces_of(rig, p)
    assert 'diskbrake-ballast' in before and ('diskbrake-filler' in before) == (kind in REFLINKING)
    assert any(name.endswith('.json.zst') for name in before)

    done = remove_traces(rig, '--yes')
    assert done.returncode == 1 and 'systemctl disable --now diskbrake.service' in done.stderr
    assert traces_of(rig, p) == before
    stop_guard(rig)
    web = p.read_log('web')
    done = remove_traces(rig)
    assert done.returncode == 2 and 'Nothing was changed' in done.stdout, done
    assert traces_of(rig, p) == before and p.read_log('web') == web
    assert f'{p.root}/diskbrake-ballast, 4 MiB' in done.stdout
    assert re.search(rf'{STATE}/archive/web-[0-9a-f]{{12}}: 1 archive, ', done.stdout)
    open_log = next(text for text in done.stdout.splitlines() if 'the log of sick-api' in text)
    assert ('cannot take it out' if kind == 'btrfs' else 'somebody has it open') in open_log

    done = remove_traces(rig, '--yes')
    assert done.returncode == 2 and done.stderr == '', done
    assert traces_of(rig, p) == []
    assert has_hole_or_filler(p.read_log('api'))
    if kind == 'btrfs':
        assert p.read_log('web') == web
    else:
        assert 'healed 1 log\n' in done.stdout
        assert not has_hole_or_filler(p.read_log('web'))
    data = p.read_log('web')
    assert check_kept(data[filled(data):], p.n_lines['web'], allow_hole=False) > 0

    p.stop_writer('api')
    again = 2 if kind == 'btrfs' else 0
    for _ in range(2):
        done = remove_traces(rig, '--yes')
        assert done.returncode == again and done.stderr == '', done
    data = p.read_log('api')
    assert has_hole_or_filler(data) == (kind == 'btrfs')
    assert check_kept(data[filled(data):], p.n_lines['api'], allow_hole=False) > 0


def test_data_roots_that_the_configuration_no_longer_names_are_found(rig, ext4):
    """And those of which containers/ lies apart."""
    usual = rig.path('/var/lib/docker')
    (usual / 'containers').mkdir(parents=True)
    rig.run('mount', '-t', 'tmpfs', '-o', 'mode=0710', 'apart', '/var/lib/docker/containers')
    for folder in (usual, usual / 'containers', ext4.outside / 'docker'):
        (folder / 'diskbrake-ballast').write_bytes(b'x')
    done = remove_traces(rig, '--yes')
    assert done.returncode == 0, done
    assert not list(usual.rglob('diskbrake-*')) and not list((ext4.outside / 'docker').glob('diskbrake-*'))


def test_a_single_block_of_filler_is_known_while_its_file_is_there(rig):
    """Nothing else shares it. XFS takes a moment to let go of what was removed, so each removal lasts a second."""
    need('strace')
    p = rig.partition('sick', 'xfs')
    rig.write_config()
    cut(rig, p, 'web', 'fill', MIB)
    assert filled(p.read_log()) == MIB
    done = remove_traces(rig, '--yes', wrapper=('strace', '-f', '-qq', '-o', '/dev/null', '-e',
                                                'inject=unlinkat:delay_exit=1000000'))
    assert done.returncode == 0 and 'healed 1 log\n' in done.stdout, done
    assert traces_of(rig, p) == [] and filled(p.read_log()) == 0


def test_archives_may_be_kept(rig, ext4):
    archive(rig, ext4, 'web')
    add_files(ext4)
    done = remove_traces(rig, '--yes', '--keep-archives')
    assert done.returncode == 0, done
    assert not list((ext4.outside / 'docker').glob('diskbrake-*'))
    assert list(rig.path(STATE).rglob('*.json.zst'))


# ---- what is not ours ----------------------------------------------------------------------------------------------

def test_what_is_not_the_guards_stays_and_is_named(rig, ext4):
    docker, elsewhere = ext4.outside / 'docker', rig.path('/run/elsewhere')
    elsewhere.mkdir()
    (elsewhere / 'precious').write_text('precious')
    (docker / 'diskbrake-ballast').symlink_to('/run/elsewhere/precious')
    (docker / 'diskbrake-filler').write_text('of somebody')
    os.chown(docker / 'diskbrake-filler', 1000, 1000)
    archive(rig, ext4, 'web')
    place = rig.path(f'{STATE}/archive')
    folder, = place.iterdir()
    one, = folder.iterdir()
    two = folder / one.name.replace('00000001', '00000002')
    shutil.copy(one, two)
    os.link(two, rig.path('/run/backup'))
    (folder / 'notes\x1b[31m.txt').write_text('by somebody')
    (folder / one.name.replace('00000001', '00000009')).symlink_to('/run/elsewhere/precious')
    (folder / one.name.replace('00000001', '00000008')).mkdir()
    (folder / 'incomplete').write_text('of a killed one')
    (place / 'linked-0123456789ab').symlink_to('/run/elsewhere')
    (place / 'lost+found').mkdir()
    (place / 'file-0123456789ab').write_text('no folder')
    (place / 'empty-0123456789ab').mkdir()
    done = remove_traces(rig, '--yes')
    assert done.returncode == 0 and done.stderr == '', done
    left = sorted(str(f.relative_to(place)) for f in place.rglob('*'))
    assert left == sorted([folder.name, 'linked-0123456789ab', 'lost+found', 'file-0123456789ab', *(
        f'{folder.name}/{name}' for name in (two.name, 'notes\x1b[31m.txt', one.name.replace('00000001', '00000009'),
                                             one.name.replace('00000001', '00000008')))])
    assert (elsewhere / 'precious').read_text() == 'precious' and (docker / 'diskbrake-filler').exists()
    assert (docker / 'diskbrake-ballast').is_symlink()
    for name in ('notes?[31m.txt', 'linked-0123456789ab', 'lost+found', 'file-0123456789ab', two.name):
        assert f'{name} stays' in done.stdout
    assert '\x1b' not in done.stdout
    assert done.stdout.count("it is not the guard's") == 9


def test_an_archive_that_is_not_roots_alone_is_left_alone(rig, ext4):
    archive(rig, ext4, 'web')
    rig.path(f'{STATE}/archive').chmod(0o750)
    add_files(ext4)
    done = remove_traces(rig, '--yes')
    assert done.returncode == 1 and "it is not root's alone" in done.stderr
    assert list(rig.path(STATE).rglob('*.json.zst'))
    assert not list((ext4.outside / 'docker').glob('diskbrake-*')), 'what else there is is done all the same'


def test_an_error_at_one_item_keeps_no_other_from_being_done(rig, ext4):
    need('chattr')
    for container in ('web', 'api'):
        if container == 'api':
            ext4.add_container('api')
            ext4.fill_log(8 * MIB, 'api')
        archive(rig, ext4, container)
        cut(rig, ext4, container, 'punch')
    add_files(ext4)
    fixed = [ext4.log('web'), f'{ext4.root}/diskbrake-ballast']
    rig.run('chattr', '+i', *fixed)
    try:
        done = remove_traces(rig, '--yes')
    finally:
        rig.run('chattr', '-i', *fixed)
    assert done.returncode == 1, done
    assert f'{ext4.root}/diskbrake-ballast: Operation not permitted' in done.stderr and 'the log of sick-web' in done.stderr
    assert traces_of(rig, ext4) == ['diskbrake-ballast'] and not has_hole_or_filler(ext4.read_log('api'))
    assert remove_traces(rig, '--yes').returncode == 0 and traces_of(rig, ext4) == []


# ---- interrupted -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('call', ['unlinkat,rmdir', 'fallocate', 'openat2', 'flock,fcntl'])
def test_killed_at_any_call_the_next_one_ends_it(rig, call):
    """Killed at the n-th such call, for each n that there is."""
    need('strace')
    p = rig.partition('sick')
    rig.write_config()
    for n in range(1, 100):
        p.fill_log(8 * MIB)
        archive(rig, p, 'web')
        cut(rig, p, 'web', 'punch')
        add_files(p)
        done = remove_traces(rig, '--yes', wrapper=('strace', '-f', '-qq', '-o', '/dev/null', '-e',
                                                    f'inject={call}:signal=KILL:when={n}'))
        check_valid(p.read_log())
        if done.returncode == 0:    # there is no such call any more
            break
        again = remove_traces(rig, '--yes')
        assert again.returncode == 0 and again.stderr == '', (done, again)
        assert traces_of(rig, p) == [] and not has_hole_or_filler(p.read_log())
        assert check_kept(p.read_log(), p.n_lines['web'], allow_hole=False) > 0
    assert 1 < n < 99


# ---- confirmed, or not -------------------------------------------------------------------------------------------------

def answer(rig, *answers):
    """On a terminal. Returns the exit status and what was said."""
    master, slave = pty.openpty()
    process = subprocess.Popen([*rig.enter, *map(str, command(rig))], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    said, n = '', 0
    try:
        while True:
            assert select.select([master], [], [], 20)[0], said
            try:
                data = os.read(master, 4096)
            except OSError:     # the other end is closed
                break
            if not data:
                break
            said += data.decode()
            if said.count('[y/N]') > n:
                os.write(master, answers[n].encode() + b'\n')
                n += 1
    finally:
        os.close(master)
        process.wait(20)
    return process.returncode, said


def test_each_kind_is_asked_about_once(rig, ext4):
    archive(rig, ext4, 'web')
    cut(rig, ext4, 'web', 'punch')
    add_files(ext4)
    before = traces_of(rig, ext4)
    code, said = answer(rig, '', 'n', 'no')
    assert (code, said.count('[y/N]')) == (2, 3) and traces_of(rig, ext4) == before
    assert has_hole_or_filler(ext4.read_log())
    code, said = answer(rig, 'y', 'n', 'yes')
    assert code == 2 and not has_hole_or_filler(ext4.read_log()), said
    assert traces_of(rig, ext4) == [n for n in before if not n.startswith('diskbrake-')]
    code, said = answer(rig, 'Y')
    assert code == 0 and said.count('[y/N]') == 1 and traces_of(rig, ext4) == [], said
    code, said = answer(rig)
    assert code == 0 and said.count('none') == 3, said


@pytest.mark.parametrize('options', [('--remove',), ('--remove-trace', '--yes'), ('--yes',), ('--remove-traces', '--y'),
                                     ('--remove-traces', 'yes'), ('--remove-traces', '--keep', '--yes')])
def test_it_is_not_started_by_a_typing_mistake(rig, ext4, options):
    add_files(ext4)
    done = rig.run(*command(rig)[:-1], *options, check=False)
    assert done.returncode == 1 and done.stdout == '' and done.stderr
    assert len(traces_of(rig, ext4)) == 2


def test_a_configuration_with_a_mistake_ends_it_before_anything_is_removed(rig, ext4):
    add_files(ext4)
    rig.write_config(extra='[Nonsense]\n')
    done = remove_traces(rig, '--yes')
    assert done.returncode == 78 and 'nothing was changed' in done.stderr
    assert len(traces_of(rig, ext4)) == 2


def test_a_socket_that_would_start_the_guard_is_not_touched(rig, ext4):
    """systemd listens there, and no guard runs yet. One that nobody listens on any more counts for nothing."""
    add_files(ext4)
    code = ('import select, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind("/run/rig/diskbrake.socket"); s.listen(); '
            'print(1, flush=True); sys.stdin.read(); print(len(select.select([s], [], [], 0)[0]))')
    listener = Inside(rig, ['python3', '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert listener.nsenter.stdout.readline() == '1\n'
    done = remove_traces(rig, '--yes')
    assert done.returncode == 1 and 'diskbrake.socket' in done.stderr and len(traces_of(rig, ext4)) == 2
    out, _ = listener.nsenter.communicate(timeout=10)
    assert out == '0\n', 'somebody connected'
    assert remove_traces(rig, '--yes').returncode == 0 and traces_of(rig, ext4) == []


# ---- a disk that hangs ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('operation', ['getattr', 'readdir'])
def test_a_disk_that_hangs_is_named_and_given_up(row, rig, operation):
    row(injected=f'what is left is removed while the filesystem of the data-root hangs in {operation}',
        holds=['it is said at which path', 'it ends by itself', 'the next one ends it'])
    sick = rig.partition('sick', 'fuse')
    add_files(sick)
    rig.write_config(trimmer='1s')
    sick.hang(operation)
    # To a file: the process that is stuck still has what it writes to.
    with open(rig.scratch / 'said', 'wb') as said:
        tool = Inside(rig, command(rig, '--yes'), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    assert tool.wait(20) == 1
    said = (rig.scratch / 'said').read_text()
    assert re.search(rf'stuck in \w+ on {sick.mount}\S* for [\d.]+ s; given up', said), said
    sick.release()
    done = remove_traces(rig, '--yes')
    assert done.returncode == 0 and traces_of(rig, sick) == [], done
