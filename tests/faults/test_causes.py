# SPDX-License-Identifier: LGPL-2.1-or-later
"""What fills a partition and is no log: the alert names it. Real filesystems, real processes, and what Docker makes of mounts:
a root of an overlay that was pivoted to, volumes and files of Docker's bound into it."""

import signal
import subprocess
import sys
import time

from archives import wait_until_true
from matrix import ALERTED
from rig import Inside, MIB, inner_pid, wait_for

PACE = 6_000_000


class Grower:
    def __init__(self, rig, mode, path, name='grower', bytes_per_sec=PACE, before=()):
        argv = [*before, sys.executable, rig.tools / 'growers.py', mode, path, bytes_per_sec, name]
        self.process = Inside(rig, argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.nsenter.stdout.readline() == 'ready\n', f'{argv} did not begin'


# $1: the data-root, $2: the container, $3: a folder of the host, then the command.
CONTAINER = '''
set -e
root=$1 id=$2 folder=$3; shift 3
layer=$root/overlay2/${id%????????????????????????????????????????????????}
mkdir -p $layer/diff $layer/work $layer/merged $root/volumes/pgdata/_data
echo web > $root/containers/$id/hostname
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/,upperdir=$layer/diff,workdir=$layer/work $layer/merged
cd $layer/merged
mkdir -p data srv old
mount --rbind /proc proc
mount --bind $root/volumes/pgdata/_data data
mount --bind $root/containers/$id/hostname etc/hostname
[ -z "$folder" ] || mount --bind "$folder" srv
pivot_root . old
umount -l old
exec "$@"
'''


def in_container(p, folder='', container='web'):
    return ['unshare', '--mount', 'sh', '-c', CONTAINER, 'sh', p.root, p.container_id(container), folder]


def survey(p):
    return p.status().get('survey') or {'causes': []}


def first_cause(rig, p, timeout=30):
    return wait_for(lambda: next(iter(survey(p)['causes']), None), timeout, 0.2, rig.describe)


def told(rig, p, timeout=40):
    """The first alert that names a cause, whichever entry does."""
    def look():
        return next((e for e in rig.events(partition=p) if 'DISKBRAKE_CAUSE' in e and int(e['PRIORITY']) <= 4), None)
    return wait_for(look, timeout, 0.2, rig.describe)


def fill_but(rig, p, percent):
    """A quiet file takes all but so much."""
    status = p.status()
    rig.run('fallocate', '-l', status['avail_bytes'] - status['total_bytes'] * percent // 100, f'{p.mount}/quiet')


def begin(rig):
    """A guarded partition of which 60 % are left."""
    p = rig.partition('sick', size=256 * MIB)
    rig.start()
    fill_but(rig, p, 60)
    return p


def test_a_volume_that_grows_is_named_with_the_file_and_who_writes_it(row, rig):
    row(injected='a database in a container fills its volume', holds=[ALERTED, 'the alert names volume, container, file and process'])
    p = begin(rig)
    Grower(rig, 'hold', '/data/base.sst', 'postgres', before=in_container(p))
    cause = first_cause(rig, p)
    assert (cause['cause'], cause['name'], cause['path']) == ('volume', 'pgdata', 'base.sst'), cause
    assert cause['container'] == 'sick-web' and cause['container_id'] == p.container_id('web'), cause
    assert cause['command'] == 'postgres' and cause['pid'] > 1 and cause['share'] > 0.8 and not cause['likely'], cause
    assert 0.5 * PACE < cause['growth_bps'] < 2 * PACE, cause
    event = told(rig, p)
    assert 'the volume `pgdata` of `sick-web` (base.sst, by postgres (pid ' in event['MESSAGE'], event
    assert event['DISKBRAKE_CAUSE'] == 'volume' and int(event['DISKBRAKE_CAUSE_SHARE_PERMYRIAD']) > 8000, event
    assert event['DISKBRAKE_CAUSE_CONTAINER_ID'] == p.container_id('web'), event
    text = rig.diskbrake('explain').stdout
    assert 'the volume `pgdata` of `sick-web`' in ' '.join(text.split()), text
    # It was said once, however often it was seen since.
    said = [e for e in rig.events('cause-found', p)]
    assert len(said) <= 1, said
    # What it took: no disk was read, and the processor hardly noticed.
    facts = survey(p)
    assert facts['read_bytes'] == 0 and facts['cpu_usec'] < 500_000 and facts['complete'], facts


def test_a_write_layer_that_grows_is_told_from_a_volume(row, rig):
    row(injected='a container fills its own root', holds=['the write layer of that container is named'])
    p = begin(rig)
    Grower(rig, 'hold', '/var/core.dump', 'crasher', before=in_container(p))
    cause = first_cause(rig, p)
    assert (cause['cause'], cause['container'], cause['path']) == ('write-layer', 'sick-web', '/var/core.dump'), cause
    assert 'the write layer of `sick-web` (/var/core.dump, by crasher' in told(rig, p)['MESSAGE']


def test_a_folder_of_the_host_that_a_container_fills_is_named_as_the_host_knows_it(row, rig):
    row(injected='a container fills a folder that is bound into it', holds=['the folder of the host is named'])
    p = begin(rig)
    rig.run('mkdir', '-p', f'{p.mount}/spool')
    Grower(rig, 'hold', '/srv/queue', 'mailer', before=in_container(p, f'{p.mount}/spool'))
    cause = first_cause(rig, p)
    assert (cause['cause'], cause['name'], cause['path']) == ('bind-mount', f'{p.mount}/spool', '/srv/queue'), cause
    assert f'the folder {p.mount}/spool, which `sick-web` writes to' in told(rig, p)['MESSAGE']


def test_a_deleted_file_that_somebody_holds_open_is_named_with_that_process(row, rig):
    row(injected='a process writes to a file that it has deleted', holds=['the process is named, and what it holds in all'])
    p = begin(rig)
    Grower(rig, 'deleted', f'{p.mount}/secret', 'java')
    cause = wait_for(lambda: next((c for c in survey(p)['causes'] if c['held_bytes'] > 0), None), 30, 0.2, rig.describe)
    assert (cause['cause'], cause['command'], cause['path']) == ('deleted', 'java', f'{p.mount}/secret'), cause
    assert cause['held_bytes'] >= cause['grown_bytes'] > 0, cause
    event = told(rig, p)
    assert 'deleted files that java (pid ' in event['MESSAGE'] and ' in all' in event['MESSAGE'], event


def test_many_small_files_are_laid_to_who_writes_them(row, rig):
    row(injected='an unpacking dockerd makes many small files below overlay2; a shell does so by programs that end at once',
        holds=['images are named by the files in its hands', 'the shell is named as probable'])
    p = begin(rig)
    rig.run('mkdir', '-p', f'{p.root}/overlay2/abc/diff', f'{p.mount}/jobs')
    unpacking = Grower(rig, 'small', f'{p.root}/overlay2/abc/diff', 'docker-untar')
    cause = first_cause(rig, p)
    assert (cause['cause'], cause['command'], cause['likely']) == ('images', 'docker-untar', False), cause
    assert 'images and build cache' in told(rig, p)['MESSAGE']
    unpacking.process.signal(signal.SIGKILL)
    rig.run('rm', '-r', f'{p.root}/overlay2')
    Grower(rig, 'spawn', f'{p.mount}/jobs', 'batch')
    cause = wait_for(lambda: next((c for c in survey(p)['causes'] if c['command'] == 'batch'), None), 60, 0.2, rig.describe)
    assert cause['cause'] == 'files' and cause['likely'] and cause['says'].startswith('probably '), cause


def test_who_writes_much_and_takes_nothing_is_not_accused(row, rig):
    row(injected='beside a volume that grows, a database writes ten times as much to where it has written before',
        holds=['the volume alone is named'])
    p = begin(rig)
    Grower(rig, 'inplace', f'{p.mount}/tables', 'database', bytes_per_sec=40_000_000)
    Grower(rig, 'hold', '/data/base.sst', 'postgres', before=in_container(p))
    cause = first_cause(rig, p)
    assert cause['name'] == 'pgdata', cause
    time.sleep(3)
    assert all(c['command'] != 'database' for c in survey(p)['causes']), survey(p)


def test_another_writer_is_not_told_under_the_name_of_the_one_before(row, rig):
    row(injected='a leak that was looked into, and then another process that writes ten times as fast',
        holds=['the second one is named, by the alert or soon after it'])
    p = rig.partition('sick', size=384 * MIB)
    rig.start()
    fill_but(rig, p, 70)
    Grower(rig, 'hold', f'{p.mount}/leak', 'slowleak', bytes_per_sec=3_000_000)
    assert first_cause(rig, p)['command'] == 'slowleak'
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump', bytes_per_sec=20_000_000)
    begun = len(rig.events(partition=p))

    def named():
        new = [e for e in rig.events(partition=p)[begun:] if 'DISKBRAKE_CAUSE' in e]
        assert not any(e['DISKBRAKE_CAUSE_COMMAND'] == 'slowleak' for e in new), new
        return new
    event = wait_for(named, 20, 0.2, rig.describe)[0]
    assert event['DISKBRAKE_CAUSE_COMMAND'] == 'mysqldump', event


def test_who_writes_to_another_disk_is_not_accused(row, rig):
    row(injected='a database rewrites its tables on another partition, and programs that end at once fill this one',
        holds=['the shell that runs these is named, the database never'])
    p, other = rig.partition('sick', size=256 * MIB), rig.bare_partition('other')
    rig.start()
    fill_but(rig, p, 60)
    rig.run('mkdir', f'{p.mount}/jobs')
    Grower(rig, 'inplace', f'{other.mount}/tables', 'database', bytes_per_sec=30_000_000)
    Grower(rig, 'spawn', f'{p.mount}/jobs', 'batch')
    cause = first_cause(rig, p)
    assert cause['command'] == 'batch' and cause['likely'], cause
    assert all(c['command'] != 'database' for c in survey(p)['causes']), survey(p)


def test_a_log_of_its_own_hides_nobody(row, rig):
    row(injected='a job with its own quiet log open fills the partition by programs that end at once', holds=['it is named'])
    p = begin(rig)
    rig.run('mkdir', f'{p.mount}/jobs')
    Grower(rig, 'spawn', f'{p.mount}/jobs', 'batch', before=['sh', '-c', f'exec 2> {p.mount}/batch.log; exec "$@"', 'sh'])
    assert first_cause(rig, p)['command'] == 'batch', survey(p)


def test_what_is_only_held_pushes_out_nobody_who_grows(row, rig):
    row(injected='five processes hold deleted files, and a sixth writes', holds=['the sixth is named first'])
    p = rig.partition('sick', size=256 * MIB)
    rig.start()
    for i in range(5):
        Grower(rig, 'held', f'{p.mount}/held{i}', f'holder{i}')
    fill_but(rig, p, 50)
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump')
    cause = wait_for(lambda: next((c for c in survey(p)['causes'][:1] if c['command'] == 'mysqldump'), None), 70, 0.2, rig.describe)
    assert cause['share'] > 0.8, survey(p)
    assert any(c['held_bytes'] == 10 * MIB for c in survey(p)['causes'][1:]), survey(p)


def test_the_view_of_the_unit_changes_no_names(row, rig):
    row(injected='the data-root is bound onto itself, as ReadWritePaths= of the unit does, below the mount point of its partition',
        holds=['paths, kinds and logs are told from each other as without'])
    p = rig.partition('sick', size=256 * MIB)
    rig.run('mount', '--bind', p.root, p.root)
    base, p.mount = p.mount, p.root     # as the guard sees it now
    rig.start()
    fill_but(rig, p, 60)
    rig.run('mkdir', '-p', f'{p.root}/volumes/v/_data', f'{base}/log')
    p.start_writer(bytes_per_sec=1_000_000)
    Grower(rig, 'hold', f'{base}/log/foo.log', 'nginx', bytes_per_sec=2_000_000)
    Grower(rig, 'hold', f'{p.root}/volumes/v/_data/f', 'restore', bytes_per_sec=4_000_000)
    wait_for(lambda: len(survey(p)['causes']) >= 2, 30, 0.2, rig.describe)
    volume, log = survey(p)['causes'][:2]
    assert (volume['cause'], volume['name'], volume['path']) == ('volume', 'v', 'f'), survey(p)
    assert (log['cause'], log['path']) == ('files', f'{base}/log/foo.log'), survey(p)
    assert survey(p)['logs_bytes'] > 0 and len(survey(p)['causes']) == 2, survey(p)


def test_a_namespace_full_of_mounts_costs_no_more_than_its_part(row, rig):
    row(injected='somebody has mounted 4,000 folders in a namespace of his own, and writes there',
        holds=['who fills the partition is found, within the budget'])
    p = begin(rig)
    script = ('mount --make-rprivate /; for i in $(seq 4000); do mkdir -p /run/m$((i % 10)); mount --bind /run/m$((i % 10)) /run/m$((i % 10)); '
              'done; exec "$@"')
    Grower(rig, 'hold', f'{p.mount}/small', 'mounter', bytes_per_sec=100_000, before=['unshare', '--mount', 'sh', '-c', script, 'sh'])
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump')
    cause = first_cause(rig, p)
    assert cause['command'] == 'mysqldump', survey(p)
    assert survey(p)['cpu_usec'] < 500_000, survey(p)


def test_names_that_others_chose_do_no_harm(row, rig):
    row(injected='volume, file and process have control characters and JSON in their names', holds=['the entries are whole and clean'])
    p = begin(rig)
    folder = f'{p.root}/volumes/ev"il\nPRIORITY=0\x1b[2J/_data'
    rig.run('mkdir', '-p', folder)
    Grower(rig, 'hold', f'{folder}/\u202eabc\n' + 'x' * 240, 'a\nb\x1b[1m"')
    cause = first_cause(rig, p)
    assert cause['cause'] == 'volume' and cause['name'] == 'ev"il?PRIORITY=0?[2J', cause
    assert cause['command'] == 'a?b?[1m"' and cause['path'].startswith('...') and len(cause['path']) < 160, cause
    event = told(rig, p)
    assert int(event['PRIORITY']) >= 2 and '\x1b' not in event['MESSAGE'] and '\n' not in event['MESSAGE'], event


def test_logs_that_explain_it_need_no_survey(row, rig):
    row(injected='a log floods the partition', holds=['nobody is sent to look at the processes'])
    p = rig.partition('sick', size=256 * MIB)
    rig.start()
    p.start_writer(bytes_per_sec=20_000_000)
    wait_until_true(lambda: rig.events('act-done', p), 30, rig.describe)
    time.sleep(2)
    assert p.status()['survey'] is None, p.status()['survey']
    assert not any('DISKBRAKE_CAUSE' in e for e in rig.entries())


def test_a_dead_mount_of_somebody_else_holds_up_no_survey(row, rig):
    row(injected='a process has a file open for writing on a FUSE filesystem that does not answer',
        holds=['what grows elsewhere is named all the same'])
    p = rig.partition('sick', size=256 * MIB)
    dead = rig.bare_partition('dead', 'fuse', size=16 * MIB)
    Grower(rig, 'hold', f'{dead.mount}/file', 'stuck', bytes_per_sec=100_000)
    rig.start()
    fill_but(rig, p, 60)
    dead.hang('getattr')
    dead.hang('write')
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump')
    cause = first_cause(rig, p)
    assert (cause['cause'], cause['command'], cause['path']) == ('files', 'mysqldump', f'{p.mount}/dump'), cause
    dead.release()


def test_a_surveyor_that_hangs_costs_that_knowledge_alone(row, rig):
    row(injected='the surveyor is stopped (SIGSTOP)', holds=['said once', ALERTED, 'logs are freed all the same'])
    p = begin(rig)
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump', bytes_per_sec=3_000_000)
    surveyors = wait_for(lambda: rig.pids('surveyor'), 30, 0.002, rig.describe)
    rig.run('kill', '-STOP', inner_pid(surveyors[0]))
    rig.wait_event('notice', p, 'looking what grows beside the logs failed', timeout=30)
    p.start_writer(bytes_per_sec=20_000_000)
    wait_until_true(lambda: rig.events('act-done', p), 40, rig.describe)
    assert len(rig.events('notice', p)) == 1, rig.events('notice', p)


def test_with_no_budget_nobody_looks(row, rig):
    row(injected='a fill that no log explains, with [Attribution] CPU=0', holds=[ALERTED, 'no surveyor is sent'])
    p = rig.partition('sick', size=256 * MIB)
    rig.start(extra='[Attribution]\nCPU=0\n')
    fill_but(rig, p, 60)
    Grower(rig, 'hold', f'{p.mount}/dump', 'mysqldump')
    rig.wait_event('level-raised', p, 'no container', timeout=40)
    assert p.status()['survey'] is None
    assert not rig.pids('surveyor')
