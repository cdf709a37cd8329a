/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A post that must be manned: the watcher's or the trimmer's of one partition. Knows deadlines, and what to do when
 * one is missed: say so at once, kill, and try a replacement, at most one at a time and with growing pauses, since
 * it would most likely get stuck at the same place. Never waits for anybody. */

#include "children.h"

typedef struct PostOps {
        void (*on_up)(void *userdata);                           /* a fresh worker is there: tell it its target */
        void (*on_message)(const Message *message, void *userdata);
        void (*on_missed)(int error, void *userdata); /* -ETIMEDOUT: no answer in time; -ECHILD: it ended. Each time */
        void (*on_back)(void *userdata);              /* the first answer after that */
        void (*on_alone)(void *userdata);             /* those that were stuck at this post are gone; NULL: no matter */
} PostOps;

typedef struct Post {
        Children *children;
        sd_event *event;
        Role role;
        uint64_t key;
        const PostOps *ops;
        void *userdata;
        Worker *current; /* who is spoken to; NULL: nobody at the moment */
        Worker *stuck;   /* killed and not gone yet */
        bool current_killed; /* the replacement missed its deadline, too: two are stuck, nobody is sent after them */
        bool missed;     /* a deadline was missed and nothing was heard since */
        bool crowded;    /* none can be started any more: those of a supervisor before this one are still stuck */
        bool hung;       /* one did not answer in time, and no successor has had a good start since */
        bool frail;      /* one ended soon after its start, and no successor has had a good start since */
        bool heard;      /* something was; cleared by who asks */
        uint64_t missed_since_usec, pause_usec, up_usec;
        uint64_t asked_usec, due_usec; /* since when, and until when, an answer is waited for; due USEC_INFINITY: none is */
        /* What one was doing when it was given up: its replacement writes into the same page. */
        char last_call[24], last_subject[72];
        uint64_t last_since_usec; /* 0: not known */
        sd_event_source *deadline, *retry;
} Post;

/* Asks for the first worker. The post is embedded: it must not move. */
int post_init(Post *post, Children *children, sd_event *event, Role role, uint64_t key, const PostOps *ops,
              void *userdata);
void post_done(Post *post);

/* An answer is due within that time from then on (monotonic); any message counts. from_usec USEC_INFINITY: none is. */
void post_expect(Post *post, uint64_t from_usec, uint64_t within_usec);
bool post_is_up(const Post *post); /* somebody is there, who may answer or not */
/* -ENOTCONN: the post is not manned; -EAGAIN: its worker does not read. */
int post_send(Post *post, const Message *message);

/* It may answer, and yet one that was given up is still stuck, with all that it holds; or one was until just now, or
 * ended right after it had begun, and whether its successor gets any further is not known yet. */
bool post_is_held_up(const Post *post, uint64_t now_usec);

/* It was heard of, or has still time to answer, or its miss was acted on. */
bool post_is_accounted_for(const Post *post, uint64_t now_usec);

/* "the trimmer is stuck in fallocate on the log of 4f1c2a9be6d0 since 14 s", "the watcher is not running since 3 s"; writes
 * "" when all is well. */
void post_describe(const Post *post, uint64_t now_usec, char *buf, size_t buf_bytes);
