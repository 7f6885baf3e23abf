/* The pid file: the lock on it decides who runs, not the number in it. */
#ifndef IAIDO_MASTER_PIDFILE_H
#define IAIDO_MASTER_PIDFILE_H

#include <sys/types.h>

#include "iaido/macros.h"

/* Embedded; `path` NULL = none. */
struct pidfile {
	char *path;
	int fd;
};

/* Opens (or creates) and locks it; a stale one is taken over, its content stays until it is
 * written. Returns 0, -EBUSY (a running instance has it) or -errno. */
int pidfile_lock(struct pidfile *p, const char *path) MUST_CHECK;
/* One that an earlier program locked; takes fd on success. Returns 0 or -ENOMEM. */
int pidfile_inherit(struct pidfile *p, const char *path, int fd) MUST_CHECK;
int pidfile_write(const struct pidfile *p, pid_t pid) MUST_CHECK;
/* For a program that serves as another user from now on. */
void pidfile_give_to(const struct pidfile *p, uid_t uid, gid_t gid);
/* Removes the file (empties it where that is not allowed) and unlocks. */
void pidfile_remove(struct pidfile *p);
/* Lets go of it without a trace: it is another process's too. */
void pidfile_forget(struct pidfile *p);

#endif
