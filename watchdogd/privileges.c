/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "macros.h"
#include "privileges.h"

#define CAP(c) (UINT64_C(1) << (c))

/* A page fault on a full or frozen root filesystem would stop the guard, so the ones that must go on lock their
 * memory; and with busy writers on all cores only real-time priority keeps a wake-up under a millisecond (99 % in
 * 0.5 ms instead of 9.5 ms). The lowest real-time priority is enough: nothing else of ours competes. */
#define REALTIME_PRIORITY 1

static const struct {
        bool root;             /* stays uid 0, else the identity's */
        uint64_t capabilities; /* all that is left */
        bool lock_memory, realtime;
        bool no_file_writes; /* RLIMIT_FSIZE 0: any write to a regular file fails, whatever its mode says */
} rights[_ROLE_MAX] = {
        [ROLE_SUPERVISOR] = {.lock_memory = true, .realtime = true, .no_file_writes = true},
        /* Reads Docker's folders (0710, 0640) and dockerd's descriptors; writes nothing. */
        [ROLE_WATCHER] = {.capabilities = CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_PTRACE),
                          .lock_memory = true, .realtime = true, .no_file_writes = true},
        /* uid 0 owns Docker's logs; DAC_OVERRIDE and LEASE are for those of userns-remap, PTRACE for dockerd's
         * fdinfo. uid 0 without CAP_SYS_RESOURCE may still use ext4's reserved blocks. */
        [ROLE_TRIMMER] = {.root = true, .capabilities = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_LEASE) | CAP(CAP_SYS_PTRACE),
                          .lock_memory = true, .realtime = true},
        [ROLE_READER] = {.root = true, .no_file_writes = true},
        [ROLE_FINDER] = {.root = true, .capabilities = CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_PTRACE),
                         .no_file_writes = true},
        [ROLE_VERSION] = {.root = true, .no_file_writes = true},
        /* Reads logs of any owner (userns-remap); its own folder belongs to uid 0. */
        [ROLE_ARCHIVER] = {.root = true, .capabilities = CAP(CAP_DAC_READ_SEARCH)},
        /* Sees the descriptors of all processes, and which file of a container's folder is whose; writes nothing. */
        [ROLE_SPOTTER] = {.capabilities = CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_PTRACE), .no_file_writes = true},
        /* Sees what all processes have open and how much they write; writes nothing. */
        [ROLE_SURVEYOR] = {.capabilities = CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_PTRACE), .no_file_writes = true},
        [ROLE_CRIER] = {.no_file_writes = true}, /* the kernel log is no regular file */
};

int identity_resolve(Identity *ret_identity) {
        const struct passwd *pw = getpwnam("diskbrake");
        bool nobody = !pw;

        if (!pw)
                pw = getpwnam("nobody");
        if (!pw)
                return -ESRCH;
        *ret_identity = (Identity){.uid = pw->pw_uid, .gid = pw->pw_gid, .is_nobody = nobody};
        return 0;
}

static int capabilities_set(uint64_t set) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {};

        for (int i = 0; i < 2; i++)
                data[i].effective = data[i].permitted = (uint32_t) (set >> (32 * i));
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int bounding_set_drop(uint64_t keep) {
        for (unsigned c = 0;; c++) {
                int r = prctl(PR_CAPBSET_READ, c, 0, 0, 0);

                if (r < 0)
                        return errno == EINVAL ? 0 : -errno; /* EINVAL: the kernel knows no more of them */
                if (r > 0 && !(keep & CAP(c)) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
                        return -errno;
        }
}

/* With MCL_FUTURE every allocation counts against the limit, so that a small one (8 MiB by default, which no longer
 * leaves root free once it has changed its uid) would make them fail: then only what is there now is locked. */
static void memory_lock(void) {
        const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        struct rlimit limit = {};

        (void) setrlimit(RLIMIT_MEMLOCK, &unlimited);
        (void) getrlimit(RLIMIT_MEMLOCK, &limit);
        (void) mlockall(limit.rlim_cur == RLIM_INFINITY ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT);
}

static void scheduling_take(Role role) {
        if (rights[role].realtime) {
                struct sched_param param = {.sched_priority = REALTIME_PRIORITY};

                /* Refused in a cgroup without a real-time budget: the guard is then slower, not blind. */
                (void) sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
        }
        if (rights[role].lock_memory)
                memory_lock();
}

static bool output_is_file(void) {
        struct stat st;

        return (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode)) ||
                (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode));
}

int privileges_drop(Role role, const Identity *identity) {
        uint64_t keep = rights[role].capabilities;
        int r;

        scheduling_take(role);
        /* By hand with its output in a file, the supervisor may write there: nowhere else, it opens nothing. */
        if (rights[role].no_file_writes && !(role == ROLE_SUPERVISOR && output_is_file())) {
                const struct rlimit none = {0, 0};

                if (setrlimit(RLIMIT_FSIZE, &none) < 0)
                        return -errno;
        }
        r = bounding_set_drop(keep);
        if (r < 0)
                return r;
        if (setgroups(0, NULL) < 0 && errno != EPERM)
                return -errno;
        if (!rights[role].root) {
                if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
                    setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
                    setresuid(identity->uid, identity->uid, identity->uid) < 0)
                        return -errno;
        }
        if (rights[role].root && setresuid(0, 0, 0) < 0) /* the launcher's real uid is another one */
                return -errno;
        r = capabilities_set(keep);
        if (r < 0)
                return r;
        (void) prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* setresuid cleared it; without it /proc/PID of these processes would belong to root, and core dumps of a
         * process that has seen other people's data are nobody's business anyway. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return 0;
}
