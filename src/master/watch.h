/* Watching the configuration file: whether it is another one than was last read. */
#ifndef IAIDO_MASTER_WATCH_H
#define IAIDO_MASTER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "iaido/macros.h"

struct event;
struct event_base;

/* What tells two files apart, symlinks followed. */
struct file_look {
	int error; /* errno: it could not be looked at */
	dev_t device;
	ino_t inode;
	off_t size;
	int64_t mtime_ns;
};

void file_look_take(const char *path, struct file_look *out);
bool file_look_equal(const struct file_look *a, const struct file_look *b);

/* Embedded; zeroed = not running. */
struct watch {
	const char *path;
	struct file_look seen; /* what was last read, or found not to be readable */
	struct event *timer;
	void (*changed)(void *arg);
	void *arg;
};

/* Calls changed(arg) at each look at which the file is not as `seen`, which the owner keeps true.
 * period_ns 0: never. Returns 0 or -ENOMEM. */
int watch_start(struct watch *w, struct event_base *base, const char *path, int64_t period_ns,
	void (*changed)(void *arg), void *arg) MUST_CHECK;
void watch_stop(struct watch *w);

#endif
