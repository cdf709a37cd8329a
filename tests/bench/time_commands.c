/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*   time_commands N COMMAND [ARGUMENT...] [-- COMMAND [ARGUMENT...]]...
 *
 * Runs each of these commands once, then again, N times, so that whatever else the machine does meets all of them alike. What
 * they print is read to its end, as whoever runs them would. Prints a line for each run: the number of the command and the
 * microseconds from before its start to its end. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16

extern char **environ;

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static uint64_t time_once(char **command) {
        static char buffer[1 << 20];
        posix_spawn_file_actions_t actions;
        int ends[2], status = 0;
        uint64_t begin;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0) {
                perror("time_commands");
                exit(1);
        }
        begin = now_usec();
        if (posix_spawn(&pid, command[0], &actions, NULL, command, environ) != 0) {
                perror(command[0]);
                exit(1);
        }
        (void) close(ends[1]);
        while (read(ends[0], buffer, sizeof(buffer)) > 0)
                ;
        if (waitpid(pid, &status, 0) < 0 || status != 0) {
                fprintf(stderr, "time_commands: %s ended with %d\n", command[0], status);
                exit(1);
        }
        uint64_t took = now_usec() - begin;
        (void) close(ends[0]);
        (void) posix_spawn_file_actions_destroy(&actions);
        return took;
}

int main(int argc, char **argv) {
        char **commands[COMMANDS_MAX];
        size_t n_commands = 0;

        for (int i = 2; i < argc && n_commands < COMMANDS_MAX; i++) {
                commands[n_commands++] = argv + i;
                while (i < argc && strcmp(argv[i], "--") != 0)
                        i++;
                argv[i] = NULL;
        }
        for (size_t run = 0; argc > 2 && run < strtoul(argv[1], NULL, 10); run++)
                for (size_t i = 0; i < n_commands; i++)
                        printf("%zu %" PRIu64 "\n", i, time_once(commands[i]));
        return 0;
}
