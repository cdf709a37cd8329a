/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of all keys, and the way from text to struct through it.
 *
 * inih splits the lines. What it would do silently is done here before it sees them: it cuts lines at 200
 * bytes and section names at 49, takes an indented line for more of the value before it, ignores what
 * stands behind a section's ']', and says nothing of a section without keys. So each line comes to it
 * stripped, and sections never. */

#include "config_parse.h"

#include <assert.h>
#include <ini.h>

#include "config_value.h"
#include "macros.h"
#include "text.h"

typedef struct ConfigKey {
        const char *section; /* of the rules: their kind */
        const char *key;
        const ConfigKind *kind;
        size_t first, second; /* offsets in Config; of the rules' keys in ConfigRule */
} ConfigKey;

#define FIELD(field) offsetof(Config, field), 0
#define FIELDS(a, b) offsetof(Config, a), offsetof(Config, b)
#define LIST(field) offsetof(Config, field), offsetof(Config, n_##field)
#define LEVEL_FREE(l) FIELDS(levels[l].free_permyriad, levels[l].free_bytes)
#define RULE(field) offsetof(ConfigRule, field), 0

static const ConfigKey keys[] = {
        { "Watchdog", "Mode", &config_kind_mode, FIELD(mode) },
        { "Watchdog", "DataRoot", &config_kind_paths, LIST(data_roots) },
        { "Watchdog", "WatchPath", &config_kind_paths, LIST(watch_paths) },
        { "Levels", "NoticeFree", &config_kind_free, LEVEL_FREE(LEVEL_NOTICE) },
        { "Levels", "NoticeWithin", &config_kind_span, FIELD(levels[LEVEL_NOTICE].within_usec) },
        { "Levels", "WarningFree", &config_kind_free, LEVEL_FREE(LEVEL_WARNING) },
        { "Levels", "WarningWithin", &config_kind_span, FIELD(levels[LEVEL_WARNING].within_usec) },
        { "Levels", "CriticalFree", &config_kind_free, LEVEL_FREE(LEVEL_CRITICAL) },
        { "Levels", "CriticalWithin", &config_kind_span, FIELD(levels[LEVEL_CRITICAL].within_usec) },
        { "Levels", "EmergencyFree", &config_kind_free, LEVEL_FREE(LEVEL_EMERGENCY) },
        { "Levels", "EmergencyWithin", &config_kind_span, FIELD(levels[LEVEL_EMERGENCY].within_usec) },
        { "Levels", "ClearHold", &config_kind_span, FIELD(clear_hold_usec) },
        { "Trim", "Policy", &config_kind_policy, FIELD(policy) },
        { "Trim", "Keep", &config_kind_bytes, FIELD(keep_bytes) },
        { "Trim", "EmergencyKeep", &config_kind_bytes, FIELD(emergency_keep_bytes) },
        { "Trim", "MaxLogSize", &config_kind_bytes, FIELD(max_log_bytes) },
        { "Trim", "Cooldown", &config_kind_span, FIELD(cooldown_usec) },
        { "Trim", "ArchiveDirectory", &config_kind_path, FIELD(archive_directory) },
        { "Trim", "ArchiveSize", &config_kind_ballast, FIELDS(archive_permyriad, archive_bytes) },
        { "Trim", "ArchiveContainerSize", &config_kind_bytes, FIELD(archive_container_bytes) },
        { "Trim", "ArchiveMaxAge", &config_kind_span, FIELD(archive_max_age_usec) },
        { "Trim", "ArchiveRate", &config_kind_bytes, FIELD(archive_rate_bps) },
        { "Trim", "TrustLabels", &config_kind_patterns, LIST(trust_labels) },
        { "Ballast", "Size", &config_kind_ballast, FIELDS(ballast_permyriad, ballast_bytes) },
        { "Attribution", "CPU", &config_kind_share, FIELD(attribution_cpu_permyriad) },
        { "Attribution", "Read", &config_kind_bytes, FIELD(attribution_read_bytes) },
        { "Deadlines", "Watcher", &config_kind_span, FIELD(watcher_deadline_usec) },
        { "Deadlines", "Trimmer", &config_kind_span, FIELD(trimmer_deadline_usec) },
        { "Container", "Policy", &config_kind_policy, RULE(policy) },
        { "Container", "Keep", &config_kind_bytes, RULE(keep_bytes) },
        { "Container", "MaxLogSize", &config_kind_bytes, RULE(max_log_bytes) },
        { "Image", "Policy", &config_kind_policy, RULE(policy) },
        { "Image", "Keep", &config_kind_bytes, RULE(keep_bytes) },
        { "Image", "MaxLogSize", &config_kind_bytes, RULE(max_log_bytes) },
};

typedef struct Parser {
        const char *next, *end;
        unsigned line;
        const char *section; /* as it stands in the table; NULL: none yet */
        ConfigRule *rule;    /* of a [Container ...] or [Image ...] */
        Config *config;
        ConfigError *error;
        bool failed; /* the first error is the one that is told */
} Parser;

static Text parser_fail(Parser *p) {
        p->failed = true;
        p->error->line = p->line;
        return text_over(p->error->message, sizeof(p->error->message));
}

static char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c; }

/* How many letters must be added, dropped or changed to make one word of the other. Words beyond the
 * longest that could be meant are no near miss of anything. */
static size_t word_distance(const char *a, const char *b) {
        enum { WORD_MAX = 24 };
        size_t n_a = strlen(a), n_b = strlen(b), row[WORD_MAX + 1];

        if (n_a > WORD_MAX || n_b > WORD_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t change = diagonal + (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]));
                        size_t add_or_drop = MIN(row[j], row[j - 1]) + 1;

                        diagonal = row[j];
                        row[j] = MIN(change, add_or_drop);
                }
        }
        return row[n_b];
}

/* The nearer of best and word, if it is near enough to be what was meant: a letter in three is wrong at
 * most. */
static const char *word_nearer(const char *typed, const char *word, const char *best, size_t *distance) {
        size_t d = word_distance(typed, word);

        if (d >= *distance || d > MAX(strlen(word) / 3, (size_t) 1))
                return best;
        *distance = d;
        return word;
}

static void fail_unknown_section(Parser *p, const char *name) {
        const char *nearest = NULL;
        size_t distance = SIZE_MAX;
        Text message = parser_fail(p);

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                nearest = word_nearer(name, keys[i].section, nearest, &distance);
        text_appendf(&message, "unknown section [%.64s]; ", name);
        if (nearest)
                text_appendf(&message, "did you mean [%s]?", nearest);
        else
                text_append(&message, "expected [Watchdog], [Levels], [Trim], [Ballast], [Deadlines], "
                                      "[Container PATTERN] or [Image PATTERN]");
}

static void fail_unknown_key(Parser *p, const char *name) {
        const char *nearest = NULL, *home = NULL;
        size_t distance = SIZE_MAX;
        Text message = parser_fail(p);

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                if (streq(keys[i].section, p->section))
                        nearest = word_nearer(name, keys[i].key, nearest, &distance);
                else if (!home && streq(keys[i].key, name))
                        home = keys[i].section;
        }
        text_appendf(&message, "unknown key '%.64s' in [%s]; ", name, p->section);
        if (home)
                text_appendf(&message, "%s= belongs into [%s]", name, home);
        else if (nearest)
                text_appendf(&message, "did you mean %s=?", nearest);
        else {
                text_append(&message, "expected one of");
                for (size_t i = 0; i < ELEMENTS(keys); i++)
                        if (streq(keys[i].section, p->section))
                                text_appendf(&message, " %s=", keys[i].key);
        }
}

static bool section_has_pattern(const char *section) {
        return streq(section, "Container") || streq(section, "Image");
}

static void rule_open(Parser *p, const char *pattern) {
        Text message;

        if (pattern[0] == 0) {
                message = parser_fail(p);
                text_appendf(&message, "[%s] needs a pattern: expected [%s web-*]", p->section, p->section);
        } else if (strlen(pattern) >= CONFIG_PATTERN_MAX) {
                message = parser_fail(p);
                text_appendf(&message, "the pattern is %zu bytes long, at most %d are possible",
                                strlen(pattern), CONFIG_PATTERN_MAX - 1);
        } else if (p->config->n_rules >= CONFIG_RULES_MAX) {
                message = parser_fail(p);
                text_appendf(&message, "more than %d [Container] and [Image] sections", CONFIG_RULES_MAX);
        } else {
                p->rule = &p->config->rules[p->config->n_rules++];
                *p->rule = (ConfigRule){
                        .by_image = streq(p->section, "Image"),
                        .policy = _POLICY_INVALID,
                        .keep_bytes = CONFIG_KEEP_UNSET,
                        .max_log_bytes = CONFIG_KEEP_UNSET,
                };
                strcpy(p->rule->pattern, pattern);
        }
}

/* line: "[...", stripped; its copy is cut into pieces here. */
static void section_open(Parser *p, char *line) {
        char *name = line + 1, *pattern, *close = strpbrk(name, "[]");
        Text message;

        if (!close || *close != ']' || close[1] != 0) {
                message = parser_fail(p);
                text_appendf(&message, "'%.100s' is no section; expected a [Name] and nothing behind it",
                                line);
                return;
        }
        do
                *close-- = 0;
        while (close > name && strchr(" \t", *close));
        name += strspn(name, " \t");
        pattern = name + strcspn(name, " \t");

        p->section = NULL;
        p->rule = NULL;
        for (size_t i = 0; i < ELEMENTS(keys) && !p->section; i++)
                if (strlen(keys[i].section) == (size_t) (pattern - name) &&
                                memcmp(keys[i].section, name, (size_t) (pattern - name)) == 0)
                        p->section = keys[i].section;
        if (p->section && section_has_pattern(p->section))
                rule_open(p, pattern + strspn(pattern, " \t"));
        else if (!p->section || *pattern) {
                if (*pattern && !p->section)
                        *pattern = 0; /* what was meant is to be found by its first word */
                fail_unknown_section(p, name);
        }
}

/* Only text: a byte that shows as nothing, or as something else, is an error. Tabs are blanks. */
static bool line_check_bytes(Parser *p, const char *line, size_t n_bytes) {
        size_t i = 0;

        for (;;) {
                Text message;

                i += text_clean_bytes(line + i, n_bytes - i);
                if (i == n_bytes)
                        return true;
                if (line[i] == '\t') {
                        i++;
                        continue;
                }
                message = parser_fail(p);
                text_appendf(&message, "byte %zu of the line (0x%02x) is %s; expected UTF-8 text", i + 1,
                                (unsigned) (unsigned char) line[i],
                                (unsigned char) line[i] < 0x80 ? "a control character"
                                                              : "no valid UTF-8 or an invisible character");
                return false;
        }
}

/* Without the blanks around it and without a comment. */
static void line_strip(const char **line, size_t *n_bytes) {
        const char *s = *line;
        size_t n = *n_bytes;

        while (n > 0 && (*s == ' ' || *s == '\t')) {
                s++;
                n--;
        }
        for (size_t i = 0; i < n; i++)
                if ((s[i] == '#' || s[i] == ';') && (i == 0 || s[i - 1] == ' ' || s[i - 1] == '\t')) {
                        n = i;
                        break;
                }
        while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
                n--;
        *line = s;
        *n_bytes = n;
}

static bool line_take(Parser *p, const char *line, size_t n_bytes, char *buf, size_t buf_bytes) {
        Text message;

        if (n_bytes > 0 && line[n_bytes - 1] == '\r')
                n_bytes--;
        if (!line_check_bytes(p, line, n_bytes))
                return false;
        line_strip(&line, &n_bytes);
        if (n_bytes + 3 > buf_bytes) { /* inih wants room for "\r\n" and the NUL */
                message = parser_fail(p);
                text_appendf(&message, "the line is %zu bytes long, at most %zu are possible", n_bytes,
                                buf_bytes - 3);
                return false;
        }
        memcpy(buf, line, n_bytes);
        buf[n_bytes] = 0;
        if (buf[0] == '[') {
                section_open(p, buf);
                buf[0] = 0;
        } else if (buf[0] && buf[strcspn(buf, "=:")] != '=') { /* inih would take a ':' too */
                message = parser_fail(p);
                text_appendf(&message, "'%.100s' is neither; expected Key=value, [Section] or a # comment",
                                buf);
        }
        return !p->failed;
}

/* ini_reader: one line a call. */
static char *parser_read_line(char *buf, int buf_bytes, void *stream) {
        Parser *p = stream;
        const char *line = p->next, *newline;
        size_t n_bytes;

        if (p->failed || p->next == p->end)
                return NULL;
        newline = memchr(line, '\n', (size_t) (p->end - line));
        n_bytes = (size_t) ((newline ? newline : p->end) - line);
        p->next = newline ? newline + 1 : p->end;
        p->line++;
        return line_take(p, line, n_bytes, buf, (size_t) buf_bytes) ? buf : NULL;
}

static void fail_value(Parser *p, const ConfigKey *key, const char *value, int r) {
        Text message = parser_fail(p);

        if (r == -ENOSPC)
                text_appendf(&message, "%s=%.80s is one too many for the list", key->key, value);
        else if (r == -ENAMETOOLONG)
                text_appendf(&message, "%s=%.80s... is too long", key->key, value);
        else
                text_appendf(&message, "%s=%.80s %s; expected %s", key->key, value,
                                r == -ERANGE ? "is too large" : "is not understood", key->kind->expected);
}

/* ini_handler. The section is the parser's own: inih never saw one. */
static int parser_take_key(
                void *user, _unused_ const char *no_section, const char *name, const char *value) {
        Parser *p = user;
        const ConfigKey *key = NULL;
        size_t length = strlen(value);
        char unquoted[256];
        char *base;
        int r;

        if (p->failed)
                return 0;
        if (!p->section) {
                Text message = parser_fail(p);
                text_appendf(&message, "%.64s= stands before any section; expected a [Section] first", name);
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(keys) && !key; i++)
                if (streq(keys[i].section, p->section) && streq(keys[i].key, name))
                        key = &keys[i];
        if (!key) {
                fail_unknown_key(p, name);
                return 0;
        }
        if (length >= 2 && length < sizeof(unquoted) && value[0] == '"' && value[length - 1] == '"') {
                memcpy(unquoted, value + 1, length - 2);
                unquoted[length - 2] = 0;
                value = unquoted;
        }
        base = p->rule ? (char *) p->rule : (char *) p->config;
        r = key->kind->parse(value, base + key->first, base + key->second);
        if (r < 0)
                fail_value(p, key, value, r);
        return r >= 0;
}

int config_parse(const char *text, size_t n_bytes, Config *config, ConfigError *ret_error) {
        Config parsed = *config;
        ConfigError error = {};
        Parser p = { .next = text, .end = text ? text + n_bytes : NULL, .config = &parsed, .error = &error };
        int r;

        assert(text || n_bytes == 0);

        if (n_bytes == 0)
                return 0;
        if (n_bytes > CONFIG_FILE_MAX_BYTES) {
                Text message = parser_fail(&p);
                text_appendf(&message, "the file is larger than %d bytes; expected a configuration",
                                CONFIG_FILE_MAX_BYTES);
        } else {
                if (n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
                        p.next += 3; /* the mark with which some editors begin a file */
                r = ini_parse_stream(parser_read_line, &p, parser_take_key, &p);
                if (r == -2)
                        return -ENOMEM;
                if (r != 0 && !p.failed) { /* every line was looked at before inih saw it */
                        Text message = parser_fail(&p);
                        text_append(&message, "not understood; expected Key=value or [Section]");
                }
        }
        if (p.failed) {
                /* What it quotes may have a tab in it, or end in the middle of a character. */
                ret_error->line = error.line;
                (void) text_sanitize(ret_error->message, sizeof(ret_error->message), error.message,
                                strlen(error.message));
                return CONFIG_PARSE_E_INVALID;
        }
        *config = parsed;
        return 0;
}
