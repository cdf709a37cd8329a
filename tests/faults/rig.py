# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real daemon on real partitions with a real journald, in namespaces of its own: nothing of it is mounted on the
machine, and all of it ends with the test, however that ends.

    with Rig(scratch, tools) as rig:
        sick, well = rig.partition('sick', 'ext4'), rig.partition('well')
        rig.start()
        sick.freeze()
        rig.wait_event('cannot-act', sick)

A holder process (PID 1 of a PID namespace, in a mount namespace) keeps it together. It lives as long as its standard
input is open, which is as long as the test process. From outside its files are reached through /proc/PID/root; what
may hang is never touched from there. In it, /run, /mnt, /var/lib and the journal's folders are tmpfs, /dev/kmsg is a
FIFO that the test reads, and partitions are mounted below /mnt.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from lines import check_valid, write_lines
from matrix import SANITIZED

MIB = 1 << 20
HERE = Path(__file__).resolve().parent
JOURNALD = '/lib/systemd/systemd-journald'

# What the guard promises about its loop: DESIGN, "a supervisor that cannot hang".
LONGEST_TURN_USEC = 50_000
if SANITIZED:
    LONGEST_TURN_USEC *= 4
# One that is stuck and one after it, never more.
MOST_OF_A_KIND = 2

# kind: what makes it (None: no disk), the smallest image that tool takes
KINDS = {
    'ext4': (('mkfs.ext4', '-q', '-F', '-m', '0'), 128 * MIB),
    'xfs': (('mkfs.xfs', '-q', '-f'), 320 * MIB),
    'btrfs': (('mkfs.btrfs', '-q', '-f'), 256 * MIB),
    'tmpfs': (None, 128 * MIB),
}

# PID 1 of the namespace reaps whatever is left to it, because it ignores SIGCHLD; cat ends with its standard input.
HOLDER_SCRIPT = '''
set -e
mount -t tmpfs -o mode=755 rig /run
mount -t tmpfs -o mode=755 rig /mnt
mount -t tmpfs -o mode=755 rig /var/lib
if [ -d /var/log/journal ]; then mount -t tmpfs rig /var/log/journal; fi
if [ -d /sys/fs/fuse/connections ]; then mount -t fusectl rig /sys/fs/fuse/connections; fi
mount --bind "$1/kmsg" /dev/kmsg
mkdir -p /run/systemd/journald.conf.d /run/rig
cp "$1/journald.conf" /run/systemd/journald.conf.d/rig.conf
echo ready
exec env --ignore-signal=CHLD cat
'''

# Audit= empty: the kernel's auditing stays as it is on this machine.
JOURNALD_CONF = '''[Journal]
Storage=volatile
Audit=
ReadKMsg=no
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
RateLimitIntervalSec=0
'''

# Levels go by free space: these partitions are small, and whatever grows on one would be full "within 24 h".
CONFIG = '''[Watchdog]
Mode=enforce
{roots}
[Levels]
NoticeWithin=40s
WarningWithin=20s
CriticalWithin=10s
EmergencyWithin=5s
ClearHold=1s

[Trim]
Keep=256K
EmergencyKeep=128K

[Ballast]
Size=0

[Deadlines]
Watcher={watcher}
Trimmer={trimmer}
'''


class RigError(Exception):
    pass


def wait_for(what, timeout=15, every=0.05, text=None):
    """Until what() is true; returns what it came to."""
    deadline = time.monotonic() + timeout
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f'did not come about within {timeout} s: {text() if callable(text) else text}')
        time.sleep(every)


# ---- processes ------------------------------------------------------------------------------------------------

def children_of(pid):
    try:
        return [int(word) for word in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    except OSError:
        return []


def state_of(pid):
    """R, S, D, T, Z ... or None: it is gone."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except (OSError, IndexError):
        return None


def is_alive(pid):
    return state_of(pid) not in (None, 'Z')


def name_of(pid):
    try:
        return Path(f'/proc/{pid}/comm').read_text().strip()
    except OSError:
        return ''


def inner_pid(pid):
    """Its number in the rig's own PID namespace, where they only grow."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0
    return int(re.search(r'^NSpid:.*\s(\d+)$', status, re.M).group(1))


def stage_of(pid):
    """The inode of the stage page it shares: the same for all watchers (trimmers) of one partition."""
    try:
        for line in Path(f'/proc/{pid}/maps').read_text().splitlines():
            if 'memfd:diskbrake-stage' in line:
                return int(line.split()[4])
    except OSError:
        pass
    return None


class Inside:
    """A process in the rig's namespaces."""

    def __init__(self, rig, argv, **kwargs):
        self.rig, self.argv = rig, argv
        # nsenter forks, so that the child is in the PID namespace; it hands on the exit status.
        self.nsenter = subprocess.Popen([*rig.enter, *map(str, argv)], **kwargs)
        self.pid = wait_for(lambda: next(iter(children_of(self.nsenter.pid)), None)
                            or self.nsenter.poll() is not None, 5, 0.002, f'{argv} did not start')
        if self.pid is True:
            raise RigError(f'{argv} ended at once with {self.nsenter.returncode}')

    def signal(self, signo):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signo)
            # nsenter does as its child does: it stops too, and once it goes on, so does its child.
            if signo == signal.SIGSTOP:
                wait_for(lambda: state_of(self.nsenter.pid) == 'T', 5, 0.005, 'not stopped')
                self.rig.undo.callback(self.resume)
        if signo in (signal.SIGCONT, signal.SIGKILL):
            self.resume()

    def resume(self):
        """A stopped nsenter reaps nobody, and its child would keep the whole namespace."""
        if self.nsenter.poll() is None:
            os.kill(self.nsenter.pid, signal.SIGCONT)

    def wait(self, timeout=10):
        return self.nsenter.wait(timeout)

    @property
    def is_running(self):
        return self.nsenter.poll() is None


class Writer:
    """Stands for dockerd: appends numbered lines to one log, bit by bit, until it is stopped."""

    def __init__(self, rig, log, bytes_per_sec, line_bytes, first):
        self.log = log
        self.first = first
        self.process = Inside(rig, [sys.executable, rig.tools / 'lines.py', log, bytes_per_sec, line_bytes, first],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.nsenter.stdout.readline()

    def stop(self, timeout=20):
        """Returns the number of the next line, and how many writes failed."""
        out, _ = self.process.nsenter.communicate(timeout=timeout)
        n, failed = (int(word) for word in out.split())
        return self.first + n, failed


class Census(threading.Thread):
    """Counts the guard's processes, all the time: the most that there were of a kind at once."""

    def __init__(self, launcher):
        super().__init__(daemon=True)
        self.launcher = launcher
        self.kinds = {}     # pid: (role, stage)
        self.most = {}      # (role, stage): number
        self.stop = threading.Event()
        self.start()

    def count(self):
        now = {}
        for pid in children_of(self.launcher):
            if pid not in self.kinds:
                role = name_of(pid).removeprefix('dbrk-')
                stage = stage_of(pid) if role in ('watcher', 'trimmer') else 0
                if role == 'watchdogd' or stage is None:    # just forked
                    continue
                self.kinds[pid] = (role, stage)
            if is_alive(pid):
                now.setdefault(self.kinds[pid], []).append(pid)
        for kind, pids in now.items():
            self.most[kind] = max(self.most.get(kind, 0), len(pids))
        return now

    def run(self):
        while not self.stop.wait(0.02):
            self.count()


# ---- partitions -----------------------------------------------------------------------------------------------

class Partition:
    """A filesystem with a Docker data-root on it, mounted at /mnt/NAME inside."""

    def __init__(self, rig, name, kind, size, on=None, dm=False):
        self.rig, self.name, self.kind, self.dm = rig, name, kind, dm
        self.mount = f'/mnt/{name}'
        self.root = f'{self.mount}/docker'
        self.outside = rig.path(self.mount)     # what the test process may use while nothing hangs
        # On another partition, its disk is what dies with that.
        self.image = f'{on.mount}/{name}.img' if on else rig.scratch / f'{name}.img'
        self.size = size or KINDS[kind][1]
        self.options = []
        self.n_lines = {}
        self.writers = {}
        (rig.path('/mnt') / name).mkdir()

    def make(self):
        make, _ = KINDS[self.kind]
        if make:
            self.rig.run('truncate', '-s', self.size, self.image)
            self.rig.run(*make, self.image)
        if self.dm:
            loop = self.rig.run('losetup', '--find', '--show', self.image).stdout.strip()
            self.rig.undo.callback(lambda: self.rig.run('losetup', '-d', loop))
            self.dm_name = f'diskbrake-test-{os.getpid()}-{self.name}'
            self.rig.run('dmsetup', 'create', self.dm_name, '--table', f'0 {self.size // 512} linear {loop} 0')
            self.rig.undo.callback(lambda: self.rig.run('dmsetup', 'remove', '--retry', self.dm_name))
            self.rig.undo.callback(lambda: self.rig.run('umount', '-l', self.mount, check=False))
            self.rig.undo.callback(self.resume)

    def attach(self):
        if self.kind == 'tmpfs':
            self.rig.run('mount', '-t', 'tmpfs', '-o', ','.join([f'size={self.size}', *self.options]), self.name,
                         self.mount)
        elif self.dm:
            self.rig.run('mount', *(['-o', ','.join(self.options)] if self.options else []),
                         f'/dev/mapper/{self.dm_name}', self.mount)
        else:
            self.rig.run('mount', '-o', ','.join(['loop', *self.options]), self.image, self.mount)

    def detach(self, *options):
        """umount, which must succeed as long as nobody but the guard is there."""
        self.rig.run('umount', *options, self.mount)

    # Docker's files

    def container_id(self, container):
        return f'{self.name}-{container}'.encode().hex().ljust(64, '0')[:64]

    def log(self, container='web'):
        cid = self.container_id(container)
        return f'{self.root}/containers/{cid}/{cid}-json.log'

    def add_container(self, container='web'):
        """As Docker's files describe a running one. Its name is the partition's and its own: "sick-web"."""
        cid = self.container_id(container)
        folder = self.outside / 'docker/containers' / cid
        folder.parent.mkdir(parents=True, exist_ok=True)
        (self.outside / 'docker').chmod(0o710)
        folder.parent.chmod(0o710)
        folder.mkdir()
        folder.chmod(0o710)
        host = {'LogConfig': {'Type': 'json-file', 'Config': {}}, 'RestartPolicy': {'Name': 'no'}}
        config = {'ID': cid, 'Name': f'/{self.name}-{container}', 'Driver': 'overlay2',
                  'State': {'Running': True, 'Pid': 0},
                  'Config': {'Image': f'example/{container}:1', 'Labels': {}},
                  'LogPath': self.log(container)}
        (folder / 'hostconfig.json').write_text(json.dumps(host))
        (folder / 'config.v2.json').write_text(json.dumps(config))
        log = folder / f'{cid}-json.log'
        log.touch()
        log.chmod(0o640)
        self.n_lines[container] = 0

    def remove_container(self, container):
        shutil.rmtree(self.outside / 'docker/containers' / self.container_id(container))
        del self.n_lines[container]

    def fill_log(self, total=8 * MIB, container='web'):
        """Whole lines from where it ended before. Nobody else may be writing."""
        self.n_lines[container] = write_lines(self.rig.path(self.log(container)), total, 2000, self.n_lines[container])

    def start_writer(self, container='web', bytes_per_sec=100_000, line_bytes=2000):
        self.writers[container] = Writer(self.rig, self.log(container), bytes_per_sec, line_bytes,
                                         self.n_lines[container])

    def stop_writer(self, container='web'):
        self.n_lines[container], failed = self.writers.pop(container).stop()
        return failed

    def read_log(self, container='web'):
        """Read from inside, so that one that hangs does not hang the test."""
        return self.rig.run('cat', self.log(container), text=False).stdout

    def assert_log_valid(self, container='web', newest=True):
        """Every line whole and in order, up to the newest that was written."""
        if container in self.writers:
            self.stop_writer(container)
        found = check_valid(self.read_log(container))
        assert found, 'the log is empty'
        # The line a cut goes through is blanked; behind that one nothing may be missing.
        gaps = [(a, b) for a, b in zip(found, found[1:]) if b != a + 1]
        assert len(gaps) <= 2, gaps
        if newest:
            assert found[-1] == self.n_lines[container] - 1, 'the newest line is gone'

    # as the guard sees it

    def status(self):
        return next((p for p in self.rig.status()['partitions'] if p['mount'] == self.mount), None)

    def wait_state(self, *states, detail='', timeout=15):
        """Until it is in one of these states, with that in its detail; returns what status says of it."""
        def look():
            status = self.status()
            fits = status and status['state'] in states and re.search(detail, status['state_detail'])
            return status if fits else None
        return wait_for(look, timeout, 0.1,
                        lambda: f'{self.name} {" or ".join(states)} {detail!r}\n{self.rig.describe()}')

    def assert_stays(self, *states, seconds=1):
        """Whenever one looks, it is in one of these states: never calm, not even while a replacement is tried."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.status()
            assert status and status['state'] in states, f'{status and status["state"]}\n{self.rig.describe()}'
            time.sleep(0.05)

    def pids(self, role):
        return self.rig.pids(role, self)

    def trim(self, container='web', keep='128K', timeout=30):
        """By hand. Returns what the CLI says of it, or its error text."""
        done = self.rig.diskbrake('trim', f'{self.name}-{container}', '--keep', keep, '--json', check=False,
                                  timeout=timeout)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()

    def start_trim(self, container='web', keep='128K'):
        """The same in the background, for when it is to get stuck."""
        return Inside(self.rig, [*self.rig.cli, 'trim', f'{self.name}-{container}', '--keep', keep, '--json'],
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def assert_guarded(self, container='api'):
        """It is seen, and a trim works and loses nothing. With a log of its own, so that a writer may go on."""
        if container not in self.n_lines:
            self.add_container(container)
        self.fill_log(self.rig.path(self.log(container)).stat().st_size + 2 * MIB, container)
        # By hand, 1 MiB is kept at least.
        wait_for(lambda: any(log['name'] == f'{self.name}-{container}' and log['allocated_bytes'] >= 1.9 * MIB
                             for log in (self.status() or {'logs': []})['logs']), 10, 0.05, self.rig.describe)
        status = self.status()
        assert status['state'] == 'guarding', status
        done = self.trim(container)
        assert isinstance(done, dict) and done['result'] == 'done' and done['freed_bytes'] > 0, done
        self.assert_log_valid(container)

    # faults

    def freeze(self):
        """fsfreeze, by a process that thaws it when it is told to, or when the test process is gone."""
        return Frozen(self)

    def suspend(self):
        self.rig.run('dmsetup', 'suspend', '--noflush', '--nolockfs', self.dm_name)

    def resume(self):
        self.rig.run('dmsetup', 'resume', self.dm_name)

    def loop(self):
        return self.rig.run('findmnt', '-n', '-o', 'SOURCE', self.mount).stdout.strip()


class Frozen:
    def __init__(self, partition):
        self.partition = partition
        # Outside of the PID namespace, so that it does not end before it has thawed.
        self.process = subprocess.Popen([sys.executable, HERE / 'freeze.py', partition.outside],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        partition.rig.undo.callback(self.thaw)
        if self.process.stdout.readline() != 'frozen\n':
            raise RigError(f'cannot freeze {partition.mount}')

    def thaw(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(20)


class HangFs(Partition):
    """A FUSE filesystem over a tmpfs, which stops answering when it is told to: hang_fs.c."""

    def __init__(self, rig, name, size):
        super().__init__(rig, name, 'tmpfs', size)
        self.kind = 'fuse'
        self.base = f'/mnt/.{name}'
        self.server = None
        rig.path(self.base).mkdir()

    def make(self):
        self.rig.run('mount', '-t', 'tmpfs', '-o', f'size={self.size}', self.name, self.base)
        self.rig.undo.callback(self.abort)

    def attach(self):
        self.server = Inside(self.rig, [self.rig.tools / 'hang_fs', self.base, self.mount], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        if self.server.nsenter.stdout.readline() != 'ready\n':
            raise RigError('hang_fs did not mount')

    def tell(self, command):
        self.server.nsenter.stdin.write(command + '\n')
        self.server.nsenter.stdin.flush()
        return int(self.server.nsenter.stdout.readline())

    def hang(self, operation):
        self.tell(f'hang {operation}')

    def release(self):
        self.tell('release')

    def abort(self):
        """Every process that is stuck in it gets out, for good or not."""
        if self.server:
            self.server.signal(signal.SIGCONT)
        for line in self.rig.mountinfo():
            fields = line.split()
            if fields[4] == self.mount and '- fuse' in line:
                connection = self.rig.path('/sys/fs/fuse/connections') / fields[2].split(':')[1]
                with contextlib.suppress(OSError):
                    (connection / 'abort').write_text('1\n')


# ---- the rig --------------------------------------------------------------------------------------------------

class Rig:
    def __init__(self, scratch, tools):
        self.scratch, self.tools = Path(scratch), Path(tools)
        self.undo = contextlib.ExitStack()
        self.partitions = {}
        self.roles = {}         # stage: (role, partition)
        self.bounds = {}        # role: how many there may be, where that is not MOST_OF_A_KIND
        self.daemon = self.journald = self.census = None
        self.cli = [self.tools / 'diskbrake', '--socket', '/run/rig/diskbrake.socket']
        os.mkfifo(self.scratch / 'kmsg')
        self.kmsg_fd = os.open(self.scratch / 'kmsg', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.kmsg_text = ''
        (self.scratch / 'journald.conf').write_text(JOURNALD_CONF)
        self.holder = subprocess.Popen(
            ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc',
             '/bin/sh', '-c', HOLDER_SCRIPT, 'holder', self.scratch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != 'ready\n':
            self.close()
            raise RigError('no namespaces here')
        self.pid = children_of(self.holder.pid)[0]
        self.enter = ['nsenter', '-t', str(self.pid), '-m', '-p', '--']

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Faults end first: a process that is stuck in one cannot be ended."""
        if self.census:
            self.census.stop.set()
            self.census.join()
        with contextlib.suppress(Exception):
            self.undo.close()
        self.holder.stdin.close()
        try:
            self.holder.wait(20)
        except subprocess.TimeoutExpired:
            raise RigError(f'processes cannot be ended:\n{self.describe_processes()}') from None
        finally:
            os.close(self.kmsg_fd)
            for image in self.scratch.glob('*.img'):
                image.unlink()

    # in and out

    def path(self, inside):
        """A path as the test process may use it."""
        return Path(f'/proc/{self.pid}/root{inside}')

    def run(self, *argv, check=True, timeout=20, text=True):
        done = subprocess.run([*self.enter, *map(str, argv)], capture_output=True, text=text, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise RigError(f'{argv} failed with {done.returncode}: {done.stderr}')
        return done

    def mountinfo(self):
        return Path(f'/proc/{self.pid}/mountinfo').read_text().splitlines()

    def popen(self, *argv, **kwargs):
        return Inside(self, argv, stdin=subprocess.DEVNULL, **kwargs)

    def bare_partition(self, name, kind='ext4', size=None, options=(), **kwargs):
        """Made and mounted, and none that the daemon will know of."""
        p = HangFs(self, name, size) if kind == 'fuse' else Partition(self, name, kind, size, **kwargs)
        p.options = list(options)
        p.make()
        p.attach()
        return p

    def partition(self, name, *args, **kwargs):
        """With a container "web" whose log has 8 MiB; the daemon will guard it once it is started."""
        p = self.bare_partition(name, *args, **kwargs)
        p.add_container('web')
        p.fill_log()
        self.partitions[name] = p
        return p

    # the daemon

    def start(self, watcher='1s', trimmer='1500ms', extra='', **kwargs):
        """journald and the daemon, until it guards every partition."""
        if not self.journald:
            self.start_journald()
        self.write_config(watcher, trimmer, extra)
        self.start_daemon(**kwargs)
        for p in self.partitions.values():
            p.wait_state('guarding')
        self.learn()

    def write_config(self, watcher='1s', trimmer='1500ms', extra=''):
        roots = ''.join(f'DataRoot={p.root}\n' for p in self.partitions.values())
        (self.scratch / 'diskbrake.conf').write_text(
            CONFIG.format(roots=roots, watcher=watcher, trimmer=trimmer) + extra)

    def start_journald(self):
        self.journald = Inside(self, [JOURNALD], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        wait_for(lambda: self.path('/run/systemd/journal/socket').exists(), 10, 0.01, 'journald does not start')

    def start_daemon(self, wrapper=(), options=(), **kwargs):
        """wrapper: a command in front of its own, which must become it; kwargs: of Popen, for its output."""
        if self.census:     # of one that has ended
            self.census.stop.set()
            self.roles.clear()
        output = {'stdout': subprocess.DEVNULL, 'stderr': self.open_stderr(), **kwargs}
        self.daemon = Inside(
            self, [*wrapper, self.tools / 'watchdogd', '--config', self.scratch / 'diskbrake.conf', '--runtime-dir',
                   '/run/rig', '--state-dir', '/run/rig/state', *options], stdin=subprocess.DEVNULL, **output)
        self.census = Census(self.daemon.pid)

    def open_stderr(self):
        if not SANITIZED:
            return open(self.scratch / 'stderr', 'ab')
        # Most of the guard's processes may not write to a file, and a sanitizer's report is to be seen.
        with open(self.scratch / 'stderr', 'ab') as file:
            return subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=file, start_new_session=True).stdin

    def diskbrake(self, *argv, **kwargs):
        return self.run(*self.cli, *argv, **kwargs)

    def status(self):
        """Waits for nothing: the supervisor answers at once, whatever hangs."""
        done = self.diskbrake('status', '--json', check=False)
        return json.loads(done.stdout) if done.stdout else {'partitions': []}

    def learn(self):
        """Whose stage page is whose. The supervisor mans the posts of one partition after the other, in the order of
        its status, so that the pids, which only grow in this namespace, have that order too."""
        mounts = [p['mount'] for p in self.status()['partitions']]
        for role in ('watcher', 'trimmer'):
            stages = {}
            for (name, stage), pids in self.census.count().items():
                if name == role and stage not in self.roles:
                    stages[min(map(inner_pid, pids))] = stage
            taken = {p.mount for r, p in self.roles.values() if r == role and p}
            new = [m for m in mounts if m not in taken]
            for pid, mount in zip(sorted(stages), new):
                # None: a partition without logs, that of the archive.
                self.roles[stages[pid]] = (role, self.partitions.get(mount.removeprefix('/mnt/')))

    def pids(self, role, partition=None):
        """Living processes of a role: 'supervisor', 'watcher', 'trimmer', 'finder', ...; the oldest first."""
        found = []
        for (name, stage), pids in self.census.count().items():
            if name == role and (partition is None or self.roles.get(stage, (0, 0))[1] is partition):
                found += pids
        return sorted(found, key=inner_pid)

    # the journal, and the kernel's log

    def entries(self):
        """What the guard has told, as the journal has it, oldest first."""
        done = self.run('journalctl', '-D', '/run/log/journal', '-o', 'json', '--no-pager',
                        'SYSLOG_IDENTIFIER=diskbrake', check=False)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def events(self, kind=None, partition=None):
        return [e for e in self.entries() if kind in (None, e.get('DISKBRAKE_EVENT'))
                and (partition is None or e.get('DISKBRAKE_MOUNT') == partition.mount)]

    def wait_event(self, kind, partition=None, text='', after=0, timeout=15):
        """Until there is such an entry behind the first `after` ones of its kind; returns it."""
        def look():
            found = [e for e in self.events(kind, partition)[after:] if re.search(text, e['MESSAGE'])]
            return found[0] if found else None
        return wait_for(look, timeout, 0.1, lambda: f'event {kind} {text!r}\n{self.describe()}')

    def kmsg(self):
        """All that was written to the kernel's log so far."""
        with contextlib.suppress(BlockingIOError):
            while select.select([self.kmsg_fd], [], [], 0)[0]:
                self.kmsg_text += os.read(self.kmsg_fd, 65536).decode(errors='replace')
        return self.kmsg_text

    # what every row asks for

    def check(self):
        """The supervisor was never away for long, and nobody piled up processes."""
        assert self.daemon.is_running, self.describe()
        # A test kills one with SIGKILL; any other signal is a fault of its own.
        said = (self.scratch / 'stderr').read_text(errors='replace')
        ended = re.findall(r'the supervisor ended \(signal (?!9\))\d+|.*(?:ERROR: \w+Sanitizer|runtime error:).*', said)
        assert not ended, f'{ended}\n{said}'
        longest = self.status()['longest_turn_usec']
        assert longest < LONGEST_TURN_USEC, f'the loop was away for {longest} us'
        crowds = {kind: n for kind, n in self.census.most.items() if n > self.bounds.get(kind[0], MOST_OF_A_KIND)}
        assert not crowds, f'too many processes: {crowds}'

    def describe_processes(self):
        lines = []
        for pid in children_of(self.daemon.pid) if self.daemon else []:
            wchan = ''
            with contextlib.suppress(OSError):
                wchan = Path(f'/proc/{pid}/wchan').read_text()
            lines.append(f'{pid} {name_of(pid)} {state_of(pid)} {wchan}')
        return '\n'.join(lines)

    def describe(self):
        """For a test that has failed."""
        said = [f"{e['DISKBRAKE_EVENT']}: {e['MESSAGE']}" for e in self.entries() if 'DISKBRAKE_EVENT' in e]
        seen = [(p['mount'], p['level'], p['state'], p['state_detail']) for p in self.status()['partitions']]
        stderr = (self.scratch / 'stderr').read_text() if (self.scratch / 'stderr').exists() else ''
        return '\n'.join([*said[-25:], *map(str, seen), self.describe_processes(), stderr[-2000:]])


def build_tools(build, into):
    """What runs inside, in a folder that is visible there wherever the checkout is."""
    for program in ('watchdogd/watchdogd', 'clients/cli/diskbrake'):
        shutil.copy(Path(build) / program, into)
    for script in ('growers.py', 'lines.py', 'journald_keeper.py', 'tailers.py'):
        shutil.copy(HERE / script, into)
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'fuse3'], capture_output=True, text=True, check=True)
    subprocess.run(['cc', '-g', '-O2', '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra', HERE / 'hang_fs.c',
                    *flags.stdout.split(), '-lpthread', '-o', Path(into) / 'hang_fs'], check=True)
