# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Docker host in a box: systemd as PID 1, journald, a real Docker, a partition of its own.

    with Box('bookworm', fs='xfs') as box:
        box.flood('web', line_bytes=7000)
        with box.watch_free() as free:
            time.sleep(10)
        print(free.min_avail_bytes, parse_json_log(box.logfile('web')))

Nothing of a box is mounted on the machine itself: its file systems exist only in the mount namespace of its
systemd-nspawn, and are gone, loop device included, when that ends. It ends with the test process, however that
ends. From outside they are reached through /proc/PID/root.
"""

import atexit
import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from boxcgroups import make_cgroups, remove_cgroups
from freewatch import FreeWatch, avail_percent
from jsonlog import JsonLog, parse_json_log     # for whoever uses a box

BOX_TREE = Path(__file__).resolve().parent / 'box-tree'
SCRATCH_PREFIX = 'diskbrake-box-'
FITHAW = 0xC0045878
SIG_POWEROFF = signal.SIGRTMIN + 4      # what systemd as PID 1 takes for "power off"

ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C.UTF-8', 'HOME': '/root', 'TERM': 'dumb'}

MKFS = {
    'ext4': ('mkfs.ext4', '-q', '-F'),
    'xfs': ('mkfs.xfs', '-q', '-f'),
    'btrfs': ('mkfs.btrfs', '-q', '-f'),
}

# Runs in a mount namespace of its own and becomes systemd-nspawn. $1 is the tree, $2 the scratch directory,
# $3 the mount options of the partition, what follows the command.
BOOT_SCRIPT = '''
set -e
tree=$1 scratch=$2 options=$3
shift 3
while read -r cgroup; do
    echo $$ >"$cgroup/cgroup.procs"
done <"$scratch/cgroups"
if [ -e "$scratch/rw.img" ]; then
    mount -o loop "$scratch/rw.img" "$scratch/rw"
fi
if ! mount -t overlay box -o "lowerdir=$tree,upperdir=$scratch/rw/upper,workdir=$scratch/rw/work" "$scratch/root"; then
    echo "no overlay here, copying the tree" >&2
    if ! [ -e "$scratch/root/etc" ]; then
        cp -a --reflink=auto "$tree/." "$scratch/root"
        cp -a "$scratch/rw/upper/." "$scratch/root"
    fi
fi
mount -o "loop$options" "$scratch/disk.img" "$scratch/disk"
exec "$@"
'''

# The shell is there because PID 1 of a container ignores SIGPIPE, and SIGTERM too: "docker stop" would take 10 s.
FLOOD_SCRIPT = '''
awk '{program}' &
trap "kill $!; exit 0" TERM
wait $!
echo "the writer ended with $?" >&2
exit 3
'''


class BoxError(Exception):
    pass


@dataclasses.dataclass
class Result:
    """What came of a command. Bytes that are not UTF-8 are kept as surrogates."""
    argv: tuple
    returncode: int
    stdout: str
    stderr: str


def missing_prerequisite():
    """Why no box can be started on this machine, or None."""
    if os.geteuid() != 0:
        return 'must be root'
    for tool in ('systemd-nspawn', 'nsenter', 'unshare', 'setpriv', 'debootstrap', 'losetup', 'busybox',
                 *(argv[0] for argv in MKFS.values())):
        if not shutil.which(tool):
            return f'{tool} is not installed'
    probe = subprocess.run(['losetup', '--find'], capture_output=True, text=True)
    if probe.returncode != 0:
        return f'no loop devices: {probe.stderr.strip()}'
    return None


def make_tree(suite):
    """The path of the suite's Debian tree, made if need be."""
    done = subprocess.run([BOX_TREE, suite], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BoxError(f'cannot make the tree {suite}:\n{done.stderr}')
    return Path(done.stdout.strip())


# Boxes that are not closed yet ------------------------------------------------------------------------------

_open_boxes = []
_numbers = itertools.count(1)


@atexit.register
def _close_open_boxes():
    for box in list(_open_boxes):
        box.close()


def _interrupt(signum, frame):
    # As with ctrl-C: pytest and the with-statements then put everything away in order.
    raise KeyboardInterrupt(f'signal {signum}')


def _sweep_scratch(folder):
    """Removes what killed test processes left: disk images, mostly, and empty cgroups."""
    for scratch in Path(folder).glob(SCRATCH_PREFIX + '*'):
        with contextlib.suppress(OSError), open(scratch / 'lock', 'rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)    # held as long as its process lives
            if time.time() - os.fstat(lock.fileno()).st_mtime > 5:      # one that is new may be about to lock
                remove_cgroups(scratch.name)
                shutil.rmtree(scratch)


class Box:
    """One booted host. Start it from a thread that outlives it: the kernel ends the box with that thread."""

    def __init__(self, suite='bookworm', fs='ext4', size='1G', mkfs_args=(), mount_options='', daemon_json=None,
                 docker=True, boot_timeout=120, root_size=None):
        """root_size: what is written to / goes to a disk of this size, which a test can fill; else to the machine's."""
        self.suite = suite
        self.fs = fs
        self.size = size
        self.mkfs_args = tuple(mkfs_args)
        self.mount_options = mount_options
        # Containers have no network here, and Docker must not touch the firewall.
        self.daemon_json = {'bridge': 'none', 'iptables': False, 'ip6tables': False, **(daemon_json or {})}
        self.with_docker = docker
        self.boot_timeout = boot_timeout
        self.root_size = root_size
        self.timings = {}               # seconds of each step of the start, for the curious
        self.machine = f'box-{os.getpid()}-{next(_numbers)}'     # the box's host name, too
        self.scratch = None
        self._files = contextlib.ExitStack()
        self._nspawn = None
        self._leader = None             # PID 1 of the box, as seen from outside
        self._leader_pidfd = -1
        self._background = []
        self._ids = {}

    def __enter__(self):
        try:
            self._prepare()
            self.boot()
            if self.with_docker:
                self._import_image()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    # Life ---------------------------------------------------------------------------------------------------

    def _prepare(self):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _interrupt)

        with self._timed('tree'):
            self.tree = make_tree(self.suite)
        # box-tree must not remake a tree under a running box.
        tree_lock = self._files.enter_context(open(f'{self.tree}.lock', 'wb'))
        fcntl.flock(tree_lock, fcntl.LOCK_SH)

        _sweep_scratch(tempfile.gettempdir())
        self.scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX))
        _open_boxes.append(self)
        scratch_lock = self._files.enter_context(open(self.scratch / 'lock', 'wb'))
        fcntl.flock(scratch_lock, fcntl.LOCK_EX)
        for name in ('rw', 'rw/upper', 'rw/work', 'root', 'disk'):
            (self.scratch / name).mkdir(mode=0o755)
        self.scratch.chmod(0o755)

        with self._timed('mkfs'):
            image = self.scratch / 'disk.img'
            subprocess.run(['truncate', '-s', self.size, image], check=True)
            subprocess.run([*MKFS[self.fs], *self.mkfs_args, image], check=True, stdout=subprocess.DEVNULL)

        etc = self.scratch / 'rw/upper/etc'
        (etc / 'docker').mkdir(parents=True)
        (etc / 'docker/daemon.json').write_text(json.dumps(self.daemon_json))
        if not self.with_docker:
            (etc / 'systemd/system').mkdir(parents=True)
            for unit in ('docker.service', 'docker.socket', 'containerd.service'):
                (etc / 'systemd/system' / unit).symlink_to('/dev/null')
        if self.root_size:
            image = self.scratch / 'rw.img'
            subprocess.run(['truncate', '-s', self.root_size, image], check=True)
            subprocess.run([*MKFS['ext4'], '-m', '0', '-d', self.scratch / 'rw', image], check=True,
                           stdout=subprocess.DEVNULL)

    def boot(self):
        """Boots the box, with the disk and the files that it had when it was last stopped."""
        command = [
            'systemd-nspawn', '--quiet', f'--directory={self.scratch}/root', '--boot', f'--machine={self.machine}',
            '--register=no', '--keep-unit', '--console=pipe', '--private-network', '--resolv-conf=off',
            '--timezone=off',
            f'--bind={self.scratch}/disk:/var/lib/docker',
            # As free as a real host, but for the clock and the kernel, which are the machine's own.
            '--capability=all', '--drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE', '--system-call-filter=@known',
            *(['--bind=/dev/fuse'] if os.path.exists('/dev/fuse') else []),
            # systemd 256 and later refuse the old cgroup layout unless their command line says this.
            'SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1',
        ]
        options = ',' + self.mount_options if self.mount_options else ''
        remove_cgroups(self.scratch.name)
        groups = make_cgroups(self.scratch.name)
        (self.scratch / 'cgroups').write_text(''.join(f'{group}\n' for group in groups))
        with self._timed('boot'), open(self.scratch / 'console.log', 'ab') as console:
            self._nspawn = subprocess.Popen(
                # unshare is killed with the test process, and its child with it. That is PID 1 of a PID namespace
                # around the box (the box alone outlives a killed systemd-nspawn), so that all of it dies, and the
                # mounts with it.
                ['setpriv', '--pdeathsig', 'KILL',
                 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc',
                 'sh', '-c', BOOT_SCRIPT, 'sh', self.tree, self.scratch, options, *command],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
            self._wait_booted()

    def _wait_booted(self):
        deadline = time.monotonic() + self.boot_timeout
        state = 'no PID 1'
        while time.monotonic() < deadline:
            if self._nspawn.poll() is not None:
                raise BoxError(f'systemd-nspawn ended with {self._nspawn.returncode}:\n{self._console_tail()}')
            if self._leader is None:
                self._find_leader()
            else:
                state = self.run('systemctl', 'is-system-running', check=False, timeout=30).stdout.strip()
                if state in ('running', 'degraded'):
                    return
            time.sleep(0.05)
        raise BoxError(f'no boot within {self.boot_timeout} s ({state}):\n{self._console_tail()}')

    def _find_leader(self):
        for child in (grandchild for child in _children(self._nspawn.pid) for grandchild in _children(child)):
            with contextlib.suppress(OSError):
                status = Path(f'/proc/{child}/status').read_text()
                # "NSpid: 4711 7 1": number 1 in a PID namespace of its own. Before it is systemd, it is nspawn's stub.
                if re.search(r'^Name:\tsystemd$', status, re.M) and re.search(r'^NSpid:.*\t1$', status, re.M):
                    self._leader = int(child)
                    self._leader_pidfd = os.pidfd_open(self._leader)

    def _console_tail(self):
        return (self.scratch / 'console.log').read_text(errors='replace')[-3000:]

    def stop(self, timeout=20, clean=True):
        """Powers the box off and waits. clean=False, or a box that takes too long: all its processes are killed."""
        for process in self._background:
            _kill_group(process)
        self._background.clear()
        if self._nspawn is None:
            return
        self._thaw()
        if clean and self._leader_pidfd >= 0 and self._nspawn.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._leader_pidfd, SIG_POWEROFF)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._nspawn.wait(timeout)
        if self._nspawn.poll() is None:
            if self._leader_pidfd >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._leader_pidfd, signal.SIGKILL)
            self._nspawn.kill()
            self._nspawn.wait(30)
        if self._leader_pidfd >= 0:
            os.close(self._leader_pidfd)
        self._nspawn = self._leader = None
        self._leader_pidfd = -1
        remove_cgroups(self.scratch.name)
        self._wait_detached()

    def reboot(self, clean=True):
        """Off and on again. The disk and the files stay; what was running is gone."""
        self.stop(clean=clean)
        self.boot()

    def close(self):
        """Ends the box and puts everything away, whatever state it is in. May be called twice."""
        with self._timed('close'):
            try:
                self.stop()
            finally:
                self._files.close()
                if self.scratch:
                    shutil.rmtree(self.scratch, ignore_errors=True)
                if self in _open_boxes:
                    _open_boxes.remove(self)

    def _thaw(self):
        # A frozen partition would keep its writers, and with them the box, from ending.
        with contextlib.suppress(OSError):
            fd = os.open(self.partition, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.ioctl(fd, FITHAW, 0)
            finally:
                os.close(fd)

    def _wait_detached(self):
        """The kernel detaches the loop device with the last unmount, which may be a moment after the last process."""
        deadline = time.monotonic() + 10
        while loops := self.loop_devices():
            if time.monotonic() > deadline:
                for loop in loops:
                    subprocess.run(['losetup', '--detach', loop], check=False)
                raise BoxError(f'still attached: {loops}')
            time.sleep(0.02)

    def loop_devices(self):
        """The loop devices that this box uses."""
        found = []
        for backing in Path('/sys/block').glob('loop*/loop/backing_file'):
            with contextlib.suppress(OSError):
                if backing.read_text().startswith(f'{self.scratch}/'):
                    found.append(f'/dev/{backing.parent.parent.name}')
        return found

    @contextlib.contextmanager
    def _timed(self, name):
        start = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = round(time.monotonic() - start, 2)

    # Commands -----------------------------------------------------------------------------------------------

    @property
    def leader(self):
        """The pid, on the machine, of the box's PID 1."""
        return self._leader

    def _enter(self, argv):
        if self._leader is None:
            raise BoxError('the box does not run')
        return ['nsenter', '--target', str(self._leader), '--all', '--', *map(str, argv)]

    def popen(self, *argv, **kwargs):
        """Starts a command in the box that runs on its own; it is killed, at the latest, when the box stops."""
        process = subprocess.Popen(self._enter(argv), env=ENVIRONMENT, start_new_session=True, **kwargs)
        self._background.append(process)
        return process

    def run(self, *argv, check=True, input=None, timeout=60):
        """Runs a command in the box, as root. `input` is a string, bytes, or an open file."""
        kwargs = {'stdin': subprocess.DEVNULL}
        if input is not None:
            kwargs['stdin'] = input if hasattr(input, 'fileno') else subprocess.PIPE
        data = input.encode() if isinstance(input, str) else input if isinstance(input, bytes) else None
        process = subprocess.Popen(self._enter(argv), env=ENVIRONMENT, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        try:
            stdout, stderr = process.communicate(data, timeout)
        except BaseException:
            _kill_group(process)
            raise
        result = Result(argv, process.returncode, stdout.decode(errors='surrogateescape'),
                        stderr.decode(errors='surrogateescape'))
        if check and result.returncode != 0:
            raise BoxError(f'{argv} in the box ended with {result.returncode}:\n'
                           f'{result.stdout[-2000:]}{result.stderr[-2000:]}')
        return result

    def sh(self, script, **kwargs):
        return self.run('/bin/sh', '-c', script, **kwargs)

    def systemctl(self, *args, **kwargs):
        return self.run('systemctl', *args, **kwargs)

    def journal(self, *match, since=None, after_cursor=None):
        """The journal's entries that match (as journalctl takes it: 'UNIT=x', or '-u', 'x'), oldest first.

        A field is a string; bytes where it is not printable UTF-8; a list of these where an entry has it twice.
        """
        argv = ['journalctl', '--output=json', '--all', '--no-pager', '--quiet']
        if since is not None:
            argv.append(f'--since={since}')
        if after_cursor is not None:
            # Not --after-cursor: in systemd 252 it skips an entry too many where the one at the cursor does not match.
            argv.append(f'--cursor={after_cursor}')
        # Lines are split at \n alone: JSON text may hold other characters that str.splitlines() splits at.
        lines = self.run(*argv, *match).stdout.split('\n')
        entries = [{key: _journal_field(value) for key, value in json.loads(line).items()} for line in lines if line]
        return [entry for entry in entries if entry['__CURSOR'] != after_cursor]

    def journal_cursor(self):
        """Where the journal ends now, for `after_cursor`."""
        return self.journal('-n', '1')[0]['__CURSOR']

    def install(self, destdir):
        """Copies a tree that was made by `meson install --destdir` into the box, as a package would install it."""
        with subprocess.Popen(['tar', '-C', destdir, '-c', '.'], stdout=subprocess.PIPE) as tar:
            # /lib is a link to usr/lib in the box and must stay one; the directories of the box keep their modes.
            self.run('tar', '-C', '/', '-x', '--no-same-owner', '--keep-directory-symlink', '--no-overwrite-dir',
                     input=tar.stdout)
        if tar.returncode != 0:
            raise BoxError(f'cannot read {destdir}')
        self.run('systemd-sysusers')
        # 73: some lines of the distribution's own cannot be applied in a box.
        created = self.run('systemd-tmpfiles', '--create', check=False)
        if created.returncode not in (0, 73):
            raise BoxError(f'systemd-tmpfiles: {created.stderr}')
        self.run('journalctl', '--update-catalog')
        self.systemctl('daemon-reload')

    # Docker -------------------------------------------------------------------------------------------------

    def docker(self, *args, **kwargs):
        return self.run('docker', *args, **kwargs)

    def _import_image(self):
        with self._timed('docker'):
            # Docker starts with the box; systemctl waits if it is not done yet.
            self.systemctl('start', 'docker.service')
            with open(self.tree.parent / 'bb.tar', 'rb') as image:
                self.docker('import', '-', 'bb:1', input=image)

    def start_container(self, name, script, labels=None, log_opts=None, docker_args=(), image='bb:1'):
        """Starts a container that runs a shell script; its id."""
        args = ['run', '--detach', '--name', name, '--network', 'none']
        for key, value in (labels or {}).items():
            args += ['--label', f'{key}={value}']
        for key, value in (log_opts or {}).items():
            args += ['--log-opt', f'{key}={value}']
        self._ids[name] = self.docker(*args, *docker_args, image, '/bin/sh', '-c', script).stdout.strip()
        return self._ids[name]

    def flood(self, name, line_bytes=None, rate_bps=None, **kwargs):
        """Starts a container that writes "line 1", "line 2", ... as fast as Docker takes it, or at about `rate_bps`.

        Lines are padded to `line_bytes`, newline included. If writing fails, the container ends with 3.
        """
        return self.start_container(name, FLOOD_SCRIPT.format(program=_flood_program(line_bytes, rate_bps)), **kwargs)

    def quiet(self, name, **kwargs):
        """Starts a container that writes one numbered line a second."""
        script = 'trap "exit 0" TERM; i=0; while i=$((i+1)); echo "line $i" || exit 3; do sleep 1 & wait $!; done'
        return self.start_container(name, script, **kwargs)

    def big_log(self, name, size=100_000_000, line_bytes=7000, **kwargs):
        """Starts a container whose log becomes that large, and then grows by a line a second; waits until it is large."""
        self.start_container(name, f'''trap "exit 0" TERM
            i=0; pad=$(printf '%{line_bytes}s' ''); n=$(({size} / {line_bytes}))
            while [ $i -lt $n ]; do i=$((i+1)); echo "line $i $pad"; done
            while true; do echo "line $((i+=1))"; sleep 1 & wait $!; done''', **kwargs)
        deadline = time.monotonic() + 60
        while self.logfile(name).stat().st_size < size:
            if time.monotonic() > deadline:
                raise BoxError(f'{name} has written {self.logfile(name).stat().st_size} bytes only')
            time.sleep(0.2)

    def container_id(self, name):
        # Known without asking, where possible: Docker may be what hangs in a test.
        if name not in self._ids:
            self._ids[name] = self.docker('inspect', '--format', '{{.Id}}', name).stdout.strip()
        return self._ids[name]

    def logfile(self, name):
        """The container's log, as the machine sees it. Valid as long as the box runs."""
        cid = self.container_id(name)
        return self.partition / 'containers' / cid / f'{cid}-json.log'

    # Space --------------------------------------------------------------------------------------------------

    @property
    def partition(self):
        """The box's /var/lib/docker, as the machine sees it. Valid as long as the box runs."""
        return self.host_path('/var/lib/docker')

    def host_path(self, path):
        """A path in the box, as the machine sees it (absolute symlinks on the way lead elsewhere)."""
        if str(path).startswith('/var/lib/docker'):
            # By way of the mount from outside: it is there before the box is up, and when its PID 1 is gone.
            return Path(f'/proc/{self._nspawn.pid}/root{self.scratch}/disk' + str(path)[len('/var/lib/docker'):])
        return Path(f'/proc/{self._leader}/root{path}')

    def statvfs(self):
        return os.statvfs(self.partition)

    def avail_bytes(self):
        st = self.statvfs()
        return st.f_bavail * st.f_frsize

    def avail_percent(self):
        return avail_percent(self.statvfs())

    def watch_free(self, interval_sec=0.01):
        """A context manager that looks at the free space all the time, in a process of its own."""
        return FreeWatch(self.partition, interval_sec)


def _children(pid):
    try:
        return Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    except OSError:
        return []


def _kill_group(process):
    """Ends a process that was started in a session of its own, and what it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _journal_field(value):
    if isinstance(value, list):
        if value and all(isinstance(item, int) for item in value):
            return bytes(value)
        return [_journal_field(item) for item in value]
    return value


def _flood_program(line_bytes, rate_bps):
    line, pad = '"line " i', ''
    if line_bytes:
        pad = f'pad = sprintf("%{line_bytes}s", ""); gsub(/ /, "x", pad); '
        line = f'substr("line " i " " pad, 1, {line_bytes - 1})'
    pause = ''
    if rate_bps:
        burst = max(1, int(rate_bps / 10 / (line_bytes or len('line 100000\n'))))
        pause = f'if (i % {burst} == 0) {{ fflush(); system("usleep 100000") }}'
    return f'BEGIN {{ {pad}for (i = 1; ; i++) {{ print {line}; {pause} }} }}'


def main():
    """box.py SUITE [FS]: a shell in a box, to try things by hand."""
    with Box(*sys.argv[1:3]) as box:
        print(f'{box.timings}, partition: {box.partition}', file=sys.stderr)
        subprocess.run(box._enter(['/bin/bash']), env=ENVIRONMENT)


if __name__ == '__main__':
    main()
