/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* watchdogd: parses the command line, makes the socket where none was handed over, becomes the launcher. */

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "launcher.h"
#include "macros.h"
#include "say.h"
#include "traces.h"

/* Clients that connect at the same moment; more than the server serves at once. */
#define LISTEN_BACKLOG 128

static const char help_text[] =
        "watchdogd [OPTION...]\n\n"
        "Keeps the partition under a Docker host from ever filling up. See watchdogd(8).\n\n"
        "  --config FILE        read FILE and FILE.d/*.conf instead of /etc/diskbrake/diskbrake.conf\n"
        "  --runtime-dir DIR    put the socket there instead of /run/diskbrake\n"
        "  --state-dir DIR      keep archives there instead of /var/lib/diskbrake\n"
        "  --observe            plan and tell, but touch nothing, whatever the configuration says\n"
        "  --foreground         write events to standard output, too\n"
        "  --remove-traces      start no guard, but list and, once confirmed, remove what one has left on this host:\n"
        "                       ballast, archives, holes in logs; with --yes nothing is asked, with --keep-archives\n"
        "                       archives stay\n"
        "  -h, --help           this text\n"
        "  --version            the version\n";

/* Not by a typing mistake: getopt takes any beginning of a name. */
static bool is_spelled_out(const char *argument) {
        if (streq(argument, "--remove-traces") || streq(argument, "--yes") || streq(argument, "--keep-archives"))
                return true;
        (void) fprintf(stderr, "watchdogd: '%s' is to be spelled out; see --help\n", argument);
        return false;
}

/* 1: go on; 0: done, exit 0; negative errno: a bad command line, said already. */
static int options_parse(int argc, char **argv, Options *ret_options) {
        enum { ARG_CONFIG = 256, ARG_RUNTIME, ARG_STATE, ARG_OBSERVE, ARG_FOREGROUND, ARG_REMOVE, ARG_YES,
               ARG_KEEP, ARG_VERSION };
        static const struct option longs[] = {
                {"config", required_argument, NULL, ARG_CONFIG},
                {"runtime-dir", required_argument, NULL, ARG_RUNTIME},
                {"state-dir", required_argument, NULL, ARG_STATE},
                {"observe", no_argument, NULL, ARG_OBSERVE},
                {"foreground", no_argument, NULL, ARG_FOREGROUND},
                {"remove-traces", no_argument, NULL, ARG_REMOVE},
                {"yes", no_argument, NULL, ARG_YES},
                {"keep-archives", no_argument, NULL, ARG_KEEP},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, ARG_VERSION},
                {},
        };
        Options o = {.config_path = "/etc/diskbrake/diskbrake.conf", .runtime_dir = "/run/diskbrake",
                     .state_dir = "/var/lib/diskbrake"};
        int c;

        while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0)
                switch (c) {
                case ARG_CONFIG:
                        o.config_path = optarg;
                        o.config_given = true;
                        break;
                case ARG_RUNTIME:
                        o.runtime_dir = optarg;
                        break;
                case ARG_STATE:
                        o.state_dir = optarg;
                        break;
                case ARG_OBSERVE:
                        o.observe = true;
                        break;
                case ARG_FOREGROUND:
                        o.in_foreground = true;
                        break;
                case ARG_REMOVE:
                case ARG_YES:
                case ARG_KEEP:
                        if (!is_spelled_out(argv[optind - 1]))
                                return -EINVAL;
                        *(c == ARG_REMOVE ? &o.remove_traces : c == ARG_YES ? &o.confirmed : &o.keep_archives) = true;
                        break;
                case 'h':
                        (void) fputs(help_text, stdout);
                        return 0;
                case ARG_VERSION:
                        (void) puts("watchdogd " DISKBRAKE_VERSION);
                        return 0;
                default:
                        return -EINVAL; /* getopt said what */
                }
        if (optind < argc) {
                (void) fprintf(stderr, "watchdogd: unexpected argument '%s'; see --help\n", argv[optind]);
                return -EINVAL;
        }
        if (!o.remove_traces && (o.confirmed || o.keep_archives)) {
                (void) fputs("watchdogd: --yes and --keep-archives go with --remove-traces\n", stderr);
                return -EINVAL;
        }
        *ret_options = o;
        return 1;
}

/* Somebody answers on that socket: another watchdogd that must not lose it. */
static bool socket_is_alive(const struct sockaddr_un *address) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd >= 0 && (connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 || errno == EAGAIN);
}

static int socket_make(const char *dir, gid_t gid) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -EBADF;

        if ((size_t) snprintf(address.sun_path, sizeof(address.sun_path), "%s/diskbrake.socket", dir) >=
            sizeof(address.sun_path))
                return -ENAMETOOLONG;
        if (mkdir(dir, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (socket_is_alive(&address))
                return -EADDRINUSE;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (unlink(address.sun_path) < 0 && errno != ENOENT)
                return -errno;
        mode_t mask = umask(0117); /* 0660: root and the group, from the first moment */
        int r = bind(fd, (struct sockaddr *) &address, sizeof(address));
        (void) umask(mask);
        if (r < 0 || chown(address.sun_path, 0, gid) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int main(int argc, char **argv) {
        Options options;
        Identity identity;
        Inherited inherited;
        int listen_fd, console_fd;
        int r = options_parse(argc, argv, &options);

        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (geteuid() != 0) {
                (void) fputs("watchdogd: must be started as root: it reads and cuts root's files\n", stderr);
                return EXIT_FAILURE;
        }
        if (options.remove_traces)
                return traces_remove(&options);
        r = identity_resolve(&identity);
        if (r < 0) {
                (void) fputs("watchdogd: neither the user 'diskbrake' nor 'nobody' exists\n", stderr);
                return EXIT_FAILURE;
        }
        if (identity.is_nobody)
                say(STDERR_FILENO, "watchdogd: the user 'diskbrake' does not exist; running unprivileged parts as "
                             "'nobody', the socket is root's alone");

        inherited_take(&inherited);
        listen_fd = inherited.listen_fd;
        if (listen_fd < 0)
                listen_fd = socket_make(options.runtime_dir, identity.is_nobody ? 0 : identity.gid);
        if (listen_fd < 0) {
                (void) fprintf(stderr, "watchdogd: cannot make the socket in %s: %s\n", options.runtime_dir,
                        listen_fd == -EADDRINUSE ? "another watchdogd answers there" : strerror(-listen_fd));
                return EXIT_FAILURE;
        }
        (void) prctl(PR_SET_NAME, "watchdogd", 0, 0, 0);
        /* Non-blocking: what stands there in a container may be a pipe that nobody reads. */
        console_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        return launcher_run(&(LauncherSeed){.options = &options, .identity = &identity, .listen_fd = listen_fd,
                                            .console_fd = console_fd < 0 ? -EBADF : console_fd,
                                            .inherited = &inherited});
}
