/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Drives the real trimmer from the command line, for test_trim_matrix.py: plays the supervisor for one act, and the
 * dockerd that writes the log.
 *
 *   trim_driver act PAGE ROOT ID METHOD WANT KEEP [key=value ...] [-- WRAPPER ...]
 *        starts a trimmer (under WRAPPER, say strace) with the stage page in the file PAGE, gives it the target and one
 *        act, and prints what came as lines of key=value. METHOD "none": target only. Keys: pid, fd, append, emergency,
 *        ballast, dockerd, look, inode, repeat, until, segment, by_hand, max_offset, reader_pid, reader_fd;
 *        ranges=FROM-TO,... for the method "blank", stale=1: they held something else when they were found.
 *   trim_driver archive STATE ROOT ID THEN WANT KEEP [key=value ...] [-- WRAPPER ...]
 *        the same with an archiver, whose archives lie in STATE/archive; THEN: the method that it archives for. Keys:
 *        name, known (NO: nothing of it can be there), size, container_size, age, rate, repeat, directory; house: at the
 *        end, keeps house that many times (repeat=0: that alone).
 *   trim_driver spot FILE
 *        looks who reads that file, between two calls of getppid(), and prints how many processes and descriptors it saw.
 *   trim_driver trimmer PAGE FD          the trimmer itself
 *   trim_driver archiver STATE FD        the archiver itself
 *   trim_driver append FILE MSEC FLAGS LINE_BYTES
 *        writes numbered lines, one write each, as fast as they come; FLAGS: "append" or "plain". Prints its descriptor
 *        first and the number of lines at the end. MSEC 0: until standard input ends. */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "log_readers.h"
#include "macros.h"
#include "message.h"
#include "role.h"
#include "writer.h"

static StagePage *map_page(const char *path) {
        StagePage *page;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, sizeof(StagePage)) < 0)
                return NULL;
        page = mmap(NULL, sizeof(StagePage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        return page == MAP_FAILED ? NULL : page;
}

static int verb_trimmer(char **argv) {
        RoleContext context = {.role = ROLE_TRIMMER, .stage = map_page(argv[0]), .channel_fd = atoi(argv[1])};

        return context.stage ? trimmer_run(&context) : EXIT_FAILURE;
}

static int verb_archiver(char **argv) {
        const Options options = {.state_dir = argv[0]};
        RoleContext context = {.role = ROLE_ARCHIVER, .options = &options, .channel_fd = atoi(argv[1])};

        return archiver_run(&context);
}

/* verb: "trimmer" or "archiver", with its first argument. wrapper is where "--" was, or NULL. */
static int start_worker(const char *verb, const char *first, char **wrapper, pid_t *ret_pid) {
        char fd_text[16], *argv[32];
        int pair[2], n = 0;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
                return -errno;
        for (; wrapper && *wrapper && n < 24; wrapper++)
                argv[n++] = *wrapper;
        argv[n++] = (char *) "/proc/self/exe";
        argv[n++] = (char *) verb;
        argv[n++] = (char *) first;
        argv[n++] = fd_text;
        argv[n] = NULL;
        (void) snprintf(fd_text, sizeof(fd_text), "%d", pair[1]);

        *ret_pid = fork();
        if (*ret_pid == 0) {
                static char self[4096];
                ssize_t k = readlink("/proc/self/exe", self, sizeof(self) - 1);

                (void) close(pair[0]);
                if (k > 0)
                        argv[n - 4] = self;
                execvp(argv[0], argv);
                _exit(127);
        }
        (void) close(pair[1]);
        return pair[0];
}

static Message message;

static int next_message(int fd, uint32_t type) {
        int r;

        do
                r = message_receive(fd, &message, false);
        while (r == 0 && message.type != type);
        return r;
}

static void print_outcome(const Outcome *o) {
        printf("result=%s\nerror=%d\nstage=%s\nfreed=%" PRIu64 "\ncut=%" PRIu64 "\nallocated=%" PRIu64 "\nsize=%" PRIu64
               "\nsegments=%u\nsegments_bytes=%" PRIu64 "\nhole=%" PRIu64 "\nfiller=%" PRIu64 "\nballast_bytes=%" PRIu64
               "\nwriter_pid=%d\nwriter_fd=%d\nwriter_append=%d\nusec=%" PRIu64 "\ncut_to=%" PRIu64 "\nreader_offset=%" PRIu64
               "\nheld=%" PRIu64 "\n",
               act_result_to_string(o->result), o->error, o->stage, o->freed_bytes, o->cut_bytes, o->allocated_bytes,
               o->size_bytes, o->n_segments, o->segments_bytes, o->hole_bytes, o->filler_bytes, o->ballast_bytes,
               o->writer.pid, o->writer.fd, o->writer.append, o->end_usec - o->begin_usec, o->cut_to_bytes,
               o->reader_offset_bytes, o->held_bytes);
}

static const char *option(char **argv, const char *key) {
        const size_t n = strlen(key);

        for (; *argv && !streq(*argv, "--"); argv++)
                if (strncmp(*argv, key, n) == 0 && (*argv)[n] == '=')
                        return *argv + n + 1;
        return NULL;
}

static uint64_t number(char **argv, const char *key, uint64_t otherwise) {
        const char *s = option(argv, key);

        return s ? strtoull(s, NULL, 10) : otherwise;
}

/* What is in the ranges now is what the watcher has found. */
static void fill_ranges(Act *act, const char *path, const char *at, uint64_t stale) {
        static char text[1 << 20];
        int fd = at ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -EBADF;

        for (; fd >= 0 && at && *at && act->n_ranges < LOG_RANGES_MAX; at += strcspn(at, ","), at += *at == ',') {
                LogRange *range = &act->ranges[act->n_ranges++];
                ssize_t n;

                if (sscanf(at, "%" SCNu64 "-%" SCNu64, &range->from, &range->to) != 2)
                        break;
                n = pread(fd, text, MIN(range->to - range->from, sizeof(text)), (off_t) range->from);
                range->hash = log_range_hash(LOG_RANGE_HASH_FIRST, text, n < 0 ? 0 : (uint64_t) n) ^ stale;
        }
        if (fd >= 0)
                (void) close(fd);
}

static void fill_act(Act *act, char **argv) {
        char path[1024];
        struct stat st = {};

        (void) snprintf(path, sizeof(path), "%s/containers/%s/%s-json.log", argv[1], argv[2], argv[2]);
        (void) stat(path, &st);
        *act = (Act){.id = 1, .method = method_from_string(argv[3]), .device = st.st_dev,
                     .inode = number(argv, "inode", st.st_ino),
                     .want_bytes = strtoull(argv[4], NULL, 10), .keep_bytes = strtoull(argv[5], NULL, 10),
                     .until_offset = number(argv, "until", 0), .segment_inode = number(argv, "segment", 0),
                     .max_offset_bytes = number(argv, "max_offset", 0),
                     .reader = {.pid = (int32_t) number(argv, "reader_pid", 0), .fd = (int32_t) number(argv, "reader_fd", 0)},
                     .emergency = number(argv, "emergency", 0) != 0, .by_hand = number(argv, "by_hand", 0) != 0};
        act->writer = (LogWriter){.pid = (int32_t) number(argv, "pid", 0), .fd = (int32_t) number(argv, "fd", 0),
                                  .append = (Tristate) number(argv, "append", YES)};
        (void) snprintf(act->container, sizeof(act->container), "%s", argv[2]);
        fill_ranges(act, path, option(argv, "ranges"), number(argv, "stale", 0));
}

static void fill_target(PartitionTarget *target, char **argv) {
        char path[1024];
        struct stat st = {};

        *target = (PartitionTarget){.n_roots = 1, .ballast_bytes = number(argv, "ballast", 1 << 20)};
        (void) snprintf(target->roots[0].path, sizeof(target->roots[0].path), "%s", argv[1]);
        (void) snprintf(target->look_path, sizeof(target->look_path), "%s", argv[1]);
        (void) snprintf(path, sizeof(path), "%s/containers", argv[1]);
        if (stat(path, &st) == 0)
                target->roots[0].owner_uid = st.st_uid;
        target->roots[0].dockerd_pid = (int32_t) number(argv, "dockerd", 0);
        target->device = st.st_dev;
}

static int talk(int fd, char **argv) {
        int r;

        message = (Message){.type = MESSAGE_TARGET};
        fill_target(&message.target, argv);
        r = message_send(fd, &message, false);
        if (r == 0)
                r = next_message(fd, MESSAGE_ALIVE);
        if (r < 0)
                return r;
        printf("writable=%d\nalive_error=%d\nalive_path=%s\n", message.alive.writable, message.alive.error,
               message.alive.path);
        r = next_message(fd, MESSAGE_OBSERVATION);
        if (r < 0)
                return r;
        printf("can_collapse=%d\ncan_punch=%d\ncan_reflink=%d\nfreed_is_late=%d\nballast_found=%" PRIu64 "\n",
               message.observation.filesystem.can_collapse, message.observation.filesystem.can_punch,
               message.observation.filesystem.can_reflink,
               message.observation.filesystem.freed_is_late, message.observation.filesystem.ballast_bytes);
        for (uint64_t i = number(argv, "repeat", 1); i > 0 && !streq(argv[3], "none"); i--) {
                message = (Message){.type = MESSAGE_ACT};
                fill_act(&message.act, argv);
                r = message_send(fd, &message, false);
                if (r == 0)
                        r = next_message(fd, MESSAGE_OUTCOME);
                if (r < 0)
                        return r;
                print_outcome(&message.outcome);
        }
        return 0;
}

static int verb_act(int argc, char **argv) {
        char **wrapper = NULL;
        StagePage *page;
        pid_t pid;
        int fd, r, status = 0;

        for (int i = 0; i < argc; i++)
                if (streq(argv[i], "--"))
                        wrapper = argv + i + 1;
        page = map_page(argv[0]);
        if (!page)
                return EXIT_FAILURE;
        fd = start_worker("trimmer", argv[0], wrapper, &pid);
        if (fd < 0)
                return EXIT_FAILURE;
        r = talk(fd, argv);
        if (r < 0)
                printf("result=gone\ntalk=%d\n", r);
        (void) close(fd);
        (void) waitpid(pid, &status, 0);
        printf("status=%d\npending=%u\n", status, page->intent.pending);
        return EXIT_SUCCESS;
}

static int talk_to_archiver(int fd, char **argv) {
        Config config;
        uint64_t n_acts;
        int r;

        config_set_defaults(&config);
        config.archive_permyriad = 10000;
        config.archive_bytes = number(argv, "size", GIB(10));
        config.archive_container_bytes = number(argv, "container_size", 0);
        config.archive_max_age_usec = number(argv, "age", 0) * USEC_PER_SEC;
        config.archive_rate_bps = number(argv, "rate", 0);
        if (option(argv, "directory"))
                (void) snprintf(config.archive_directory, sizeof(config.archive_directory), "%s",
                                option(argv, "directory"));
        message = (Message){.type = MESSAGE_CONFIG, .config = {.ok = true, .config = config}};
        r = message_send(fd, &message, false);
        n_acts = number(argv, "repeat", 1);
        for (uint64_t i = 0; i < n_acts + number(argv, "house", 0) && r == 0; i++) {
                ArchiveOrder order = {};

                fill_act(&order.act, argv);
                if (i >= n_acts)
                        order.act.id = 0;
                order.act.then = order.act.method;
                order.act.method = METHOD_ARCHIVE;
                order.act.is_archived = number(argv, "known", 0) ? NO : UNKNOWN;
                (void) snprintf(order.root_path, sizeof(order.root_path), "%s", argv[1]);
                (void) snprintf(order.name, sizeof(order.name), "%s", option(argv, "name") ? option(argv, "name") : "web");
                message = (Message){.type = MESSAGE_ARCHIVE};
                message.archive = order;
                r = message_send(fd, &message, false);
                if (r == 0)
                        r = next_message(fd, MESSAGE_OUTCOME);
                if (r < 0)
                        return r;
                print_outcome(&message.outcome);
                printf("to_offset=%" PRIu64 "\nsegment_inode=%" PRIu64 "\nlog_bytes=%" PRIu64 "\nfile_bytes=%" PRIu64
                       "\nelsewhere=%d\n", message.outcome.archived.to_offset, message.outcome.archived.segment_inode,
                       message.outcome.archived.log_bytes, message.outcome.archived.file_bytes,
                       message.outcome.archived.elsewhere);
        }
        return r;
}

static int verb_archive(int argc, char **argv) {
        char **wrapper = NULL;
        pid_t pid;
        int fd, r, status = 0;

        for (int i = 0; i < argc; i++)
                if (streq(argv[i], "--"))
                        wrapper = argv + i + 1;
        fd = start_worker("archiver", argv[0], wrapper, &pid);
        if (fd < 0)
                return EXIT_FAILURE;
        r = talk_to_archiver(fd, argv);
        if (r < 0)
                printf("result=gone\ntalk=%d\n", r);
        (void) close(fd);
        (void) waitpid(pid, &status, 0);
        printf("status=%d\n", status);
        return EXIT_SUCCESS;
}

static int verb_append(char **argv) {
        const bool append = streq(argv[2], "append");
        const uint64_t msec = strtoull(argv[1], NULL, 10), end = clock_monotonic_usec() + msec * 1000;
        const size_t mean = strtoull(argv[3], NULL, 10);
        struct pollfd input = {.fd = 0, .events = POLLIN};
        static char line[1 << 21];
        uint64_t i = 0, failed = 0;
        int fd;

        fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : 0), 0640);
        if (fd < 0)
                return EXIT_FAILURE;
        printf("%d\n", fd);
        (void) fflush(stdout);
        for (;; i++) {
                /* Lengths vary, so that cuts meet lines at every place. */
                int n, pad = (int) (mean + i * 7919 % (mean + 1));

                n = snprintf(line, sizeof(line), "{\"log\":\"line %" PRIu64 " %*s\\n\",\"stream\":\"stdout\","
                             "\"time\":\"2026-11-21T12:00:00.%09" PRIu64 "Z\"}\n", i, pad, "x", i % 1000000000);
                if (write(fd, line, (size_t) n) != n)
                        failed++;
                if (i % 256 != 0)
                        continue;
                if (msec > 0 ? clock_monotonic_usec() >= end : poll(&input, 1, 0) > 0)
                        break;
        }
        printf("%" PRIu64 " %" PRIu64 "\n", i + 1, failed);
        return EXIT_SUCCESS;
}

static int verb_spot(const char *path) {
        const ReadersLimits limits = {.deadline_usec = USEC_INFINITY / 2, .n_descriptors = UINT32_MAX};
        static ReadersFound found;
        static ReadersOrder order = {.n_logs = 1};
        struct stat st;
        int proc_fd, r;

        if (stat(path, &st) < 0 || writer_open_proc(&proc_fd) < 0)
                return EXIT_FAILURE;
        order.logs[0].device = st.st_dev;
        order.logs[0].inode = st.st_ino;
        (void) getppid();
        r = log_readers_scan(proc_fd, &order, &limits, &found);
        (void) getppid();
        printf("%u %u %u\n", found.n_processes, found.n_descriptors, found.logs[0].n);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc >= 8 && streq(argv[1], "act"))
                return verb_act(argc - 2, argv + 2);
        if (argc >= 8 && streq(argv[1], "archive"))
                return verb_archive(argc - 2, argv + 2);
        if (argc == 4 && streq(argv[1], "archiver"))
                return verb_archiver(argv + 2);
        if (argc == 3 && streq(argv[1], "spot"))
                return verb_spot(argv[2]);
        if (argc == 4 && streq(argv[1], "trimmer"))
                return verb_trimmer(argv + 2);
        if (argc == 6 && streq(argv[1], "append"))
                return verb_append(argv + 2);
        fprintf(stderr, "See the top of trim_driver.c\n");
        return 2;
}
