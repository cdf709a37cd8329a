# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filling the head of a log with shared blocks, where test_trim_matrix.py leaves off: what is filler already, what others
have shared, what lies in the way. On XFS and btrfs, and files that the kernel lets nobody cut."""

import fcntl
import os
import random
import struct
import subprocess
import threading
import time

import pytest

from lines import FILLER, check_kept, check_valid, filled, write_lines
from matrix import missing, need
from test_trim_matrix import ID, MIB, REFLINKING, Writer, act, driver, log_of, mounted, wait_until  # noqa: F401


@pytest.fixture(params=sorted(REFLINKING))
def mount(request, tmp_path):
    with mounted(request.param, tmp_path) as where:
        yield where


@pytest.fixture
def xfs(tmp_path):
    with mounted("xfs", tmp_path) as where:
        yield where


def avail(mount):
    subprocess.run(["sync", "-f", str(mount)], check=True)
    s = os.statvfs(mount)
    return s.f_bavail * s.f_frsize


def slowly(log, total, first=0):
    """Written out bit by bit, as a log grows: btrfs frees an extent only as a whole."""
    n = first
    for mib in range(1, total // MIB + 1):
        n = write_lines(log, mib * MIB, first=n)
        with open(log, "rb") as f:
            os.fsync(f.fileno())
    return n


def test_what_was_freed_is_free_and_counts_once(driver, mount):
    log = log_of(mount)
    act(driver, mount, "none")
    n, before = slowly(log, 40 * MIB), avail(mount)
    size, total = log.stat().st_size, 0
    for want, end in ((10, 10), (5, 15), (20, 35)):
        r = act(driver, mount, "fill", want=want * MIB, keep=MIB)
        assert r["result"] == "done" and r["freed"] == want * MIB, r
        assert want * MIB <= r["cut"] < want * MIB + 1024
        total += r["freed"]
        data = log.read_bytes()
        assert filled(data) == r["filler"] == end * MIB and len(data) == size and r["hole"] == 0
        assert check_kept(data[end * MIB:], n, allow_hole=False) > 0
        # The rest is what counts as something to be freed (XFS sets space aside for whoever appends).
        assert r["allocated"] >= size - end * MIB
        assert abs(log.stat().st_blocks * 512 - r["filler"] - r["allocated"]) < MIB
        assert avail(mount) - before >= total - 4 * MIB
    r = act(driver, mount, "fill", want=30 * MIB, keep=4 * MIB)
    assert r["result"] in ("done", "nothing-to-do") and r["freed"] <= 2 * MIB
    before = log.read_bytes()
    for _ in range(2):
        assert act(driver, mount, "fill", want=30 * MIB, keep=4 * MIB)["result"] == "nothing-to-do"
    assert log.read_bytes() == before


def test_a_large_head_goes_in_several_steps(driver, mount):
    """More than one call clones: each boundary in between is valid by itself."""
    need("strace")
    log = log_of(mount)
    n = write_lines(log, 150 * MIB, line_bytes=3000)
    for when in range(1, 40):
        (mount.parent / "page").unlink(missing_ok=True)
        r = act(driver, mount, "fill", want=140 * MIB, keep=MIB,
                wrapper=["strace", "-qq", "-o/dev/null", "-e", f"inject=ioctl:signal=KILL:when={when}"])
        check_valid(log.read_bytes())
        assert act(driver, mount, "none")["pending"] == 0
        check_valid(log.read_bytes())
        if r["status"] == 0:
            break
        if filled(log.read_bytes()) > 64 * MIB:  # its own file is made in the beginning
            break
    assert when > 3
    r = act(driver, mount, "fill", want=140 * MIB, keep=MIB)
    data = log.read_bytes()
    assert r["filler"] == filled(data) >= 140 * MIB
    assert check_kept(data[filled(data):], n, allow_hole=False) > 0


def test_killed_in_the_middle_of_a_call_the_next_one_makes_it_whole(driver, mount):
    """The kernel ends a clone where a kill meets it. Random moments; TRIM_SEED repeats them."""
    need("timeout")
    seed = int(os.environ.get("TRIM_SEED", time.time_ns() % 100000))
    print(f"TRIM_SEED={seed}")
    rng, log, killed = random.Random(seed), log_of(mount), 0
    for turn in range(8):
        n = write_lines(log, 100 * MIB, line_bytes=3000)
        (mount.parent / "page").unlink(missing_ok=True)
        r = act(driver, mount, "fill", want=95 * MIB, keep=MIB,
                wrapper=["timeout", "-s", "KILL", f"{0.01 + 0.1 * rng.random():.3f}"])
        killed += r["status"] != 0
        # Every other time it cannot be made whole: a hole takes its place.
        lacking = ["strace", "-qq", "-o/dev/null", "-e", "inject=ioctl:error=ENOSPC"] if turn % 2 else []
        r = act(driver, mount, "none", wrapper=lacking)
        assert r["pending"] == 0
        everything = check_valid(log.read_bytes())
        assert everything[-1] == n - 1 and sum(1 for a, b in zip(everything, everything[1:]) if b != a + 1) <= 1
        r = act(driver, mount, "fill", want=95 * MIB, keep=MIB)
        assert r["result"] in ("done", "nothing-to-do"), r
        if r["result"] == "done":
            assert b"\0" not in log.read_bytes()
        log.unlink()
    assert killed > 0


@pytest.mark.parametrize("step", [1, 2])
def test_a_call_that_fails_halfway_leaves_a_log_that_is_valid(driver, mount, step):
    """No room for what the filesystem itself has to write down. In the first step, or with filler before it."""
    need("strace")
    log, source = log_of(mount), mount / "diskbrake-filler"
    act(driver, mount, "none")
    assert source.exists()
    for when in range(1, 30):  # FICLONERANGE is not the only ioctl
        log.unlink(missing_ok=True)
        n = write_lines(log, 20 * MIB)
        if step == 2:
            assert act(driver, mount, "fill", want=4 * MIB, keep=MIB)["filler"] == 4 * MIB
        r = act(driver, mount, "fill", want=8 * MIB, keep=MIB,
                wrapper=["strace", "-qq", "-o/dev/null", "-e", f"inject=ioctl:error=ENOSPC:when={when}"])
        if r["result"] == "failed":
            break
    else:
        pytest.fail("no call for it to fail in")
    assert (r["error"], r["stage"], r["pending"]) == (-28, "ficlonerange", 0), r
    data = log.read_bytes()
    assert check_valid(data)[-1] == n - 1
    assert b"\0" in data
    if step == 1:
        assert r["hole"] > 0  # one that is healed
    r = act(driver, mount, "fill", want=2 * MIB, keep=MIB)
    data = log.read_bytes()
    assert r["result"] == "done" and r["freed"] == 2 * MIB and b"\0" not in data, r
    assert check_kept(data[filled(data):], n, allow_hole=False) > 0


def test_a_hole_behind_filler_is_healed_with_it(driver, xfs):
    log = log_of(xfs)
    n = write_lines(log, 20 * MIB)
    assert act(driver, xfs, "fill", want=4 * MIB, keep=MIB)["filler"] == 4 * MIB
    r = act(driver, xfs, "fill", want=4 * MIB, keep=MIB)
    assert r["filler"] == 8 * MIB
    subprocess.run(["fallocate", "-p", "-n", "-o", str(4 * MIB), "-l", str(4 * MIB), str(log)], check=True)
    assert act(driver, xfs, "heal")["result"] == "done"
    assert check_kept(log.read_bytes(), n, allow_hole=False) > 0


def test_a_hole_and_its_marker_become_readable(driver, mount):
    log = log_of(mount)
    n = write_lines(log, 20 * MIB)
    assert act(driver, mount, "punch", want=8 * MIB, keep=MIB)["result"] == "done"
    r = act(driver, mount, "fill", want=4 * MIB, keep=MIB)
    assert r["result"] == "done" and r["freed"] == 4 * MIB and r["hole"] == 0, r
    data = log.read_bytes()
    assert b"\0" not in data and filled(data) == r["filler"] == 12 * MIB
    assert check_kept(data[12 * MIB:], n, allow_hole=False) > 0


def test_filler_is_punched_and_collapsed_like_any_head(driver, mount):
    log = log_of(mount)
    n = write_lines(log, 20 * MIB)
    assert act(driver, mount, "fill", want=8 * MIB, keep=MIB)["filler"] == 8 * MIB
    r = act(driver, mount, "punch", want=4 * MIB, keep=MIB)
    assert r["result"] == "done" and r["freed"] == 4 * MIB and r["filler"] == 0, r
    check_kept(log.read_bytes(), n, allow_hole=True)
    assert act(driver, mount, "fill", want=2 * MIB, keep=MIB)["filler"] == 14 * MIB
    r = act(driver, mount, "collapse-leased", want=2 * MIB, keep=MIB)
    if r["result"] == "unsupported":  # btrfs: it stays, and it harms nobody
        assert act(driver, mount, "heal")["result"] == "unsupported"
        return
    assert r["result"] == "done" and r["freed"] == 2 * MIB and r["filler"] == 0, r
    check_kept(log.read_bytes(), n, allow_hole=False)


def test_a_filled_log_that_was_rotated_gives_what_is_not_filler(driver, mount):
    log = log_of(mount)
    n = slowly(log, 20 * MIB)
    assert act(driver, mount, "fill", want=12 * MIB, keep=MIB)["filler"] == 12 * MIB
    os.rename(log, f"{log}.1")
    write_lines(log, MIB, first=n)
    blocks = os.stat(f"{log}.1").st_blocks * 512
    r = act(driver, mount, "delete", want=20 * MIB, keep=0)
    assert r["result"] == "done" and r["freed"] == blocks - 12 * MIB, (r, blocks)
    slowly(log, 20 * MIB)
    assert act(driver, mount, "fill", want=12 * MIB, keep=MIB)["filler"] == 12 * MIB
    blocks = log.stat().st_blocks * 512
    r = act(driver, mount, "truncate", want=1)
    assert r["result"] == "done" and 7 * MIB <= r["freed"] <= blocks - 12 * MIB, (r, blocks)


def test_a_stopped_log_is_healed(driver, xfs):
    log = log_of(xfs)
    writer = Writer(driver, log)
    wait_until(log, 40 * MIB)
    assert act(driver, xfs, "fill", want=20 * MIB, keep=MIB, pid=writer.pid, fd=writer.fd)["result"] == "done"
    assert act(driver, xfs, "heal")["result"] == "busy"
    n, _ = writer.stop()
    size = log.stat().st_size
    r = act(driver, xfs, "heal")
    assert r["result"] == "done" and r["filler"] == 0 and log.stat().st_size == size - 20 * MIB, r
    check_kept(log.read_bytes(), n, allow_hole=False)
    assert act(driver, xfs, "heal")["result"] == "nothing-to-do"


def test_what_a_snapshot_shares_is_not_said_to_be_freed(driver, mount):
    log = log_of(mount)
    slowly(log, 20 * MIB)
    subprocess.run(["cp", "--reflink=always", str(log), str(mount / "snapshot")], check=True)
    before = avail(mount)
    r = act(driver, mount, "fill", want=10 * MIB, keep=MIB)
    assert r["result"] == "done" and r["cut"] >= 10 * MIB and r["freed"] == 0, r
    assert avail(mount) - before < 2 * MIB
    assert (mount / "snapshot").read_bytes()[:100].startswith(b'{"log":"line 0 ')


def test_filler_that_takes_space_is_freed_again(driver, mount):
    """A log that was moved here from another disk: its filler is shared with nothing."""
    log, other = log_of(mount), mount / "moved"
    n = slowly(log, 20 * MIB)
    assert act(driver, mount, "fill", want=10 * MIB, keep=MIB)["filler"] == 10 * MIB
    with open(log, "rb") as a, open(other, "wb") as b:  # read and written, not shared
        while data := a.read(MIB):
            b.write(data)
            os.fsync(b.fileno())
    os.replace(other, log)
    r = act(driver, mount, "fill", want=8 * MIB, keep=MIB)
    assert r["result"] == "done" and r["freed"] == 8 * MIB and r["filler"] == 8 * MIB, r
    assert check_kept(log.read_bytes()[10 * MIB:], n, allow_hole=False) > 0


def test_a_line_that_says_to_be_filler_hides_nothing(driver, mount):
    log = log_of(mount)
    with open(log, "wb") as f:
        f.write(FILLER * 4)  # by somebody who may write to the file: not shared with anything
    n = write_lines(log, 12 * MIB)
    r = act(driver, mount, "none")
    r = act(driver, mount, "fill", want=6 * MIB, keep=MIB)
    assert r["result"] == "done" and r["filler"] == 6 * MIB and r["freed"] == 6 * MIB, r
    assert check_kept(log.read_bytes()[6 * MIB:], n, allow_hole=False) > 0


def test_a_head_of_nuls_becomes_readable(driver, mount):
    log = log_of(mount)
    with open(log, "wb") as f:
        f.truncate(50 * MIB + 123)
        f.seek(0, os.SEEK_END)
        f.write(b"\n")
    n = write_lines(log, 58 * MIB)
    r = act(driver, mount, "fill", want=3 * MIB, keep=MIB)
    assert r["result"] == "done" and r["cut"] < 5 * MIB and r["freed"] < 5 * MIB, r
    data = log.read_bytes()
    assert b"\0" not in data and filled(data) == r["filler"] == 53 * MIB
    assert check_kept(data[53 * MIB:], n, allow_hole=False) > 0


def test_the_log_of_a_remapped_root(driver, mount):
    log = log_of(mount)
    n = write_lines(log, 8 * MIB)
    for path in (mount / "containers", log.parent, log):
        os.chown(path, 231072, 231072)
    r = act(driver, mount, "fill", want=4 * MIB, keep=MIB)
    assert r["result"] == "done" and r["filler"] == 4 * MIB, r
    assert (log.stat().st_uid, log.stat().st_size > 8 * MIB - 1) == (231072, True)
    assert check_kept(log.read_bytes()[4 * MIB:], n, allow_hole=False) > 0


# ---- the file that it is cloned from -----------------------------------------------------------------------------

def test_its_file_is_made_again_when_it_is_gone_or_spoilt(driver, mount):
    source = mount / "diskbrake-filler"
    log = log_of(mount)
    n = write_lines(log, 40 * MIB)

    def spoil(*_):
        with open(source, "r+b") as f:
            f.seek(-1, os.SEEK_END)
            f.write(b"x")

    for want, hurt in enumerate((lambda: None, source.unlink, lambda: os.truncate(source, 0), spoil), 1):
        hurt()
        r = act(driver, mount, "fill", want=want * MIB, keep=MIB)
        assert r["result"] == "done" and r["can_reflink"] == 1, r
        assert source.stat().st_mode & 0o7777 == 0o600 and source.stat().st_size == 64 * MIB
    # Without the file the one block of the first time was shared with nothing: it was data, and made filler again.
    assert filled(log.read_bytes()) == r["filler"] == 9 * MIB
    check_kept(log.read_bytes()[9 * MIB:], n, allow_hole=False)
    if "xfs" in subprocess.run(["stat", "-f", "-c", "%T", str(mount)], capture_output=True, text=True).stdout:
        assert source.read_bytes() == FILLER * 64


def test_a_stranger_in_its_place_is_left_alone(driver, mount):
    source, victim = mount / "diskbrake-filler", mount / "victim"
    log = log_of(mount)
    write_lines(log, 8 * MIB)
    before = log.read_bytes()
    victim.write_bytes(b"precious" * 1000)
    for make in (lambda: source.symlink_to(victim), lambda: os.link(victim, source), lambda: os.mkfifo(source),
                 source.mkdir):
        make()
        r = act(driver, mount, "fill", want=4 * MIB, keep=MIB)
        assert r["result"] == "failed" and r["can_reflink"] == 0 and r["error"] == -17, r
        assert victim.read_bytes() == b"precious" * 1000 and log.read_bytes() == before
        source.rmdir() if source.is_dir() and not source.is_symlink() else source.unlink()
    source.write_bytes(b"somebody's")
    os.chown(source, 12345, 12345)
    assert act(driver, mount, "fill", want=4 * MIB, keep=MIB)["result"] == "failed"
    assert source.read_bytes() == b"somebody's" and log.read_bytes() == before


def test_a_log_that_is_emptied_right_before_the_call_does_not_grow_again(driver, mount):
    """dockerd rotates with one file: it truncates and goes on at the front."""
    need("strace")
    log, trace = log_of(mount), mount.parent / "trace"
    write_lines(log, 160 * MIB)
    assert act(driver, mount, "fill", want=2 * MIB, keep=MIB)["result"] == "done"
    assert filled(log.read_bytes()) == 2 * MIB
    command = ["strace", "-qq", "-o", str(trace), "-e", "trace=ioctl", "-e", "inject=ioctl:delay_enter=1500000"]
    result = {}
    thread = threading.Thread(target=lambda: result.update(act(driver, mount, "fill", want=100 * MIB, keep=MIB,
                                                               wrapper=command)))
    thread.start()
    end = time.monotonic() + 60
    text = f"the log of {ID[:12]}".encode()
    page = mount.parent / "page"
    while True:
        data = page.read_bytes()
        if b"ficlonerange" in data and text in data and int.from_bytes(data[8:16], "little"):
            break
        assert time.monotonic() < end and thread.is_alive()
        time.sleep(0.01)
    time.sleep(0.3)
    with open(log, "r+b") as f:
        f.truncate(0)
        f.write(b'{"log":"line 0 x\\n","stream":"stdout","time":"2026-11-21T12:00:00.000000000Z"}\n')
    thread.join()
    assert result["result"] == "changed" and result["pending"] == 0, result
    assert log.stat().st_size < MIB, log.stat().st_size
    assert log.read_bytes().rstrip(b"\0").endswith(b"Z\"}\n")


# ---- what the kernel lets nobody cut -----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["ext4-4k", "xfs", "btrfs"])
@pytest.mark.parametrize("flag, text", [("+a", "append-only file"), ("+i", "immutable file")])
def test_a_log_that_only_grows_is_told_and_left_alone(driver, tmp_path, kind, flag, text):
    need("chattr")
    with mounted(kind, tmp_path) as mount:
        log = log_of(mount)
        write_lines(log, 8 * MIB)
        before = log.read_bytes()
        subprocess.run(["chattr", flag, str(log)], check=True)
        try:
            for method in ("collapse", "collapse-leased", "fill", "punch", "truncate", "heal"):
                r = act(driver, mount, method, want=4 * MIB, keep=MIB, pid=os.getpid(), fd=0)
                # Refused: the engine tries no other method then.
                assert (r["result"], r["error"], r["stage"]) == ("refused", -1, text), (method, r)
                assert r["freed"] == r["cut"] == 0 and r["pending"] == 0
            assert log.read_bytes() == before
        finally:
            subprocess.run(["chattr", flag.replace("+", "-"), str(log)], check=True)


# ---- encrypted by the filesystem ---------------------------------------------------------------------------------

def encrypt(folder):
    """All that is made in it from now on is encrypted (fscrypt), under a key that ends with the mount."""
    fs = os.open(folder.parent, os.O_RDONLY)
    key = bytearray(struct.pack("<II32sII32x", 2, 0, b"", 64, 0) + os.urandom(64))
    try:
        fcntl.ioctl(fs, 0xC0506617, key)  # FS_IOC_ADD_ENCRYPTION_KEY
        where = os.open(folder, os.O_RDONLY)
        # FS_IOC_SET_ENCRYPTION_POLICY: version 2, AES-256-XTS, AES-256-CTS
        fcntl.ioctl(where, 0x800C6613, struct.pack("<BBBBB3x16s", 2, 1, 4, 3, 0, bytes(key[8:24])))
        os.close(where)
    except OSError as e:
        missing(f"this kernel does not encrypt files of ext4: {e}")
    finally:
        os.close(fs)


@pytest.mark.parametrize("method", ["collapse", "fill", "punch"])
def test_an_encrypted_log_is_punched(driver, tmp_path, method):
    """Each block is encrypted for its place: the kernel does not move them, but it takes them out."""
    with mounted("ext4-encrypted", tmp_path) as mount:
        log = log_of(mount)
        log.parent.rmdir()
        encrypt(mount / "containers")
        log.parent.mkdir()
        writer = Writer(driver, log)
        wait_until(log, 12 * MIB)
        r = act(driver, mount, method, want=8 * MIB, keep=MIB, pid=writer.pid, fd=writer.fd)
        n, failed = writer.stop()
        assert failed == 0
        data = log.read_bytes()
        if method == "punch":
            assert r["result"] == "done" and r["freed"] >= 8 * MIB - 4096, r
            check_kept(data, n, allow_hole=True)
        else:
            assert (r["result"], r["error"]) == ("unsupported", -95), r
            everything = check_valid(data)  # at most the line that the cut would have gone through is blank
            assert len(everything) >= n - 1 and everything[-1] == n - 1
        assert not (mount / "diskbrake-filler").exists()
