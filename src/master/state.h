/* The master's state, shared by the files of this folder; each field group says whose it is. */
#ifndef IAIDO_MASTER_STATE_H
#define IAIDO_MASTER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/conf.h"
#include "iaido/master.h"
#include "iaido/scoreboard.h"

#include "daemon.h"
#include "frontend_id.h"
#include "listener.h"
#include "pidfile.h"
#include "supervisor.h"
#include "upgrade.h"
#include "watch.h"

struct diag;
struct event;
struct event_base;
struct pools;
struct prospect;
struct snapshot;

/* tables.c */
struct tables {
	struct event *rebuild; /* once per turn of the loop, however often something changed */
	uint64_t number; /* of the last one */
	int fd; /* the last one; -1 = none yet */
};

/* reload.c */
enum reload_stage {
	RELOAD_IDLE,
	RELOAD_WAITING, /* for the second between two generations */
	RELOAD_LOOKING, /* at the file, until it holds still */
	RELOAD_STARTING, /* the new workers */
	RELOAD_CLOSED, /* the program ends */
};

struct reload {
	enum reload_stage stage;
	bool wanted;
	bool forced; /* by HUP: also if it means the same */
	bool forced_now; /* the one under way */
	struct event *timer;
	struct file_look look; /* the last one */
	int64_t looking_since_ns;
	int64_t committed_ns; /* when the last generation took over */
	struct prospect *prospect; /* what will be in force once its workers are ready */
	/* what the status shows */
	int64_t loaded_wall_ns;
	int64_t tried_wall_ns;
	int64_t succeeded_wall_ns;
	bool ok;
	char *error;
	uint64_t succeeded_count;
	uint64_t failed_count;
};

/* shutdown.c */
struct shutdown {
	bool under_way;
	bool at_once;
	bool keep_accepting;
	int64_t asked_ns;
	uint64_t closed_before; /* connections closed for a drain before it began */
	uint64_t cut; /* connections of workers that had to be killed */
};

struct master {
	const struct master_options *options;
	char *directory; /* where it was started; relative names are meant from there */
	char *config_path; /* absolute */
	char *program; /* absolute: what an upgrade executes */
	int64_t started_ns;
	int64_t started_wall_ns;
	struct event_base *base;
	int signal_fd;
	struct event *signals;
	struct conf *conf;
	struct frontend_ids ids;
	struct listeners *listeners;
	uint32_t *frontend_of; /* [conf->frontend_count]: ids, in the order of the file */
	struct scoreboard board;
	struct pools *pools;
	struct diag *diag;
	char *diag_addr; /* what diag listens on, as in the file */
	char *log_target; /* what the log goes to, as in the file */
	struct pidfile pidfile;
	struct daemon daemon;
	bool told; /* why it cannot start */
	bool serving; /* workers were ready once: the outside was told */
	int exit_status;
	struct supervisor supervisor;
	struct tables tables;
	struct watch watch;
	struct reload reload;
	struct shutdown shutdown;
	struct upgrade upgrade;
};

/* tables.c: routing tables, made of what the pools and the listeners know. */
int tables_init(struct master *m) MUST_CHECK;
void tables_fini(struct master *m);
/* A table is built and sent at the end of this turn of the loop. */
void tables_want(struct master *m);
/* At once. Returns 0 or -errno; then the one before stays in force. */
int tables_push(struct master *m) MUST_CHECK;

/* reload.c */
int reload_init(struct master *m) MUST_CHECK;
void reload_fini(struct master *m);
/* Soon; many of these become one. Forced: also when the file means the same as before. */
void reload_want(struct master *m, bool forced);
/* Puts conf (taken) in force by way of a new generation, as a reload does. */
void reload_start(struct master *m, struct conf *conf);
/* An upgrade that kept reloads waiting is over. */
void reload_resume(struct master *m);
/* Whether one is being made. */
bool reload_is_busy(const struct master *m);
/* Of the generation being made. */
void reload_worker_ready(struct master *m);
void reload_worker_lost(struct master *m);
/* The one under way is given up, and there will be no other. */
void reload_cancel(struct master *m);

/* shutdown.c */
/* TERM and INT: drain; a second one a moment later ends at once. */
void shutdown_begin(struct master *m);
/* QUIT. */
void shutdown_now(struct master *m);
/* A worker has gone. */
void shutdown_check(struct master *m);

/* snapshot.c: what diagnostics render. Returns 0 or -ENOMEM; `arg` is the master. */
int snapshot_take(void *arg, struct snapshot *out) MUST_CHECK;

/* start.c: everything up to the loop. Returns 0 or -errno, told to whom it concerns. */
int start_program(struct master *m) MUST_CHECK;

/* master.c */
/* Blocks the signals, and makes the event that reads them; it is added by master_hear_signals(). */
int master_open_signals(struct master *m) MUST_CHECK;
int master_hear_signals(struct master *m) MUST_CHECK;
void master_worker_ready(struct master *m, const struct worker *w);

#endif
