/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people see, compared whole: JSON in, text out. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <time.h>

#include "explain.h"
#include "render_check.h"
#include "render_explain.h"
#include "render_events.h"
#include "render_status.h"

#define CALM                                                                                                \
        "{'mount':'/var/lib/docker','roots':['/var/lib/docker'],'level':'ok','state':'guarding',"           \
        "'state_detail':'','total_bytes':107374182400,'free_bytes':68719476736,'avail_bytes':63350767616,"  \
        "'total_inodes':6553600,'avail_inodes':6000000,'fill_bps':0,'time_to_full_sec':null,"               \
        "'inodes_full_sec':null,'act_below_bytes':10737418240,'target_bytes':16106127360,"                  \
        "'freed_total_bytes':0,'acts_total':0,'paused_for_sec':null,'logs_total':2,'logs':["                \
        "{'name':'web (compose shop/web)','id':'4f1c','driver':'json-file','running':true,"                 \
        "'allocated_bytes':9663676416,'hole_bytes':0,'growth_bps':0,'share':0,'protected':false},"          \
        "{'name':'db','id':'0b1c','driver':'local','running':false,'allocated_bytes':224395264,"            \
        "'hole_bytes':0,'growth_bps':0,'share':0,'protected':false}]}"
#define FLOOD                                                                                               \
        "{'mount':'/var/lib/docker','roots':['/var/lib/docker'],'level':'critical','state':'guarding',"     \
        "'state_detail':'','total_bytes':107374182400,'free_bytes':9000000000,'avail_bytes':8589934592,"    \
        "'total_inodes':1000,'avail_inodes':100,'fill_bps':224395264,'time_to_full_sec':[38.2,41],"         \
        "'inodes_full_sec':[7200,1e9],'act_below_bytes':10737418240,'target_bytes':16106127360,"            \
        "'freed_total_bytes':3221225472,'acts_total':1,'paused_for_sec':null,'logs_total':120,'logs':["     \
        "{'name':'a-container-with-a-name-that-is-longer-than-its-column','id':'4f1c','driver':'json-file',"\
        "'running':true,'allocated_bytes':9663676416,'hole_bytes':4096,'growth_bps':204472320,'share':0.91,"\
        "'protected':false},"                                                                               \
        "{'name':'db','id':'0b1c','driver':'json-file','running':true,'allocated_bytes':224395264,"         \
        "'hole_bytes':0,'growth_bps':81920,'share':0.0004,'protected':true},"                               \
        "{'name':'still','id':'0b1c','driver':'json-file','running':true,'allocated_bytes':1024,"           \
        "'hole_bytes':0,'growth_bps':0,'share':0,'protected':false}]}"
#define VOLUME                                                                                              \
        "{'mount':'/srv','roots':['/srv'],'level':'warning','reason':'forecast','level_since_sec':42,'state':'guarding',"\
        "'state_detail':'','total_bytes':107374182400,'avail_bytes':53687091200,'fill_bps':104857600,"      \
        "'time_to_full_sec':[300,720],'act_below_bytes':10737418240,'target_bytes':16106127360,'logs_total':0,'logs':[],"\
        "'filling':{'shape':'straight','since_sec':500,'taken':53687091200,'free_before':107374182400,'survived':false,'alarmed':true},"\
        "'levels':[{'level':'critical','below_bytes':10737418240,'within_sec':600}],'away_sec':30,"         \
        "'survey':{'age_sec':12,'window_sec':0.5,'complete':true,'causes':["                                \
        "{'cause':'volume','says':'the volume `pgdata` of `db`','details':'base/16384/2619, by postgres (pid 812), 91 MiB/s',"\
        "'share':0.91,'held_bytes':0},{'cause':'deleted','says':'deleted files that java (pid 9) keeps open',"\
        "'details':'/tmp/x, 4 GiB in all, 9 MiB/s','share':0.09,'held_bytes':4294967296},"                  \
        "{'cause':'journal','says':'the systemd journal','details':'','share':0.001,'held_bytes':0}]}}"
#define BLIND                                                                                               \
        "{'mount':'/srv','roots':[],'level':'ok','state':'blind','state_detail':'stuck in statvfs on /srv " \
        "since 14 s','total_bytes':1073741824,'avail_bytes':536870912,'fill_bps':0,'logs_total':0,'logs':[]}"
#define DEGRADED                                                                                            \
        "{'mount':'/srv','roots':['/srv'],'level':'warning','state':'degraded','state_detail':'cannot act: "\
        "stuck in fallocate on the log of web since 14 s','total_bytes':1073741824,'avail_bytes':107374182,"\
        "'fill_bps':1048576,'time_to_full_sec':null,'logs_total':0,'logs':[]}"
#define GUARD(mode, partitions, events, notes)                                                              \
        "{'version':'0.1.0','mode':'" mode "','uptime_sec':273600,'partitions':[" partitions "],"           \
        "'last_events':[" events "],'notes':[" notes "]}"
#define EVENT                                                                                               \
        "{'event_id':4,'time_usec':1763720000000000,'priority':2,'message':'/var/lib/docker is full in "    \
        "4 min: 91 % of the growth is the log of `web` (7.1 KiB lines, 195 MiB/s)'}"

static const Style ascii = {.now_usec = 1763721000000000},
        unicode = {.unicode = true, .now_usec = 1763721000000000},
                   colour = {.colour = true, .unicode = true, .now_usec = 1763721000000000};

/* ' stands for ": C text stays readable. */
static cJSON *json_of(const char *text) {
        char *copy = strdup(text);
        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        cJSON *json = cJSON_Parse(copy);
        free(copy);
        assert_non_null(json);
        return json;
}

static void check_text(const char *got, const char *expected) {
        if (!streq(got, expected))
                fail_msg("\n--- got ---\n%s--- expected ---\n%s", got, expected);
}

static void check_status(const Style *style, const char *text, const char *expected) {
        char *page = NULL;
        size_t n;
        cJSON *json = json_of(text);
        FILE *out = open_memstream(&page, &n);
        render_status(out, style, json);
        (void) fclose(out);
        check_text(page, expected);
        free(page);
        cJSON_Delete(json);
}

static void a_calm_host_says_ok_in_the_first_line(void **state) {
        (void) state;
        check_status(&unicode, GUARD("enforce", CALM, "", ""),
                "OK  guarding 1 partition\n"
                "\n"
                "/var/lib/docker  ok\n"
                "████████████████▍░░░░░░░░░░░░░░░░░░░┊░░░  41 % full, 59 GiB free of 100 GiB\n"
                "not filling\n"
                "guarding: acts below 10 GiB free, up to 15 GiB\n"
                "  largest logs (none grows)              growth       size   share\n"
                "  web (compose shop/web)                      -      9 GiB       -\n"
                "  db                                          -    214 MiB       -  never cut\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void a_flood_says_when_it_is_full_and_who_it_is(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce", FLOOD, EVENT, "'`/srv` is not guarded'"),
                "CRITICAL  /var/lib/docker is full in 38 to 41 s; the guard is at work\n"
                "\n"
                "/var/lib/docker  critical\n"
                "####################################|...  92 % full, 8 GiB free of 100 GiB\n"
                "filling at 214 MiB/s, full in 38 to 41 s\n"
                "inodes: 90 % used, none left in 2 h or more\n"
                "guarding: acts below 10 GiB free, up to 15 GiB\n"
                "freed 3 GiB so far, in 1 act\n"
                "  what grows                             growth       size   share\n"
                "  a-container-with-a-name-that-is~    195 MiB/s      9 GiB    91 %  has a hole\n"
                "  db                                   80 KiB/s    214 MiB     0 %  protected\n"
                "  and 118 more\n"
                "\n"
                "note: `/srv` is not guarded\n"
                "\n"
                "what happened last\n"
                "10:13:20  critical   /var/lib/docker is full in 4 min: 91 % of the growth is the\n"
                "                     log of `web` (7.1 KiB lines, 195 MiB/s)\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void what_grows_beside_logs_is_named_in_status_and_explained(void **state) {
        char *page = NULL;
        size_t n;

        (void) state;
        check_status(&ascii, GUARD("enforce", VOLUME, "", ""),
                "WARNING  /srv is full in 5 to 12 min; the guard is at work\n"
                "\n"
                "/srv  warning\n"
                "####################................|...  50 % full, 50 GiB free of 100 GiB\n"
                "filling at 100 MiB/s, full in 5 to 12 min\n"
                "growing: 91 % the volume `pgdata` of `db` (base/16384/2619, by postgres (pid\n"
                "  812), 91 MiB/s)\n"
                "growing: 9 % deleted files that java (pid 9) keeps open (/tmp/x, 4 GiB in all, 9\n"
                "  MiB/s)\n"
                "guarding: acts below 10 GiB free, up to 15 GiB\n"
                "  no container has a log here yet\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
        cJSON *json = json_of(VOLUME);
        FILE *out = open_memstream(&page, &n);
        render_explain(out, &ascii, json);
        (void) fclose(out);
        check_text(page,
                "/srv is at warning, for 42 s now.\n"
                "\n"
                "space     50 GiB of 100 GiB are free, 50 %.\n"
                "pace      It fills at 100 MiB/s and is full in 5 to 12 min (right 8 times of\n"
                "          10).\n"
                "shape     Within 8 min 50 GiB of the 100 GiB that were free then went, in all\n"
                "          quarters of that time alike: that is the shape of a fill. It counts as\n"
                "          one until most of that is given back, or nothing comes any more for as\n"
                "          long again.\n"
                "cause     91 % of the growth is the volume `pgdata` of `db` (base/16384/2619, by\n"
                "          postgres (pid 812), 91 MiB/s); 9 % deleted files that java (pid 9)\n"
                "          keeps open (/tmp/x, 4 GiB in all, 9 MiB/s).\n"
                "survey    What is no log was looked for in what all processes have open and\n"
                "          write, for 500 ms, 12 s ago.\n"
                "held      4 GiB are in deleted files that java (pid 9) keeps open: they are\n"
                "          given back when it ends.\n"
                "worse     critical begins below 10 GiB free, or full within 10 min.\n"
                "better    warning is left once its cause was gone for 30 s.\n"
                "acts      While it falls, the guard frees from logs below 10 GiB free, up to 15\n"
                "          GiB.\n");
        free(page);
        cJSON_Delete(json);
}

static void check_explained(const char *text, const char *expected) {
        cJSON *json = json_of(text);
        char *page = NULL;
        size_t n;
        FILE *out = open_memstream(&page, &n);

        render_explain(out, &ascii, json);
        (void) fclose(out);
        check_text(page, expected);
        free(page);
        cJSON_Delete(json);
}

static void what_is_not_so_is_not_explained(void **state) {
        (void) state;
        /* What it knows is old. */
        check_explained("{'mount':'/srv','level':'ok','reason':'none','state':'blind','state_detail':'blind: a watcher is stuck in statvfs "
                        "since 14 s','total_bytes':107374182400,'avail_bytes':53687091200,'fill_bps':0,'logs':[],"
                        "'levels':[{'level':'notice','below_bytes':26843545600,'within_sec':86400}],'away_sec':30}",
                "/srv is not being seen; it was at ok.\n"
                "\n"
                "blind     The guard does not see it now: a watcher is stuck in statvfs since 14\n"
                "          s. All that follows is what it saw last.\n"
                "space     50 GiB of 100 GiB are free, 50 %.\n"
                "pace      It does not fill.\n"
                "worse     notice begins below 25 GiB free, or full within 24 h.\n");
        /* A level that is only kept, and a pause. */
        check_explained("{'mount':'/srv','level':'warning','reason':'forecast','level_since_sec':600,'state':'guarding','state_detail':'',"
                        "'total_bytes':107374182400,'avail_bytes':96636764160,'fill_bps':0,'act_below_bytes':10737418240,"
                        "'target_bytes':16106127360,'paused_for_sec':300,'filling':null,'logs':[],'levels':["
                        "{'level':'critical','below_bytes':10737418240,'within_sec':600}],'away_sec':900}",
                "/srv is at warning, for 10 min now.\n"
                "\n"
                "space     90 GiB of 100 GiB are free, 90 %.\n"
                "pace      It does not fill.\n"
                "shape     What raised it does not go on: warning is kept until that was so for\n"
                "          long enough.\n"
                "worse     critical begins below 10 GiB free, or full within 10 min.\n"
                "better    warning is left once its cause was gone for 15 min: longer than at\n"
                "          first, since it came back before.\n"
                "acts      Nothing is freed for another 5 min, by a pause; alerts go on.\n");
        /* Nothing was seen yet. */
        check_explained("{'mount':'/srv','level':'ok','reason':'none','state':'guarding','state_detail':'','total_bytes':0,'avail_bytes':0,"
                        "'fill_bps':0,'logs':[],'levels':[{'level':'notice','below_bytes':0,'within_sec':86400}],'away_sec':30}",
                "/srv is at ok, for 0 s now.\n"
                "\n"
                "space     It has not been measured yet.\n");
}

static void blind_is_said_first_and_never_looks_calm(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce", CALM "," BLIND, "", ""),
                "BLIND  /srv is not being seen: stuck in statvfs on /srv since 14 s\n"
                "\n"
                "/var/lib/docker  ok\n"
                "################....................|...  41 % full, 59 GiB free of 100 GiB\n"
                "not filling\n"
                "guarding: acts below 10 GiB free, up to 15 GiB\n"
                "  largest logs (none grows)              growth       size   share\n"
                "  web (compose shop/web)                      -      9 GiB       -\n"
                "  db                                          -    214 MiB       -  never cut\n"
                "\n"
                "/srv  level unknown\n"
                "what was seen last:\n"
                "####################....................  50 % full, 512 MiB free of 1 GiB\n"
                "blind: stuck in statvfs on /srv since 14 s\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void what_cannot_act_says_so_with_the_level(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce", DEGRADED, "", ""),
                "WARNING, CANNOT ACT  /srv; stuck in fallocate on the log of web since 14 s\n"
                "\n"
                "/srv  warning\n"
                "####################################....  90 % full, 102 MiB free of 1 GiB\n"
                "filling at 1 MiB/s, too early to tell when it is full\n"
                "cannot act: stuck in fallocate on the log of web since 14 s\n"
                "  no container has a log here yet\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void a_host_without_docker_is_told_what_to_do(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce", "", "", ""),
                "NOTHING TO GUARD  no partition is being watched\n"
                "\n"
                "No Docker was found, or its folder cannot be trusted. Say which one to guard:\n"
                "  in /etc/diskbrake/diskbrake.conf    [Watchdog]\n"
                "                                      DataRoot=/var/lib/docker\n"
                "  and then                            sudo diskbrake reload\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void the_first_line_is_about_the_worst(void **state) {
        static const struct {
                const char *guard, *begin;
        } cases[] = {
                {GUARD("enforce", FLOOD "," BLIND, "", ""), "BLIND  /srv"},
                {GUARD("enforce", BLIND "," FLOOD, "", ""), "BLIND  /srv"},
                {GUARD("enforce", DEGRADED "," FLOOD, "", ""), "CRITICAL  /var/lib/docker"},
                {GUARD("enforce", CALM "," DEGRADED, "", ""), "WARNING, CANNOT ACT  /srv"},
                {GUARD("observe", CALM "," CALM, "", ""), "OK  observing 2 partitions: alerts, but no acts"},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char *page = NULL;
                size_t n;
                cJSON *json = json_of(cases[i].guard);
                FILE *out = open_memstream(&page, &n);
                render_status(out, &ascii, json);
                (void) fclose(out);
                page[MIN(strlen(cases[i].begin), n)] = 0;
                assert_string_equal(page, cases[i].begin);
                free(page);
                cJSON_Delete(json);
        }
}

static size_t longest_line(const char *page) {
        size_t longest = 0;
        while (*page) {
                char line[4096];
                size_t n = strcspn(page, "\n");
                assert_true(n < sizeof(line));
                memcpy(line, page, n);
                line[n] = 0;
                longest = MAX(longest, render_width(line));
                page += n + (page[n] != 0);
        }
        return longest;
}

static void every_page_fits_80_columns(void **state) {
        static const char *const pages[] = {
                GUARD("enforce", CALM, EVENT,
                        "'a note that goes on and on and on and on and on and on and on and on and on'"),
                GUARD("observe", FLOOD, EVENT, ""),
                GUARD("enforce", BLIND "," DEGRADED "," FLOOD, EVENT, ""),
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(pages); i++) {
                char *page = NULL;
                size_t n;
                cJSON *json = json_of(pages[i]);
                FILE *out = open_memstream(&page, &n);
                render_status(out, &unicode, json);
                (void) fclose(out);
                if (longest_line(page) > 80)
                        fail_msg("%s", page);
                free(page);
                cJSON_Delete(json);
        }
}

static void a_hostile_answer_neither_crashes_nor_reaches_the_terminal(void **state) {
        static const char *const pages[] = {
                "{}", "{'partitions':3,'last_events':'x','notes':[3]}", "{'partitions':[3,null,'x',[],{}]}",
                "{'partitions':[{'mount':'\\u001b[2J\\u0007','level':'\\u001b[31m','state':'guarding',"
                "'total_bytes':1e300,"
                "'avail_bytes':-5,'fill_bps':-1e300,'time_to_full_sec':['x'],"
                "'logs':[{'name':'\\u001b[0m\\n'}],"
                "'logs_total':1e19,'paused_for_sec':1e300}],'uptime_sec':-1e300}",
                "{'last_events':[{'message':'\\u001b]0;x\\u0007','priority':-3,'time_usec':1e300}]}",
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(pages); i++) {
                char *page = NULL;
                size_t n;
                cJSON *json = json_of(pages[i]);
                FILE *out = open_memstream(&page, &n);
                render_status(out, &ascii, json);
                (void) render_check(out, json, "");
                (void) render_check_json(out, json, "");
                render_alerts(out, &ascii, render_array(json, "last_events"));
                (void) fclose(out);
                for (const char *p = page; *p; p++)
                        if ((*p < 0x20 && *p != '\n') || (unsigned char) *p > 0x7e)
                                fail_msg("byte %02x of page %zu", (unsigned char) *p, i);
                free(page);
                cJSON_Delete(json);
        }
}

static void colours_are_there_only_where_they_are_wanted(void **state) {
        (void) state;
        char *page = NULL;
        size_t n;
        cJSON *json = json_of(GUARD("enforce", BLIND, "", ""));
        FILE *out = open_memstream(&page, &n);
        render_status(out, &colour, json);
        (void) fclose(out);
        assert_memory_equal(page, "\033[97;41;1m BLIND \033[0m  ", 21);
        free(page);
        cJSON_Delete(json);
}

/* --json says the same as the line: its word, its sentence, its code. */
static void check_object(const cJSON *guard, int code, const char *line) {
        char *text = NULL, expected[1024];
        size_t n;
        FILE *out = open_memstream(&text, &n);
        assert_int_equal(render_check_json(out, guard, "nobody is there"), code);
        (void) fclose(out);
        cJSON *object = cJSON_Parse(text);
        assert_non_null(object);
        assert_int_equal(render_number(object, "code"), code);
        (void) snprintf(expected, sizeof(expected), "DISKBRAKE %s - %s",
                cJSON_GetObjectItemCaseSensitive(object, "state")->valuestring,
                cJSON_GetObjectItemCaseSensitive(object, "text")->valuestring);
        assert_memory_equal(line, expected, strlen(expected));
        assert_non_null(strchr(" \n", line[strlen(expected)]));
        cJSON_Delete(object);
        free(text);
}

static void check_is_a_line_and_an_exit_code(void **state) {
        static const struct {
                const char *guard, *line;
                int code;
        } cases[] = {
                {GUARD("enforce", CALM, "", ""),
                "DISKBRAKE OK - /var/lib/docker 41 % full, 59 GiB free | '/var/lib/docker'=44023414784B;;;0;"
                        "107374182400 '/var/lib/docker fill'=0B\n", 0},
                {GUARD("observe", FLOOD, "", ""),
                "DISKBRAKE CRITICAL - critical; /var/lib/docker 92 % full, 8 GiB free, full in 38 to 41 s; "
                "observing only | '/var/lib/docker'=98784247808B;;;0;107374182400 '/var/lib/docker fill'="
                        "224395264B '/var/lib/docker full in'=38s\n", 2},
                {GUARD("enforce", DEGRADED, "", ""),
                "DISKBRAKE WARNING - warning; cannot act: stuck in fallocate on the log of web since 14 s; "
                "/srv 90 % full, 102 MiB free | '/srv'=966367642B;;;0;1073741824 '/srv fill'=1048576B\n", 1},
                {GUARD("enforce", BLIND, "", ""),
                        "DISKBRAKE CRITICAL - blind on /srv: stuck in statvfs on /srv since 14 s\n", 2},
                {GUARD("enforce", "", "", ""), "DISKBRAKE UNKNOWN - no partition is being watched\n", 3},
                {"{'partitions':[{'mount':'/a|b','state':'guarding','level':'notice','total_bytes':100,"
                 "'avail_bytes':20}]}",
                "DISKBRAKE OK - notice; /a/b 80 % full, 20 B free | '/a/b'=80B;;;0;100 '/a/b fill'=0B\n", 0},
                {NULL, "DISKBRAKE UNKNOWN - nobody is there\n", 3},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char *line = NULL, *expected = strdup(cases[i].line);
                size_t n;
                cJSON *json = cases[i].guard ? json_of(cases[i].guard) : NULL;
                FILE *out = open_memstream(&line, &n);
                int code = render_check(out, json, "nobody is there");
                check_object(json, cases[i].code, expected);
                (void) fclose(out);
                check_text(line, expected);
                assert_int_equal(code, cases[i].code);
                free(line);
                free(expected);
                cJSON_Delete(json);
        }
}

static void check_has_its_numbers_as_json_too(void **state) {
        char *text = NULL;
        size_t n;
        cJSON *json = json_of(GUARD("enforce", FLOOD "," CALM "," BLIND, "", ""));
        FILE *out = open_memstream(&text, &n);
        (void) state;
        assert_int_equal(render_check_json(out, json, ""), 2);
        (void) fclose(out);
        cJSON *got = cJSON_Parse(text), *expected = json_of(
                "{'code':2,'state':'CRITICAL','text':'blind on /srv: stuck in statvfs on /srv since 14 s',"
                "'partitions':[{'mount':'/var/lib/docker','used_bytes':98784247808,"
                "'total_bytes':107374182400,'fill_bps':224395264,'full_in_sec':38.2},"
                "{'mount':'/var/lib/docker','used_bytes':44023414784,'total_bytes':107374182400,"
                "'fill_bps':0,'full_in_sec':null}]}");
        if (!cJSON_Compare(got, expected, true))
                fail_msg("%s", text);
        cJSON_Delete(got);
        cJSON_Delete(expected);
        cJSON_Delete(json);
        free(text);
}

static void of_a_log_whose_driver_is_unknown_nobody_says_that_it_is_stopped(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce",
                "{'mount':'/srv','roots':['/srv'],'level':'ok','state':'guarding','state_detail':'',"
                "'total_bytes':1073741824,'avail_bytes':536870912,'fill_bps':0,'logs_total':2,'logs':["
                "{'name':'','id':'0123456789abcdef','driver':'unknown','running':false,"
                "'allocated_bytes':2048,'hole_bytes':0,'growth_bps':0,'share':0,'protected':false},"
                "{'name':'db','id':'0b1c','driver':'json-file','running':false,"
                "'allocated_bytes':1024,'hole_bytes':0,'growth_bps':0,'share':0,'protected':false}]}",
                "", ""),
                "OK  guarding 1 partition\n"
                "\n"
                "/srv  ok\n"
                "####################....................  50 % full, 512 MiB free of 1 GiB\n"
                "not filling\n"
                "guarding\n"
                "  largest logs (none grows)              growth       size   share\n"
                "  0123456789ab                                -      2 KiB       -  unknown\n"
                "  db                                          -      1 KiB       -  stopped\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void damaged_logs_are_named_wherever_they_stand(void **state) {
        (void) state;
        check_status(&ascii, GUARD("enforce",
                "{'mount':'/srv','roots':['/srv'],'level':'ok','state':'guarding','state_detail':'',"
                "'total_bytes':1073741824,'avail_bytes':536870912,'fill_bps':0,'logs_total':5,'logs':["
                "{'name':'web','id':'a','driver':'json-file','running':true,'allocated_bytes':5120,'damage':'torn',"
                "'damage_detail':''},"
                "{'name':'api','id':'b','driver':'json-file','running':true,'allocated_bytes':4096,'damage':null,"
                "'damage_detail':''},"
                "{'name':'x','id':'c','driver':'json-file','running':true,'allocated_bytes':3072},"
                "{'name':'db','id':'d','driver':'json-file','running':true,'allocated_bytes':1024,'damage':'nul-head',"
                "'damage_detail':'it is protected'}]}",
                "", ""),
                "OK  guarding 1 partition\n"
                "\n"
                "/srv  ok\n"
                "####################....................  50 % full, 512 MiB free of 1 GiB\n"
                "not filling\n"
                "guarding\n"
                "  largest logs (none grows)              growth       size   share\n"
                "  web                                         -      5 KiB       -  damaged\n"
                "  api                                         -      4 KiB       -\n"
                "  x                                           -      3 KiB       -\n"
                "  and 2 more\n"
                "  damaged: web: a torn line hides what follows it; it is about to be repaired\n"
                "  damaged: db: NULs at its head hide what follows them; it is protected\n"
                "\n"
                "diskbrake 0.1.0, mode enforce, up 3 d 4 h\n");
}

static void alerts_say_since_when_and_who_knows(void **state) {
        (void) state;
        char *page = NULL;
        size_t n;
        cJSON *json = json_of("[{'level':'warning','since_usec':1763720000000000,"
                              "'message':'/srv is filling',"
                              "'acknowledged_by':'joe','acknowledged_until_usec':1763820000000000},"
                              "{'level':'critical','since_usec':1763620000000000,'message':'/x',"
                              "'acknowledged_by':null}]");
        FILE *out = open_memstream(&page, &n);
        render_alerts(out, &ascii, json);
        render_alerts(out, &ascii, NULL);
        (void) fclose(out);
        check_text(page, "10:13:20  warning    /srv is filling (acknowledged by joe until Nov 22 14:00)\n"
                         "Nov 20 06:26  critical   /x\n"
                         "no open alerts\n");
        free(page);
        cJSON_Delete(json);
}

static void errors_say_what_to_do(void **state) {
        static const struct {
                const char *reply, *text;
        } cases[] = {
                {"{'error':'io.diskbrake.Protected','parameters':{'name':'db'}}",
                        "db is protected (policy alert): its log is never touched"},
                {"{'error':'io.diskbrake.NotSafe','parameters':{'name':'db','method':'collapse',"
                 "'detail':'d'}}",
                        "trimming db is not safe: d"},
                {"{'error':'io.diskbrake.Busy'}", "busy: ?"},
                {"{'error':'x.\\u001bY'}", "diskbrake answered with the error x.?Y"},
        };
        char buf[EXPLAIN_MAX];
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                cJSON *json = json_of(cases[i].reply);
                VarlinkReply reply = {.json = json,
                        .error = cJSON_GetObjectItemCaseSensitive(json, "error")->valuestring,
                        .parameters = cJSON_GetObjectItemCaseSensitive(json, "parameters")};
                assert_string_equal(explain_error(&reply, buf, sizeof(buf)), cases[i].text);
                cJSON_Delete(json);
        }
        assert_string_equal(explain_failure(-ENOENT, "/x", buf, sizeof(buf)),
                "diskbrake is not running (no socket at /x): sudo systemctl start diskbrake");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_calm_host_says_ok_in_the_first_line),
                cmocka_unit_test(a_flood_says_when_it_is_full_and_who_it_is),
                cmocka_unit_test(what_grows_beside_logs_is_named_in_status_and_explained),
                cmocka_unit_test(what_is_not_so_is_not_explained),
                cmocka_unit_test(blind_is_said_first_and_never_looks_calm),
                cmocka_unit_test(what_cannot_act_says_so_with_the_level),
                cmocka_unit_test(a_host_without_docker_is_told_what_to_do),
                cmocka_unit_test(the_first_line_is_about_the_worst),
                cmocka_unit_test(every_page_fits_80_columns),
                cmocka_unit_test(a_hostile_answer_neither_crashes_nor_reaches_the_terminal),
                cmocka_unit_test(colours_are_there_only_where_they_are_wanted),
                cmocka_unit_test(check_is_a_line_and_an_exit_code),
                cmocka_unit_test(check_has_its_numbers_as_json_too),
                cmocka_unit_test(of_a_log_whose_driver_is_unknown_nobody_says_that_it_is_stopped),
                cmocka_unit_test(damaged_logs_are_named_wherever_they_stand),
                cmocka_unit_test(alerts_say_since_when_and_who_knows),
                cmocka_unit_test(errors_say_what_to_do),
        };
        (void) setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
