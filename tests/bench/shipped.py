# SPDX-License-Identifier: LGPL-2.1-or-later
"""What several parts of the benchmark need: a partition with many files, made in little time; Docker's folders as Docker
writes them; somebody who stands for dockerd; and the guard as it ships: with its own configuration but for the data-root,
and with what systemd does for it played here."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import client
from common import GIB, guard_pids, wait_until
from rig import Inside, Partition, is_alive

# Trial runs: counts and durations are multiplied with it.
SCALE = float(os.environ.get('DISKBRAKE_BENCH_SCALE', '1'))

CONFIG = '''[Watchdog]
Mode=enforce
DataRoot={root}
'''

# As in units/diskbrake.service.in.
WATCHDOG_USEC = 8_000_000
# Not everywhere may root lock as much as the unit allows.
LIMITS = ('sh', '-c', 'ulimit -l unlimited 2>/dev/null || :; ulimit -n 4096; ulimit -c 0; exec nice -n -20 "$@"', 'sh')

# Notes the time, and becomes the command that follows.
NOTE_TIME = ('import os, sys, time\nwith open(sys.argv[1], "w") as f: f.write(str(time.monotonic()))\n'
             'os.execvp(sys.argv[2], sys.argv[2:])')


def scaled(n, least=1):
    return max(least, round(n * SCALE))


def plain(number):
    """1,234,567; 12.3; 0.0123: as people read them."""
    if number >= 100:
        return f'{number:,.0f}'
    return f'{number:.3g}'


# ---- Docker's files -------------------------------------------------------------------------------------------------------------

def hostconfig():
    return {
        'Binds': None, 'ContainerIDFile': '', 'LogConfig': {'Type': 'json-file', 'Config': {}}, 'NetworkMode': 'bridge',
        'PortBindings': {'8080/tcp': [{'HostIp': '', 'HostPort': '18080'}]},
        'RestartPolicy': {'Name': 'unless-stopped', 'MaximumRetryCount': 0}, 'AutoRemove': False, 'VolumeDriver': '',
        'VolumesFrom': None, 'ConsoleSize': [0, 0], 'CapAdd': None, 'CapDrop': None, 'CgroupnsMode': 'private', 'Dns': [],
        'DnsOptions': [], 'DnsSearch': [], 'ExtraHosts': None, 'GroupAdd': None, 'IpcMode': 'private', 'Cgroup': '',
        'Links': None, 'OomScoreAdj': 0, 'PidMode': '', 'Privileged': False, 'PublishAllPorts': False,
        'ReadonlyRootfs': False, 'SecurityOpt': None, 'UTSMode': '', 'UsernsMode': '', 'ShmSize': 67108864,
        'Runtime': 'runc', 'Isolation': '', 'CpuShares': 0, 'Memory': 536870912, 'NanoCpus': 0, 'CgroupParent': '',
        'BlkioWeight': 0, 'BlkioWeightDevice': [], 'BlkioDeviceReadBps': [], 'BlkioDeviceWriteBps': [],
        'BlkioDeviceReadIOps': [], 'BlkioDeviceWriteIOps': [], 'CpuPeriod': 0, 'CpuQuota': 0, 'CpuRealtimePeriod': 0,
        'CpuRealtimeRuntime': 0, 'CpusetCpus': '', 'CpusetMems': '', 'Devices': [], 'DeviceCgroupRules': None,
        'DeviceRequests': None, 'MemoryReservation': 0, 'MemorySwap': 1073741824, 'MemorySwappiness': None,
        'OomKillDisable': None, 'PidsLimit': None, 'Ulimits': [], 'CpuCount': 0, 'CpuPercent': 0, 'IOMaximumIOps': 0,
        'IOMaximumBandwidth': 0,
        'MaskedPaths': ['/proc/asound', '/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list',
                        '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware'],
        'ReadonlyPaths': ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    }


def config(root):
    """The texts in @ are replaced for each container."""
    folder = f'{root}/containers/@ID@'
    return {
        'StreamConfig': {},
        'State': {'Running': True, 'Paused': False, 'Restarting': False, 'OOMKilled': False, 'RemovalInProgress': False,
                  'Dead': False, 'Pid': 0, 'ExitCode': 0, 'Error': '', 'StartedAt': '2026-11-21T08:00:00.123456789Z',
                  'FinishedAt': '0001-01-01T00:00:00Z', 'Health': None},
        'ID': '@ID@', 'Created': '2026-11-21T07:59:59.123456789Z', 'Managed': False, 'Path': '/docker-entrypoint.sh',
        'Args': ['nginx', '-g', 'daemon off;'],
        'Config': {
            'Hostname': '0123456789ab', 'Domainname': '', 'User': '', 'AttachStdin': False, 'AttachStdout': False,
            'AttachStderr': False, 'ExposedPorts': {'80/tcp': {}, '8080/tcp': {}}, 'Tty': False, 'OpenStdin': False,
            'StdinOnce': False,
            'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'NGINX_VERSION=1.25.3',
                    'NJS_VERSION=0.8.2', 'PKG_RELEASE=1~bookworm', 'APP_ENVIRONMENT=production', 'APP_REGION=eu-central-1'],
            'Cmd': ['nginx', '-g', 'daemon off;'], 'Image': 'registry.example.com/shop/app:1.25.3', 'Volumes': None,
            'WorkingDir': '', 'Entrypoint': ['/docker-entrypoint.sh'], 'OnBuild': None,
            'Labels': {
                'com.docker.compose.config-hash': '6f1c2d3e4b5a69788796a5b4c3d2e1f06f1c2d3e4b5a69788796a5b4c3d2e1f0',
                'com.docker.compose.container-number': '1', 'com.docker.compose.oneoff': 'False',
                'com.docker.compose.project': 'shop', 'com.docker.compose.project.config_files': '/srv/shop/compose.yaml',
                'com.docker.compose.project.working_dir': '/srv/shop', 'com.docker.compose.service': '@NAME@',
                'com.docker.compose.version': '2.21.0', 'maintainer': 'NGINX Docker Maintainers <docker-maint@nginx.com>'},
            'StopSignal': 'SIGQUIT'},
        'Image': 'sha256:a6bd71f48f6839d9faae1f29d3babef831e76bc213107682c5cc80f0cbb30866',
        'ImageManifest': None,
        'NetworkSettings': {
            'Bridge': '', 'SandboxID': '9d1c5a0b4e7f3c2d9d1c5a0b4e7f3c2d9d1c5a0b4e7f3c2d9d1c5a0b4e7f3c2d',
            'HairpinMode': False, 'LinkLocalIPv6Address': '', 'LinkLocalIPv6PrefixLen': 0,
            'Networks': {'shop_default': {
                'IPAMConfig': None, 'Links': None, 'Aliases': ['@NAME@'], 'MacAddress': '02:42:ac:12:00:05',
                'NetworkID': '1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c5b6a7988',
                'EndpointID': 'aa22bb33cc44dd55aa22bb33cc44dd55aa22bb33cc44dd55aa22bb33cc44dd55',
                'Gateway': '172.18.0.1', 'IPAddress': '172.18.0.5', 'IPPrefixLen': 16, 'IPv6Gateway': '',
                'GlobalIPv6Address': '', 'GlobalIPv6PrefixLen': 0, 'DriverOpts': None, 'IPAMOperational': False}},
            'Service': None, 'Ports': {'80/tcp': None, '8080/tcp': [{'HostIp': '0.0.0.0', 'HostPort': '18080'}]},
            'SandboxKey': '/var/run/docker/netns/9d1c5a0b4e7f', 'SecondaryIPAddresses': None, 'IsAnonymousEndpoint': False,
            'HasSwarmEndpoint': False},
        'LogPath': f'{folder}/@ID@-json.log', 'Name': '/@NAME@', 'Driver': 'overlay2', 'OS': 'linux', 'MountLabel': '',
        'ProcessLabel': '', 'RestartCount': 0, 'HasBeenStartedBefore': True, 'HasBeenManuallyStopped': False,
        'MountPoints': {}, 'SecretReferences': None, 'ConfigReferences': None, 'AppArmorProfile': 'docker-default',
        'HostnamePath': f'{folder}/hostname', 'HostsPath': f'{folder}/hosts', 'ShmPath': '',
        'ResolvConfPath': f'{folder}/resolv.conf', 'SeccompProfile': '', 'NoNewPrivileges': False,
        'LocalLogCacheMeta': {'HaveNotifyEnabled': False}}


# ---- a partition ----------------------------------------------------------------------------------------------------------------

class Disk(Partition):
    """An ext4 with that many inodes, of which the kernel initialises none in the background while something is measured."""

    def __init__(self, rig, name, size, inodes):
        super().__init__(rig, name, 'ext4', size)
        self.inodes = inodes
        self.options = ['noinit_itable']
        self.make()
        self.attach()

    def make(self):
        self.rig.run('truncate', '-s', self.size, self.image)
        self.rig.run('mkfs.ext4', '-q', '-F', '-m', '0', '-N', self.inodes, '-E', 'lazy_itable_init=1,lazy_journal_init=1',
                     self.image, timeout=120)

    def sync(self):
        self.rig.run('sync', '-f', self.mount, timeout=300)

    def make_cold(self):
        """Nothing of it is in memory any more: neither its own pages, nor those of the file that it lies in."""
        self.sync()
        self.rig.run('umount', self.mount, timeout=60)
        fd = os.open(self.image, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        self.attach()


def make_containers(bench, disk, n, first=0):
    """As common.make_containers(), many and in little time, with all that Docker writes into the two files."""
    texts = []
    for name, what in (('config', config(disk.root)), ('hostconfig', hostconfig())):
        texts.append(bench.scratch / f'{name}.json')
        texts[-1].write_text(json.dumps(what, separators=(',', ':')))
    disk.rig.run(program(bench, 'make_files'), 'containers', disk.root, first, n, *texts, timeout=300)
    disk.sync()


def program(bench, name):
    return bench.scratch / name if (bench.scratch / name).exists() else bench.compile(name)


class Dockerd:
    """dockerd.c: has the logs open, tells its version, writes."""

    def __init__(self, bench, disk, log_bytes=0):
        self.process = Inside(disk.rig, [program(bench, 'dockerd'), '--data-root', disk.root, '--host',
                                         'unix:///run/docker.sock', log_bytes], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
        self.ask()

    def tell(self, command):
        self.process.nsenter.stdin.write(command + '\n')
        self.process.nsenter.stdin.flush()

    def ask(self, command=None):
        if command:
            self.tell(command)
        return self.process.nsenter.stdout.readline().strip()

    def count(self):
        """Lines, failed writes, processor seconds."""
        lines, failed, usec = map(int, self.ask('count').split())
        return lines, failed, usec / 1e6

    def stop(self):
        self.process.nsenter.stdin.close()
        self.process.wait(60)


# ---- the guard ------------------------------------------------------------------------------------------------------------------

def cpu_seconds(pid):
    """Of a process with one thread, to the nanosecond."""
    return int(Path(f'/proc/{pid}/schedstat').read_text().split()[0]) / 1e9


def children_seconds(pid):
    """Of its children that have ended."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf('SC_CLK_TCK')


class Guard:
    """As it ships."""

    def __init__(self, rig, disk, extra=''):
        self.rig, self.disk = rig, disk
        self.path = rig.scratch / 'notify'
        self.path.unlink(missing_ok=True)
        self.told = []      # (time, text)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(str(self.path))
        threading.Thread(target=self.listen, daemon=True).start()
        (rig.scratch / 'diskbrake.conf').write_text(CONFIG.format(root=disk.root) + extra)
        if not rig.journald:
            rig.start_journald()

    def listen(self):
        while True:
            text = self.socket.recv(4096)
            self.told.append((time.monotonic(), text.decode(errors='replace')))

    def start(self):
        self.told.clear()
        begun = self.rig.scratch / 'begun'
        begun.unlink(missing_ok=True)
        self.rig.start_daemon(wrapper=[*LIMITS, 'env', f'NOTIFY_SOCKET={self.path}', f'WATCHDOG_USEC={WATCHDOG_USEC}',
                                       sys.executable, '-c', NOTE_TIME, begun])
        # It looks at /proc all the time, and nobody's faults are looked for here.
        self.rig.census.stop.set()
        wait_until(lambda: begun.exists() and begun.read_text(), 10)
        self.begun = float(begun.read_text())

    def ready_seconds(self, timeout=60):
        """From its start to READY=1."""
        wait_until(lambda: any(text == 'READY=1' for _, text in self.told), timeout, 0.002)
        return next(at for at, text in self.told if text == 'READY=1') - self.begun

    def all_known_seconds(self, n_logs, timeout=300):
        """From its start until status knows all logs. Asked for no log at all, which costs the guard little."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, client.Refused), client.Client(self.rig) as asker:
                while time.monotonic() < deadline:
                    status = asker.call('Status', {'logs_max': 0})['status']
                    now = time.monotonic()
                    if status['partitions'] and status['partitions'][0]['logs_total'] >= n_logs:
                        return now - self.begun
                    time.sleep(min(0.1, max(0.001, (now - self.begun) / 100)))
            time.sleep(0.002)
        raise TimeoutError(f'not all of {n_logs} logs are known')

    def status(self, logs_max=0):
        return client.call(self.rig, 'Status', {'logs_max': logs_max})['status']['partitions'][0]

    def pids(self):
        return guard_pids(self.rig)

    def cpu_seconds(self):
        """Of all of its processes, those that have ended with them."""
        return sum(map(cpu_seconds, self.pids())) + children_seconds(self.rig.daemon.pid)

    def stop(self):
        """Until all of its processes are gone."""
        pids = self.pids()
        self.rig.daemon.signal(signal.SIGTERM)
        self.rig.daemon.wait(30)
        wait_until(lambda: not any(is_alive(pid) for pid in pids), 30)


def children_usage():
    """Seconds of processor time, and bytes read from disks, of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, usage.ru_inblock * 512


__all__ = ['Disk', 'Dockerd', 'Guard', 'GIB', 'SCALE', 'children_usage', 'cpu_seconds', 'make_containers',
           'plain', 'program', 'scaled']
