# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the boxes themselves: what the other host tests rely on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from box import SCRATCH_PREFIX, BoxError, parse_json_log

MIB = 1 << 20
DOCKER = {'bookworm': '20.10.', 'trixie': '26.1.'}
SYSTEMD = {'bookworm': '252', 'trixie': '257'}


def leftovers(scratch):
    """What of a box there is on the machine, outside of its namespaces."""
    found = [line for line in Path('/proc/mounts').read_text().splitlines() if scratch in line]
    loops = subprocess.run(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE'],
                           capture_output=True, text=True, check=True).stdout
    found += [line for line in loops.splitlines() if scratch in line]
    found += [str(path) for path in Path('/sys/fs/cgroup').glob(f'**/{Path(scratch).name}')]
    for cmdline in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if scratch.encode() in cmdline.read_bytes():
                found.append(str(cmdline))
        except OSError:
            pass
    return found


# The host in the box ----------------------------------------------------------------------------------------

def test_is_a_whole_host(box):
    assert box.sh('cat /proc/1/comm').stdout == 'systemd\n'
    assert box.run('systemctl', '--version').stdout.split()[1] == SYSTEMD[box.suite]
    assert box.systemctl('--failed', '--no-legend').stdout == ''
    assert box.docker('version', '--format', '{{.Server.Version}}').stdout.startswith(DOCKER[box.suite])
    assert box.run('stat', '-f', '-c', '%T', '/var/lib/docker').stdout == 'ext2/ext3\n'


def test_trixie_has_a_varlink_client(box_trixie):
    box_trixie.run('varlinkctl', '--version')


def test_is_apart_from_the_machine(box):
    for namespace in ('pid', 'net', 'mnt', 'uts', 'ipc', 'cgroup'):
        assert os.readlink(f'/proc/{box.leader}/ns/{namespace}') != os.readlink(f'/proc/self/ns/{namespace}')
    # What Docker makes in /docker is, seen from the machine, below the box's own group.
    cid = box.quiet('apart')
    pid = box.docker('inspect', '--format', '{{.State.Pid}}', 'apart').stdout.strip()
    assert f'/docker/{cid}' in box.sh(f'cat /proc/{pid}/cgroup').stdout
    for tree in Path('/sys/fs/cgroup').glob('**/docker'):
        assert f'/{SCRATCH_PREFIX}' in str(tree), tree
    box.docker('rm', '--force', 'apart')


def test_run_reports(box):
    assert box.run('cat', input='in \xe4\n').stdout == 'in \xe4\n'
    result = box.sh('echo out; echo err >&2; exit 7', check=False)
    assert (result.stdout, result.stderr, result.returncode) == ('out\n', 'err\n', 7)
    with pytest.raises(BoxError, match='ended with 7'):
        box.sh('exit 7')


def test_run_out_of_time_ends_the_command(box):
    with pytest.raises(subprocess.TimeoutExpired):
        box.run('sleep', '4711', timeout=0.5)
    deadline = time.monotonic() + 5
    while box.run('pgrep', '-f', 'sleep 4711', check=False).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_journal(box):
    cursor = box.journal_cursor()
    box.run('systemd-cat', '-t', 'box-test', input='one\ntwo\n')
    box.run('logger', '--journald', input='MESSAGE=three\nSYSLOG_IDENTIFIER=box-test\nX=a\nX=b\nY=\x01\n')
    deadline = time.monotonic() + 5
    while len(entries := box.journal('SYSLOG_IDENTIFIER=box-test', after_cursor=cursor)) < 3:
        assert time.monotonic() < deadline, entries
        time.sleep(0.05)
    assert [entry['MESSAGE'] for entry in entries] == ['one', 'two', 'three']
    assert sorted(entries[2]['X']) == ['a', 'b']
    assert entries[2]['Y'] == b'\x01'


# Floods -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('line_bytes', [None, 7000])
def test_flood(box, line_bytes):
    name = f'flood-{line_bytes}'
    with box.watch_free() as free:
        box.flood(name, line_bytes, labels={'io.diskbrake.policy': 'trim'})
        log = box.logfile(name)
        start, before = time.monotonic(), log.stat().st_size
        time.sleep(1)
        rate = (log.stat().st_size - before) / (time.monotonic() - start)
        running = parse_json_log(log)
        box.docker('stop', name)
    print(f'{box.suite}, lines of {line_bytes} bytes: {rate / MIB:.0f} MiB/s, '
          f'{free.samples} looks, at most {free.max_gap_sec:.3f} s apart')
    assert rate > 5 * MIB
    assert running.count > 1000 and not running.gaps and not running.torn and not running.nul_ranges

    stopped = parse_json_log(log)
    assert stopped.whole and stopped.first == 1 and stopped.last == stopped.count > running.count
    if line_bytes:
        assert len(json.loads(log.open('rb').readline())['log']) == line_bytes
    tail = box.docker('logs', '--tail', '2', name).stdout.splitlines()
    assert [int(line.split()[1]) for line in tail] == [stopped.last - 1, stopped.last]
    assert box.docker('inspect', '--format', '{{.State.ExitCode}}', name).stdout == '0\n'
    labels = box.docker('inspect', '--format', '{{json .Config.Labels}}', name).stdout
    assert json.loads(labels) == {'io.diskbrake.policy': 'trim'}

    least = box.avail_bytes()
    used_percent = 100 - box.avail_percent()
    assert abs(free.min_avail_bytes - least) < 8 * MIB
    assert abs(free.max_used_percent - used_percent) < 1
    assert free.samples > 50
    box.docker('rm', name)
    assert box.avail_bytes() > least


def test_flood_at_a_rate(box):
    box.flood('brook', line_bytes=1000, rate_bps=MIB)
    log = box.logfile('brook')
    start, before = time.monotonic(), log.stat().st_size
    time.sleep(3)
    rate = (log.stat().st_size - before) / (time.monotonic() - start)
    box.docker('rm', '--force', 'brook')
    assert 0.5 * MIB < rate < 1.5 * MIB


def test_quiet(box):
    box.quiet('quiet', log_opts={'max-size': '1m'})
    time.sleep(2.5)
    assert 2 <= parse_json_log(box.logfile('quiet')).count <= 4
    start = time.monotonic()
    box.docker('stop', 'quiet')
    assert time.monotonic() - start < 5
    box.docker('rm', 'quiet')


def test_install(box, tmp_path):
    unit = tmp_path / 'usr/lib/systemd/system/box-test.service'
    unit.parent.mkdir(parents=True)
    unit.write_text('[Service]\nType=oneshot\nExecStart=/usr/bin/id -u boxtest\n')
    (tmp_path / 'usr/lib/sysusers.d').mkdir()
    (tmp_path / 'usr/lib/sysusers.d/box-test.conf').write_text('u boxtest -\n')
    (tmp_path / 'usr/lib/tmpfiles.d').mkdir()
    (tmp_path / 'usr/lib/tmpfiles.d/box-test.conf').write_text('d /var/lib/boxtest 0700 boxtest - -\n')
    (tmp_path / 'lib').mkdir()
    (tmp_path / 'lib/box-test').write_text('')
    box.install(tmp_path)
    box.systemctl('start', 'box-test.service')
    assert box.sh('stat -c "%U %a" /var/lib/boxtest').stdout == 'boxtest 700\n'
    assert box.sh('readlink /lib; ls /usr/lib/box-test').stdout == 'usr/lib\n/usr/lib/box-test\n'


# Beginning and end ------------------------------------------------------------------------------------------

@pytest.mark.parametrize('fs', ['xfs', 'btrfs'])
def test_leaves_nothing(make_box, fs):
    with make_box('bookworm', fs=fs) as box:
        scratch = str(box.scratch)
        assert box.run('stat', '-f', '-c', '%T', '/var/lib/docker').stdout == f'{fs}\n'
        # Mounts of the box are no mounts of the machine.
        assert scratch not in Path('/proc/mounts').read_text()
        assert len(box.loop_devices()) == 1
        box.flood('web')
        # A container on a frozen partition can neither be stopped nor killed.
        subprocess.run(['fsfreeze', '--freeze', box.partition], check=True)
    assert leftovers(scratch) == []
    assert not os.path.exists(scratch)


def test_survives_a_reboot(make_box):
    with make_box('bookworm') as box:
        box.flood('web', rate_bps=MIB, docker_args=['--restart=always'])
        boot = box.sh('cat /proc/sys/kernel/random/boot_id').stdout
        for clean in (True, False):
            box.reboot(clean=clean)
            assert box.sh('cat /proc/sys/kernel/random/boot_id').stdout != boot
            assert box.docker('inspect', '--format', '{{.State.Running}}', 'web').stdout == 'true\n'
    assert leftovers(str(box.scratch)) == []


@pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ends_with_its_process(make_box, signum):
    script = ('from box import Box; import time\n'
              'with Box("bookworm") as box: box.flood("web"); print(box.scratch, flush=True); time.sleep(60)\n')
    with subprocess.Popen([sys.executable, '-c', script], cwd=Path(__file__).parent, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as tester:
        scratch = tester.stdout.readline().strip()
        assert scratch
        tester.send_signal(signum)
        tester.wait(60)
    if signum == signal.SIGKILL:
        # Nobody is there to wait for the end; the files are swept by the next box.
        deadline = time.monotonic() + 10
        while any('/sys/fs/cgroup' not in item for item in leftovers(scratch)) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(5)
        with make_box('bookworm', docker=False) as box:
            assert box.run('systemctl', 'is-active', 'docker.service', check=False).stdout == 'inactive\n'
    assert leftovers(scratch) == []
    assert not os.path.exists(scratch)


# Reading logs -----------------------------------------------------------------------------------------------

def record(message):
    fields = {'log': message, 'stream': 'stdout', 'time': '2026-01-01T00:00:00Z'}
    return json.dumps(fields, separators=(',', ':')).encode() + b'\n'


def test_parse_whole(tmp_path):
    path = tmp_path / 'log'
    data = b''.join(record(f'line {i} "x\u2028y"\n' if i % 3 else f'line {i}\n') for i in range(1, 1001))
    path.write_bytes(data)
    for chunk_bytes in (7, 4096, 8 << 20):
        log = parse_json_log(path, chunk_bytes)
        assert log.whole and (log.first, log.last, log.count, log.size) == (1, 1000, 1000, len(data))


def test_parse_damage(tmp_path):
    path = tmp_path / 'log'
    parts = [
        (record('line 5\n'), None),
        (b'   \n', None),
        (b'  ' + record('line 6\n'), None),
        (record('line 9\n'), 'gap'),
        (b'", "stream":\n', 'torn'),
        (record('a marker\n'), 'other'),
        (b'\0' * 10 + record('line 10\n'), 'nul'),
        (record('line 10\n'), 'repeat'),
        (b'frag\0', 'torn2'),
        (record('line 11\n'), None),
        (b'{"log":"li', 'tail'),
    ]
    offsets, data = {}, b''
    for text, what in parts:
        offsets[what] = len(data)
        data += text
    path.write_bytes(data)
    for chunk_bytes in (7, 8 << 20):
        log = parse_json_log(path, chunk_bytes)
        assert (log.first, log.last, log.count) == (5, 11, 6)
        assert log.gaps == [(7, 9), (11, 10)]
        assert log.torn == [(offsets['torn'], b'", "stream":'), (offsets['torn2'], b'frag')]
        assert log.others == [(offsets['other'], record('a marker\n')[:-1])]
        assert log.nul_ranges == [(offsets['nul'], 10), (offsets['torn2'] + 4, 1)]
        assert log.blank_bytes == 5
        assert log.partial_tail == b'{"log":"li'
        assert not log.whole


def test_parse_hole(tmp_path):
    path = tmp_path / 'log'
    hole_end = 64 * MIB + 100
    with open(path, 'wb') as f:
        f.write(record('line 1\n'))
        first = f.tell()
        f.seek(hole_end)
        f.write(record('line 2\n'))
    log = parse_json_log(path)
    # The hole's edges are written NULs, up to the next block: one range with it.
    assert log.nul_ranges == [(first, hole_end - first)]
    assert (log.count, log.gaps, log.torn) == (2, [], [])

    os.truncate(path, 1 << 30)
    assert parse_json_log(path).nul_ranges[1][0] == hole_end + first
