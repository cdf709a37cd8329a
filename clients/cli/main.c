/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* diskbrake: the command line of the guard. The tables of commands and options are what is parsed and
 * what --help prints. */

#include <getopt.h>
#include <locale.h>

#include "cli.h"

enum {
        STATUS = 1 << 0,
        CHECK = 1 << 1,
        TRIM = 1 << 2,
        PAUSE = 1 << 3,
        ALERTS = 1 << 4,
        EVENTS = 1 << 5,
        CONFIG = 1 << 6,
        RELOAD = 1 << 7,
        ACK = 1 << 8,
        LOGS = 1 << 9,
        REPAIR = 1 << 10,
        REPLAY = 1 << 11,
        EXPLAIN = 1 << 12,
        RECORD = 1 << 13,
        ALL = -1,
};

typedef struct Command {
        const char *name, *operands; /* as help shows them */
        int id, n_min, n_max;
        int (*run)(const Arguments *a);
        const char *help, *more;
} Command;

static const Command commands[] = {
        {"status", "", STATUS, 0, 0, command_status, "partitions, level, forecast, and the logs that grow",
                "The first line is the verdict: OK, a level, CANNOT ACT or BLIND."},
        {"check", "", CHECK, 0, 0, command_check, "one line and an exit code, for monitoring",
                "Exit code: 0 ok, 1 warning, 2 critical or blind, 3 unknown (no answer)."},
        {"explain", "[PARTITION]", EXPLAIN, 0, 1, command_explain, "why the level is what it is",
                "In sentences, with the numbers that decide, and what would change it."},
        {"logs", "NAME", LOGS, 1, 1, command_logs, "one container's log, with its archives and rotated files",
                "NAME is a container's name, its id, or the beginning of its id; also of one that was\n"
                "removed, as long as there are archives of it. In order, no line twice; also what\n"
                "`docker logs` cannot reach behind a hole. TIME is 2026-11-27T20:31:00Z, or a\n"
                "DURATION before now. On a terminal, only colours are passed on."},
        {"trim", "NAME", TRIM, 1, 1, command_trim, "free the head of one container's log now",
                "NAME is a container's name, its id, or the beginning of its id. The newest lines stay.\n"
                "METHOD is " METHODS_FOR_PEOPLE "."},
        {"repair", "NAME", REPAIR, 1, 1, command_repair, "look for torn lines in one container's log, blank them",
                "A full disk may have torn lines, and `docker logs` stops at the first. Only what no reader can\n"
                "read is touched. The guard does it by itself where it saw the disk full."},
        {"pause", "[PARTITION]", PAUSE, 0, 1, command_pause, "no acts for a while; alerts go on",
                "For a planned restore, say. It ends by itself. Without PARTITION: everywhere."},
        {"alerts", "", ALERTS, 0, 0, command_alerts, "the alerts that are open", NULL},
        {"ack", "[ID]", ACK, 0, 1, command_ack, "say that you take care of an alert",
                "ID is the number that alerts shows; without it, all open ones. It counts until the alert\n"
                "gets worse or ends. Who was first stays."},
        {"events", "", EVENTS, 0, 0, command_events, "what happened last",
                "All of it is in the journal: journalctl -u diskbrake"},
        {"config", "check [FILE] | show", CONFIG, 1, 2, command_config,
                "is the configuration right; which is in force",
                "check needs no running diskbrake; it reads FILE and the files in FILE.d."},
        {"record", "[DIRECTORY]", RECORD, 0, 1, command_record, "write down what the guard sees and decides",
                "Into a ring of files (in /var/lib/diskbrake-trace), until it is ended; - is standard\n"
                "output. diskbrake-record.service does it all the time."},
        {"replay", "[TRACE]", REPLAY, 0, 1, command_replay, "the guard's decisions over a recording",
                "TRACE is a file that record wrote, or the folder of them. Or --csv FILE, with a line for\n"
                "each sample: seconds,total_bytes,avail_bytes, and perhaps total_inodes,avail_inodes;\n"
                "then every change of the level is a line of JSON."},
        {"reload", "", RELOAD, 0, 0, command_reload, "read the configuration again",
                "What is wrong with it is said, and the old one stays."},
};

typedef enum Kind { FLAG, TEXT } Kind;

typedef struct CliOption {
        const char *name, *argument;
        char letter;
        int commands; /* which take it */
        Kind kind;
        size_t offset;
        const char *help;
} CliOption;

static const CliOption cli_options[] = {
        {"keep", "SIZE", 'k', TRIM, TEXT, offsetof(Arguments, keep), "leave at least the newest SIZE (16M)"},
        {"method", "METHOD", 'm', TRIM, TEXT, offsetof(Arguments, method),
                "how, instead of the mildest way; refused where unsafe"},
        {"dry-run", NULL, 'n', TRIM, FLAG, offsetof(Arguments, dry_run),
                "say what would be done, do nothing"},
        {"for", "DURATION", 0, PAUSE | ACK, TEXT, offsetof(Arguments, span), "for how long (30min, 2h)"},
        {"off", NULL, 0, PAUSE, FLAG, offsetof(Arguments, off), "end a pause now"},
        {"lines", "N", 'n', LOGS, TEXT, offsetof(Arguments, lines), "the last N lines"},
        {"since", "TIME", 0, LOGS, TEXT, offsetof(Arguments, since), "from then on"},
        {"until", "TIME", 0, LOGS, TEXT, offsetof(Arguments, until), "up to then"},
        {"archives-only", NULL, 0, LOGS, FLAG, offsetof(Arguments, archives_only), "only what was archived"},
        {"follow", NULL, 'f', EVENTS | LOGS, FLAG, offsetof(Arguments, follow), "go on with what happens next"},
        {"size", "SIZE", 0, RECORD, TEXT, offsetof(Arguments, size), "what all files may take (64M)"},
        {"interval", "DURATION", 0, RECORD, TEXT, offsetof(Arguments, interval), "in quiet times a sample each (10s)"},
        {"csv", "FILE", 0, REPLAY, TEXT, offsetof(Arguments, csv), "samples of a partition, as text"},
        {"config", "FILE", 'c', REPLAY, TEXT, offsetof(Arguments, config),
                "decide by this one (the recorded or shipped one)"},
        {"json", NULL, 'j', STATUS | CHECK | LOGS | TRIM | REPAIR | PAUSE | ALERTS | ACK | EVENTS | CONFIG | REPLAY | EXPLAIN,
                FLAG,
                offsetof(Arguments, json), "print JSON, for programs"},
        {"socket", "PATH", 's', ALL, TEXT, offsetof(Arguments, socket),
                "where diskbrake listens (DISKBRAKE_SOCKET)"},
        {"help", NULL, 'h', ALL, FLAG, offsetof(Arguments, help), "this text; of a command behind its name"},
        {"version", NULL, 'V', ALL, FLAG, offsetof(Arguments, version), "the version"},
};

#define N_OPTIONS ELEMENTS(cli_options)
#define LONG_BASE 256 /* codes of long options: beyond all letters */

/* ---- help --------------------------------------------------------------------------------------------- */

static void print_options(int id) {
        for (size_t i = 0; i < N_OPTIONS; i++) {
                const CliOption *o = &cli_options[i];
                char left[64];

                if (id == ALL ? o->commands != ALL : !(o->commands & id))
                        continue;
                (void) snprintf(left, sizeof(left), o->letter ? "-%c, " : "    ", o->letter);
                size_t n = strlen(left);
                (void) snprintf(left + n, sizeof(left) - n, "--%s%s%s", o->name, o->argument ? " " : "",
                        o->argument ? o->argument : "");
                printf("  %-24s %s\n", left, o->help);
        }
}

static void print_help(const Command *command) {
        if (command) {
                printf("Usage: diskbrake %s%s%s [OPTIONS]\n\n%s\n", command->name,
                        *command->operands ? " " : "", command->operands, command->help);
                if (command->more)
                        printf("%s\n", command->more);
                printf("\n");
                print_options(command->id);
                return;
        }
        printf("diskbrake keeps the partition under a Docker host from ever filling up.\n\n"
               "Usage: diskbrake COMMAND [OPTIONS]\n\n");
        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                char left[64];
                (void) snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
                printf("  %-27s %s\n", left, commands[i].help);
        }
        printf("\nWith every command:\n");
        print_options(ALL);
        printf("\nIs everything all right? diskbrake status\n");
}

/* ---- parsing ------------------------------------------------------------------------------------------ */

typedef struct Parsed {
        Arguments arguments;
        const Command *command; /* NULL: none was given */
        const char *words[8];   /* the command and its operands; more of them are too many for any command */
        int n_words;
        uint32_t used;  /* bit per option */
        char error[256]; /* the first one; empty: none */
} Parsed;

static void fail(Parsed *p, const char *what, const char *is) {
        if (!*p->error)
                (void) snprintf(p->error, sizeof(p->error), "%s %s", what, is);
}

static void take_word(Parsed *p, const char *word) {
        if (p->n_words < (int) ELEMENTS(p->words))
                p->words[p->n_words++] = word;
}

static void take_option(Parsed *p, size_t i, const char *value) {
        char *at = (char *) &p->arguments + cli_options[i].offset;

        p->used |= UINT32_C(1) << i;
        if (cli_options[i].kind == FLAG)
                *(bool *) at = true;
        else
                *(const char **) (void *) at = value;
}

/* "--socket" or "-s": what follows is no command. Of those that every command takes: only they stand in front of one. */
static bool takes_value(const char *word) {
        for (size_t i = 0; i < N_OPTIONS; i++) {
                const CliOption *o = &cli_options[i];

                if (o->kind == TEXT && o->commands == ALL &&
                    ((word[0] == '-' && word[1] == o->letter && word[1] && !word[2]) ||
                     (strncmp(word, "--", 2) == 0 && streq(word + 2, o->name))))
                        return true;
        }
        return false;
}

/* The command that is meant: options may stand in front of it, and what a letter means depends on it. */
static int guess_command(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                if (takes_value(argv[i])) {
                        i++;
                        continue;
                }
                for (size_t c = 0; c < ELEMENTS(commands); c++)
                        if (streq(argv[i], commands[c].name))
                                return commands[c].id;
        }
        return 0;
}

/* Two options may have the same letter, for different commands. */
static bool has_letter(const CliOption *o, int command) {
        for (size_t i = 0; o->letter && i < N_OPTIONS; i++)
                if (cli_options + i != o && cli_options[i].letter == o->letter)
                        return o->commands & command;
        return o->letter;
}

/* The letters and names for getopt_long(). '-': words in between are handed out in their order; ':': a
 * missing argument is told from an unknown option. */
static void build_tables(int command, char *letters, struct option *longs) {
        *letters++ = '-';
        *letters++ = ':';
        for (size_t i = 0; i < N_OPTIONS; i++) {
                const CliOption *o = &cli_options[i];
                if (has_letter(o, command)) {
                        *letters++ = o->letter;
                        if (o->kind == TEXT)
                                *letters++ = ':';
                }
                longs[i] = (struct option){o->name, o->kind == TEXT ? required_argument : no_argument, NULL,
                        LONG_BASE + (int) i};
        }
        *letters = 0;
        longs[N_OPTIONS] = (struct option){};
}

static void parse_options(Parsed *p, int argc, char **argv) {
        char letters[3 + 2 * N_OPTIONS];
        struct option longs[N_OPTIONS + 1];
        int c, command = guess_command(argc, argv);

        build_tables(command, letters, longs);
        opterr = 0;
        while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
                if (c == 1)
                        take_word(p, optarg);
                else if (c == '?')
                        fail(p, argv[optind - 1], "is not an option: diskbrake --help");
                else if (c == ':')
                        fail(p, argv[optind - 1], "needs a value: diskbrake --help");
                else
                        for (size_t i = 0; i < N_OPTIONS; i++)
                                if ((c == cli_options[i].letter && has_letter(cli_options + i, command)) ||
                                    c == LONG_BASE + (int) i)
                                        take_option(p, i, optarg);
        }
        while (optind < argc) /* behind "--" */
                take_word(p, argv[optind++]);
}

static void find_command(Parsed *p) {
        if (p->n_words == 0)
                return;
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (streq(commands[i].name, p->words[0]))
                        p->command = &commands[i];
        if (!p->command) {
                fail(p, p->words[0], "is not a command: diskbrake --help lists them");
                return;
        }

        p->arguments.operands = p->words + 1;
        p->arguments.n_operands = p->n_words - 1;
        for (size_t i = 0; i < N_OPTIONS; i++)
                if ((p->used & (UINT32_C(1) << i)) && !(cli_options[i].commands & p->command->id)) {
                        char dashed[32];
                        (void) snprintf(dashed, sizeof(dashed), "--%s", cli_options[i].name);
                        fail(p, dashed, "is not an option of this command: see its --help");
                }
        if (p->arguments.help)
                return;
        if (p->arguments.n_operands < p->command->n_min)
                fail(p, "needs", p->command->operands);
        if (p->arguments.n_operands > p->command->n_max)
                fail(p, p->arguments.operands[p->command->n_max], "is too much: see its --help");
}

static int run(const Parsed *p) {
        if (*p->error) {
                if (p->command)
                        cli_error("%s: %s", p->command->name, p->error);
                else
                        cli_error("%s", p->error);
                return p->command && p->command->id == CHECK ? CHECK_UNKNOWN : CLI_USAGE;
        }
        if (p->arguments.help) {
                print_help(p->command);
                return CLI_OK;
        }
        if (p->arguments.version) {
                printf("diskbrake %s\n", DISKBRAKE_VERSION);
                return CLI_OK;
        }
        if (!p->command) {
                cli_error("what to do? diskbrake --help lists the commands");
                return CLI_USAGE;
        }
        return p->command->run(&p->arguments);
}

int main(int argc, char **argv) {
        const char *socket_path = getenv("DISKBRAKE_SOCKET");
        Parsed p = {.arguments.socket = socket_path && *socket_path ? socket_path : CLIENT_SOCKET_DEFAULT};

        (void) setlocale(LC_CTYPE, ""); /* LC_NUMERIC stays: 1.5 is 1.5 everywhere */
        parse_options(&p, argc, argv);
        find_command(&p);
        int r = run(&p);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                cli_error("cannot write: %s", strerror(errno));
                return r == CLI_OK ? CLI_FAILED : r;
        }
        return r;
}
