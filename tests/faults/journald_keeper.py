# SPDX-License-Identifier: LGPL-2.1-or-later
"""journald_keeper.py JOURNALD held|own MSEC: plays the service manager for a journald that does not live long. Kills and
starts it every MSEC until standard input ends, then lets one live until it ends itself. held: its sockets are handed to
it, and outlive it, as systemd has it. own: it makes them itself each time."""

import os
import select
import signal
import socket
import sys

FOLDER = '/run/systemd/journal'


def make_sockets():
    os.makedirs(FOLDER, exist_ok=True)
    made = []
    for name, kind in (('socket', socket.SOCK_DGRAM), ('stdout', socket.SOCK_STREAM)):
        s = socket.socket(socket.AF_UNIX, kind)
        if os.path.exists(f'{FOLDER}/{name}'):
            os.unlink(f'{FOLDER}/{name}')
        s.bind(f'{FOLDER}/{name}')
        os.chmod(f'{FOLDER}/{name}', 0o666)
        if kind == socket.SOCK_DGRAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        else:
            s.listen(512)
        made.append(s)
    return made


def start(journald, sockets):
    pid = os.fork()
    if pid == 0:
        # Above all that they are going to be copied to.
        high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)
        os.closerange(3 + len(sockets), 200)
        if sockets:
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
        os.execv(journald, [journald])
    return pid


def main(journald, mode, msec):
    sockets = make_sockets() if mode == 'held' else []
    print('ready', flush=True)
    kills = 0
    while True:
        pid = start(journald, sockets)
        if select.select([sys.stdin], [], [], float(msec) / 1000)[0]:
            break
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
    print(kills, flush=True)
    os.waitpid(pid, 0)


if __name__ == '__main__':
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    main(*sys.argv[1:])
