# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trimmer on real filesystems with a real concurrent writer: nothing that is kept is lost, torn or out of order;
killed at any system call, the next trimmer makes the log valid. Needs root and loop devices. The driver comes from the
build, or from $TRIM_DRIVER."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

import pytest

from lines import MARKER_BYTES as MARKER, check_kept, check_valid, filled, write_lines
from matrix import find_build, missing, need

ID = "4f1c2a9be6d0" + "0" * 52
MIB = 1 << 20

FILESYSTEMS = {
    "ext4-4k": ["mkfs.ext4", "-q", "-F", "-b", "4096"],
    "ext4-1k": ["mkfs.ext4", "-q", "-F", "-b", "1024"],
    "ext4-bigalloc": ["mkfs.ext4", "-q", "-F", "-O", "bigalloc", "-C", "65536"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "tmpfs": None,
}
ENCRYPTED = ["mkfs.ext4", "-q", "-F", "-O", "encrypt"]
COLLAPSING = {"ext4-4k", "ext4-1k", "ext4-bigalloc", "xfs"}
REFLINKING = {"xfs", "btrfs"}
SUPPORTING = {"collapse": COLLAPSING, "fill": REFLINKING, "punch": set(FILESYSTEMS)}


@pytest.fixture(scope="session")
def driver():
    return os.environ.get("TRIM_DRIVER") or str(find_build() / "tests/trim_driver")


@contextlib.contextmanager
def mounted(kind, where, size=512 * MIB):
    """A fresh filesystem of that kind, mounted below where; gone afterwards whatever happens."""
    mkfs = ENCRYPTED if kind == "ext4-encrypted" else FILESYSTEMS[kind]
    need(*([mkfs[0]] if mkfs else []))
    mount = where / "mnt"
    mount.mkdir()
    if mkfs is None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(mount)]
    else:
        image = where / "disk.img"
        with open(image, "wb") as f:
            f.truncate(size)
        subprocess.run([*mkfs, str(image)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        command = ["mount", "-o", "loop", str(image), str(mount)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        missing("cannot mount: " + done.stderr.strip())
    try:
        (mount / "containers" / ID).mkdir(parents=True)
        yield mount
    finally:
        for _ in range(50):
            if subprocess.run(["umount", str(mount)], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            (where / "disk.img").unlink()


@pytest.fixture(params=list(FILESYSTEMS))
def root(request, tmp_path):
    with mounted(request.param, tmp_path) as mount:
        yield mount, request.param


@pytest.fixture
def ext4(tmp_path):
    with mounted("ext4-4k", tmp_path) as mount:
        yield mount


def log_of(mount):
    return mount / "containers" / ID / f"{ID}-json.log"


def act(driver, mount, method, want=0, keep=MIB, wrapper=(), page=None, **options):
    page = page or mount.parent / "page"
    command = [driver, "act", str(page), str(mount), ID, method, str(want), str(keep)]
    command += [f"{k}={v}" for k, v in options.items()]
    if wrapper:
        command += ["--", *wrapper]
    return ask_driver(command)


def ask_driver(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {k: int(v) if v.lstrip("-").isdigit() else v for k, v in answer.items()}


class Writer:
    """Stands for dockerd: writes numbered lines until it is stopped."""

    def __init__(self, driver, path, flags="append", line_bytes=200):
        self.process = subprocess.Popen([driver, "append", str(path), "0", flags, str(line_bytes)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.fd = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def stop(self):
        self.process.stdin.close()
        text = self.process.stdout.read()
        self.process.wait(timeout=60)
        n, failed = (int(x) for x in text.split())
        return n, failed


def wait_until(path, size, timeout=60):
    end = time.monotonic() + timeout
    while path.stat().st_size < size:
        assert time.monotonic() < end, "the writer does not come on"
        time.sleep(0.005)


# ---- the cuts, with a busy writer ----------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["collapse", "punch", "fill"])
@pytest.mark.parametrize("line_bytes", [100, 7000])
def test_a_busy_writer_loses_nothing_that_is_kept(driver, root, method, line_bytes):
    mount, kind = root
    log = log_of(mount)
    writer = Writer(driver, log, line_bytes=line_bytes)
    results, freed, size = [], 0, 10 * MIB
    try:
        for _ in range(6):
            wait_until(log, size + 25 * MIB)
            r = act(driver, mount, method, want=20 * MIB, keep=4 * MIB, pid=writer.pid, fd=writer.fd)
            results.append(r)
            size = r["size"]
            if r["result"] != "done":
                break
            freed += r["freed"]
    finally:
        n, failed = writer.stop()
    assert failed == 0
    if kind not in SUPPORTING[method]:
        assert results[0]["result"] == "unsupported" and results[0]["error"] == -95
        check_valid(log.read_bytes())
        return
    assert [r["result"] for r in results] == ["done"] * 6, [(r["result"], r["stage"]) for r in results]
    first = check_kept(log.read_bytes(), n, allow_hole=method == "punch")
    assert first > 0
    assert all(r["writer_append"] == 1 for r in results)
    assert all(r["pending"] == 0 for r in results)
    if method == "punch":
        assert results[-1]["hole"] >= 6 * 20 * MIB - MARKER
    if method == "fill":
        assert results[-1]["filler"] == filled(log.read_bytes()) >= 6 * 20 * MIB
    if kind != "btrfs":  # shows a gain only after a commit
        assert freed >= 6 * 18 * MIB, [r["freed"] for r in results]


def test_the_newest_bytes_and_the_wanted_amount_are_respected(driver, root):
    mount, kind = root
    log = log_of(mount)
    n = write_lines(log, 20 * MIB)
    size = log.stat().st_size
    method = "punch" if kind not in COLLAPSING else "collapse-leased"

    r = act(driver, mount, method, want=5 * MIB, keep=MIB)
    assert r["result"] == "done"
    assert 5 * MIB <= r["cut"] < 6 * MIB + 1024
    first = check_kept(log.read_bytes(), n, allow_hole=True)

    r = act(driver, mount, method, want=1 << 62, keep=8 * MIB)
    assert r["result"] == "done"
    data = log.read_bytes()
    assert check_kept(data, n, allow_hole=True) > first
    kept = data[-8 * MIB:].lstrip(b"\0")
    assert len(kept) == 8 * MIB and len(data) <= size

    r = act(driver, mount, method, want=1 << 62, keep=8 * MIB)
    assert r["result"] == "nothing-to-do"
    assert log.read_bytes() == data


def test_repeated_punches_keep_one_marker_that_counts(driver, root):
    mount, _ = root
    log = log_of(mount)
    n = write_lines(log, 12 * MIB)
    for want, total in ((3, 3), (2, 5), (4, 9)):
        r = act(driver, mount, "punch", want=want * MIB, keep=MIB)
        assert r["result"] == "done", r
        data = log.read_bytes()
        text = json.loads(data[:MARKER])["log"]
        assert text.startswith(f"diskbrake freed {total * MIB} bytes")
        assert r["hole"] == total * MIB - MARKER
        first = check_kept(data, n, allow_hole=True)
    marker = json.loads(data[:MARKER])
    # The marker has the time of the newest line that is gone.
    assert marker["time"] == "2026-11-21T12:00:00.%09dZ" % (first - 1)


# ---- healing --------------------------------------------------------------------------------------------------

def test_a_stopped_log_is_healed_for_every_reader(driver, root):
    mount, kind = root
    log = log_of(mount)
    writer = Writer(driver, log)
    wait_until(log, 40 * MIB)
    assert act(driver, mount, "punch", want=20 * MIB, keep=MIB, pid=writer.pid, fd=writer.fd)["result"] == "done"
    assert act(driver, mount, "heal")["result"] == "busy"
    n, _ = writer.stop()

    r = act(driver, mount, "heal")
    if kind not in COLLAPSING:
        assert r["result"] == "unsupported" and r["hole"] == 20 * MIB - MARKER
        check_kept(log.read_bytes(), n, allow_hole=True)
        return
    assert r["result"] == "done" and r["hole"] == 0, r
    data = log.read_bytes()
    assert data.startswith(b'{"log":"diskbrake freed ')
    assert max(len(run) for run in data.replace(b"\n", b"x").split(b"x") if not run.strip(b" ")) < MIB
    check_kept(data, n, allow_hole=False)
    assert act(driver, mount, "heal")["result"] == "nothing-to-do"

    # It goes on like any other log: written to, punched again, healed again.
    n = write_lines(log, log.stat().st_size + 8 * MIB, first=n)
    assert act(driver, mount, "punch", want=6 * MIB, keep=MIB)["result"] == "done"
    check_kept(log.read_bytes(), n, allow_hole=True)
    assert act(driver, mount, "heal")["result"] == "done"
    check_kept(log.read_bytes(), n, allow_hole=False)


def test_a_leased_cut_is_refused_while_anybody_has_the_log_open(driver, root):
    mount, kind = root
    log = log_of(mount)
    n = write_lines(log, 8 * MIB)
    with open(log, "rb"):
        assert act(driver, mount, "collapse-leased", want=4 * MIB)["result"] == "busy"
    r = act(driver, mount, "collapse-leased", want=4 * MIB)
    assert r["result"] == ("done" if kind in COLLAPSING else "unsupported")
    check_valid(log.read_bytes())
    if kind in COLLAPSING:
        assert check_kept(log.read_bytes(), n, allow_hole=False) > 0


# ---- what must be refused -------------------------------------------------------------------------------------

def test_a_writer_that_does_not_append_is_not_collapsed(driver, ext4):
    log = log_of(ext4)
    writer = Writer(driver, log, flags="plain")
    wait_until(log, 8 * MIB)
    r = act(driver, ext4, "collapse", want=4 * MIB, pid=writer.pid, fd=writer.fd, append=1)
    assert r["result"] == "changed" and r["writer_append"] == 0 and r["cut"] == 0
    r = act(driver, ext4, "punch", want=4 * MIB, pid=writer.pid, fd=writer.fd, append=1)
    n, _ = writer.stop()
    assert r["result"] == "done"
    check_kept(log.read_bytes(), n, allow_hole=True)


def test_a_collapse_needs_a_writer_that_is_known_now(driver, ext4):
    log = log_of(ext4)
    writer = Writer(driver, log)
    wait_until(log, 8 * MIB)
    assert act(driver, ext4, "collapse", want=4 * MIB, pid=0)["result"] == "changed"
    r = act(driver, ext4, "collapse", want=4 * MIB, pid=os.getpid(), fd=1, dockerd=writer.pid)
    assert r["result"] == "changed" and (r["writer_pid"], r["writer_fd"]) == (writer.pid, writer.fd)
    # Another number in the same process is news, but no danger: it is found and appends.
    r = act(driver, ext4, "collapse", want=4 * MIB, pid=writer.pid, fd=writer.fd + 100)
    assert r["result"] == "done" and r["writer_fd"] == writer.fd
    n, _ = writer.stop()
    check_kept(log.read_bytes(), n, allow_hole=False)


@pytest.mark.parametrize("odd", ["symlink", "hard link", "fifo", "folder symlink", "setuid", "other inode", "gone",
                                 "stranger"])
@pytest.mark.parametrize("method", ["punch", "fill", "truncate", "collapse-leased", "heal"])
def test_what_is_not_the_log_is_not_touched(driver, ext4, odd, method):
    log = log_of(ext4)
    victim = ext4 / "victim"
    write_lines(victim, 4 * MIB)
    before = victim.read_bytes()
    options = {}
    if odd == "symlink":
        log.symlink_to(victim)
    elif odd == "hard link":
        os.link(victim, log)
    elif odd == "fifo":
        os.mkfifo(log)
    elif odd == "folder symlink":
        log.parent.rmdir()
        (ext4 / "elsewhere").mkdir()
        os.rename(victim, ext4 / "elsewhere" / log.name)
        victim = ext4 / "elsewhere" / log.name
        log.parent.symlink_to(ext4 / "elsewhere")
    elif odd != "gone":
        os.rename(victim, log)
        victim = log
        if odd == "setuid":
            log.chmod(0o4755)
        elif odd == "stranger":
            os.chown(log, 12345, 12345)
        else:
            options["inode"] = 99999
    r = act(driver, ext4, method, want=2 * MIB, keep=MIB, **options)
    assert r["result"] == ("changed" if odd in ("other inode", "gone") else "refused"), r
    assert victim.read_bytes() == before
    assert r["freed"] == 0 and r["cut"] == 0


def test_a_log_without_lines_is_refused(driver, ext4):
    log = log_of(ext4)
    log.write_bytes(b"x" * (8 * MIB))
    r = act(driver, ext4, "punch", want=4 * MIB)
    assert r["result"] == "refused" and log.read_bytes() == b"x" * (8 * MIB)


def test_a_first_line_longer_than_a_page_is_cut_well(driver, ext4):
    for first in (4000, 4095, 4096, 4097, 5000, 300_000):
        log = log_of(ext4)
        text = b'{"log":"line 0 %s\\n","stream":"stdout","time":"2026-11-21T12:00:00.000000000Z"}\n'
        log.write_bytes(text % (b"x" * (first - len(text) + 2)))
        assert log.stat().st_size == first
        n = write_lines(log, 6 * MIB, first=1)
        # Up to the moment before the hole everything is still there but the blanked lines.
        act(driver, ext4, "punch", want=2 * MIB,
            wrapper=["strace", "-qq", "-o/dev/null", "-e", "inject=fallocate:signal=KILL:when=3"])
        check_valid(log.read_bytes())
        assert act(driver, ext4, "punch", want=2 * MIB)["result"] == "done"
        assert check_kept(log.read_bytes(), n, allow_hole=True) > 0
        log.unlink()


def test_a_head_of_nuls_that_others_left_is_passed_over(driver, root):
    mount, _ = root
    log = log_of(mount)
    with open(log, "wb") as f:
        f.truncate(50 * MIB + 123)
        f.seek(0, os.SEEK_END)
        f.write(b"\n")
    n = write_lines(log, 58 * MIB)
    r = act(driver, mount, "punch", want=3 * MIB, keep=MIB)
    assert r["result"] == "done" and r["cut"] < 5 * MIB
    assert check_kept(log.read_bytes(), n, allow_hole=True) > 0


# ---- the other methods ----------------------------------------------------------------------------------------

def test_segments_go_oldest_first_and_only_as_many_as_wanted(driver, root):
    mount, _ = root
    log = log_of(mount)
    log.write_bytes(os.urandom(MIB))
    names = ["1", "2", "3.gz", "10", "11.gz"]
    for name in names:
        pathlib.Path(f"{log}.{name}").write_bytes(os.urandom(MIB))
    strangers = [f"{log}.12.gz.tmp", f"{log}.013", f"{log}.x", str(log.parent / "other-json.log.14"), f"{log}.0"]
    for name in strangers:
        pathlib.Path(name).write_bytes(b"x")
    os.symlink("/etc/hostname", f"{log}.99")
    os.sync()

    def left():
        return [n for n in names if os.path.exists(f"{log}.{n}")]

    r = act(driver, mount, "delete", want=MIB // 2, keep=0)
    assert r["result"] == "done" and left() == names[:-1] and r["segments"] == 4 and MIB <= r["freed"] < 2 * MIB
    r = act(driver, mount, "delete", want=2 * MIB, keep=0)
    assert left() == ["1", "2"] and r["segments"] == 2 and r["segments_bytes"] >= 2 * MIB
    r = act(driver, mount, "delete", want=10 * MIB, keep=2 * MIB)
    assert left() == ["1"], "what must be kept counts segments too"
    assert act(driver, mount, "delete", want=10 * MIB, keep=2 * MIB)["result"] == "nothing-to-do"
    r = act(driver, mount, "delete", want=10 * MIB, keep=0)
    assert left() == [] and r["segments"] == 0
    assert all(os.path.exists(s) for s in strangers) and os.path.islink(f"{log}.99")


def test_truncation_empties_the_very_file(driver, root):
    mount, _ = root
    log = log_of(mount)
    write_lines(log, 8 * MIB)
    os.sync()
    r = act(driver, mount, "truncate", want=1)
    assert r["result"] == "done" and r["size"] == 0 and r["freed"] >= 8 * MIB and log.stat().st_size == 0
    assert act(driver, mount, "truncate", want=1)["result"] == "nothing-to-do"


def test_the_ballast_is_made_released_and_made_again(driver, root):
    mount, _ = root
    ballast = mount / "diskbrake-ballast"
    r = act(driver, mount, "ballast-make", want=16 * MIB)
    assert r["result"] == "done" and r["ballast_bytes"] >= 16 * MIB and r["ballast_found"] == 0
    assert ballast.stat().st_mode & 0o777 == 0o600
    r = act(driver, mount, "ballast-make", want=32 * MIB)
    assert r["ballast_bytes"] >= 32 * MIB and r["ballast_found"] >= 16 * MIB
    r = act(driver, mount, "ballast-release")
    assert r["result"] == "done" and r["freed"] >= 32 * MIB and r["ballast_bytes"] == 0 and ballast.exists()
    assert act(driver, mount, "ballast-release")["result"] == "nothing-to-do"
    assert act(driver, mount, "ballast-make", want=8 * MIB)["ballast_bytes"] >= 8 * MIB


def test_a_ballast_that_does_not_fit_leaves_nothing_behind(driver, root):
    mount, _ = root
    r = act(driver, mount, "ballast-make", want=1024 * MIB)
    assert r["result"] == "failed" and r["error"] == -28 and r["stage"] == "fallocate"
    assert not (mount / "diskbrake-ballast").exists()


def test_a_stranger_in_the_ballasts_place_is_left_alone(driver, ext4):
    victim, ballast = ext4 / "victim", ext4 / "diskbrake-ballast"
    victim.write_bytes(b"precious" * 1000)
    for make in (lambda: ballast.symlink_to(victim), lambda: os.link(victim, ballast), lambda: os.mkfifo(ballast)):
        make()
        for method in ("ballast-make", "ballast-release"):
            assert act(driver, ext4, method, want=MIB)["result"] == "refused"
        assert victim.read_bytes() == b"precious" * 1000
        ballast.unlink()


# ---- what it says of the partition ------------------------------------------------------------------------------

def test_what_the_filesystem_can_do_is_found_by_trying(driver, root):
    mount, kind = root
    before = set(os.listdir(mount))
    r = act(driver, mount, "none")
    assert r["writable"] == 1 and r["can_punch"] == 1 and r["freed_is_late"] == (kind == "btrfs")
    assert r["can_collapse"] == (kind in COLLAPSING) and r["can_reflink"] == (kind in REFLINKING)
    assert set(os.listdir(mount)) - before == ({"diskbrake-filler"} if kind in REFLINKING else set())
    observed = act(driver, mount, "none", ballast=0)
    assert observed["can_collapse"] == (kind in COLLAPSING) and observed["can_reflink"] == 0


def test_nothing_is_written_where_it_only_observes(driver, ext4, tmp_path):
    need("strace")
    trace = tmp_path / "trace"
    act(driver, ext4, "none", ballast=0, wrapper=["strace", "-f", "-qq", "-o", str(trace)])
    text = trace.read_text()
    assert "faccessat" in text
    assert "O_TMPFILE" not in text and "fallocate" not in text
    act(driver, ext4, "none", ballast=MIB, wrapper=["strace", "-f", "-qq", "-o", str(trace)])
    assert "O_TMPFILE" in trace.read_text()


def test_a_root_that_is_read_only_in_this_namespace_is_said(driver, ext4):
    page = ext4.parent / "page"
    script = f"mount --bind {ext4} {ext4} && mount -o remount,bind,ro {ext4} && exec {driver} act {page} {ext4} {ID} " \
             f"none 0 0"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    assert "writable=0" in done.stdout and "alive_error=-30" in done.stdout, done.stdout + done.stderr
    assert f"alive_path={ext4}" in done.stdout


# ---- a full partition --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["ext4-4k", "xfs", "btrfs", "tmpfs"])
@pytest.mark.parametrize("method", ["punch", "collapse", "fill"])
def test_a_full_partition_gets_space_without_a_free_byte(driver, tmp_path, kind, method):
    if kind not in SUPPORTING[method]:
        pytest.skip(f"this filesystem cannot {method}")
    with mounted(kind, tmp_path, size=320 * MIB) as mount:
        log = log_of(mount)
        act(driver, mount, "none")  # as when the guard starts: what it needs later is made while there is room
        n = 0
        for mib in range(1, 41):  # small extents, as a log grows them: btrfs frees only whole ones
            n = write_lines(log, mib * MIB, first=n)
            os.sync()
        with open(mount / "filler", "wb", buffering=0) as f:
            for block in (MIB, 4096, 512):
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b"x" * block)
                with contextlib.suppress(OSError):
                    os.fsync(f.fileno())
        before = os.statvfs(mount).f_bfree
        fd = os.open(log, os.O_WRONLY | os.O_APPEND)
        try:
            r = act(driver, mount, method, want=30 * MIB, keep=2 * MIB, pid=os.getpid(), fd=fd, emergency=1)
        finally:
            os.close(fd)
        assert r["result"] == "done", r
        assert r["can_reflink"] == (kind in REFLINKING), "found out even by a guard that starts when it is full"
        assert act(driver, mount, "none")["pending"] == 0, "what had no room was finished by the next trimmer"
        os.sync()
        s = os.statvfs(mount)
        assert (s.f_bfree - before) * s.f_frsize >= 20 * MIB
        assert check_kept(log.read_bytes(), n, allow_hole=True) > 0


# ---- killed at any system call -----------------------------------------------------------------------------------

CALLS = ["openat2", "fstat,newfstatat", "flock", "pread64", "lseek", "pwritev", "pwrite64", "sync_file_range", "fcntl",
         "fallocate", "ioctl", "ftruncate", "syncfs", "close", "sendto", "recvfrom"]
SWEEPS = {
    "collapse": ("collapse-leased", []),
    "punch": ("punch", []),
    "second punch": ("punch", []),
    "heal": ("heal", []),
    # No room for the first blank: the hole comes first, then marker and blanks.
    "late punch": ("punch", ["-e", "inject=pwritev:error=ENOSPC:when=1"]),
    "fill": ("fill", []),
    "second fill": ("fill", []),
    "fill over a punch": ("fill", []),
    "heal of a fill": ("heal", []),
    "late fill": ("fill", ["-e", "inject=pwritev:error=ENOSPC:when=1"]),
}


def sweep_setup(log, n_bytes, driver, mount, name):
    if log.exists():
        log.unlink()
    n = write_lines(log, n_bytes, line_bytes=3000)
    before = {"heal": "punch", "second punch": "punch", "second fill": "fill", "fill over a punch": "punch",
              "heal of a fill": "fill"}.get(name)
    if before:
        assert act(driver, mount, before, want=2 * MIB, keep=MIB)["result"] == "done"
    return n


@pytest.mark.parametrize("kind", ["ext4-4k", "xfs", "ext4-bigalloc", "btrfs"])
@pytest.mark.parametrize("name", list(SWEEPS))
def test_killed_at_any_system_call_the_log_is_valid(driver, tmp_path, kind, name):
    need("strace")
    method, extra = SWEEPS[name]
    if kind not in (REFLINKING if "fill" in name else {"ext4-4k", "xfs", "ext4-bigalloc"}):
        pytest.skip("filling needs a filesystem that shares blocks, and the others need no btrfs")
    if name == "heal of a fill" and kind not in COLLAPSING:
        pytest.skip("this filesystem cannot collapse")
    with mounted(kind, tmp_path) as mount:
        log = log_of(mount)
        kills = 0
        for calls in CALLS:
            if extra and calls == "pwritev":
                continue
            for when in range(1, 60):
                n = sweep_setup(log, 6 * MIB, driver, mount, name)
                (mount.parent / "page").unlink(missing_ok=True)
                r = act(driver, mount, method, want=4 * MIB if method != "heal" else 0, keep=MIB,
                        wrapper=["strace", "-qq", "-o/dev/null", *extra, "-e",
                                 f"inject={calls}:signal=KILL:when={when}"])
                killed = r["status"] != 0
                kills += killed
                if not extra:
                    check_valid(log.read_bytes())
                r = act(driver, mount, "none")
                assert r["pending"] == 0, (calls, when)
                everything = check_valid(log.read_bytes())
                assert everything[-1] == n - 1, (calls, when)
                # All but the blanked lines are there, from the head or from the cut on.
                kept = [i for i in everything if i > everything[0]]
                gaps = sum(1 for a, b in zip(everything, everything[1:]) if b != a + 1)
                assert gaps <= 2 and len(kept) > 0, (calls, when)
                if not killed:
                    break
            else:
                pytest.fail(f"{calls} has no end")
        assert kills > 10


@pytest.mark.parametrize("name, kind", [("collapse", "ext4-4k"), ("punch", "ext4-4k"), ("fill", "xfs"), ("fill", "btrfs")])
def test_killed_under_a_busy_writer_and_finished_by_the_next(driver, tmp_path, name, kind):
    need("strace")
    with mounted(kind, tmp_path) as mount:
        _kill_under_a_busy_writer(driver, mount, name)


def _kill_under_a_busy_writer(driver, ext4, name):
    log = log_of(ext4)
    for calls in ("pwritev", "pwrite64", "fallocate", "ioctl", "close"):
        for when in (1, 2, 3, 4):
            (ext4.parent / "page").unlink(missing_ok=True)
            writer = Writer(driver, log)
            wait_until(log, 12 * MIB)
            act(driver, ext4, name, want=8 * MIB, keep=MIB, pid=writer.pid, fd=writer.fd,
                wrapper=["strace", "-qq", "-o/dev/null", "-e", f"inject={calls}:signal=KILL:when={when}"])
            assert act(driver, ext4, "none")["pending"] == 0
            n, _ = writer.stop()
            everything = check_valid(log.read_bytes())
            assert everything[-1] == n - 1
            assert sum(1 for a, b in zip(everything, everything[1:]) if b != a + 1) <= 2
            log.unlink()


def test_a_trimmer_that_is_stuck_keeps_others_off_its_log(driver, ext4):
    import fcntl
    log = log_of(ext4)
    write_lines(log, 8 * MIB)
    with open(log, "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        r = act(driver, ext4, "punch", want=4 * MIB)
    assert r["result"] == "busy"


def test_a_frozen_filesystem_is_said_in_the_stage_page(driver, ext4):
    need("fsfreeze")
    log = log_of(ext4)
    write_lines(log, 8 * MIB)
    page = ext4.parent / "page"
    subprocess.run(["fsfreeze", "-f", str(ext4)], check=True)
    try:
        process = subprocess.Popen([driver, "act", str(page), str(ext4), ID, "punch", str(4 * MIB), str(MIB),
                                    "ballast=0"], stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 20
        while b"pwritev" not in page.read_bytes() if page.exists() else True:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.2)
        assert b"the log of " + ID[:12].encode() in page.read_bytes()
        assert int.from_bytes(page.read_bytes()[8:16], "little") > 0
    finally:
        subprocess.run(["fsfreeze", "-u", str(ext4)], check=True)
    out, _ = process.communicate(timeout=30)
    assert "result=done" in out
