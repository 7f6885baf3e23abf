/* Giving up privileges: the master's for a user, a worker's altogether. */
#ifndef IAIDO_MASTER_PRIVILEGES_H
#define IAIDO_MASTER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "iaido/macros.h"

struct text;

struct identity {
	bool wanted; /* a user or group was named and this is root: to be changed to */
	uid_t uid;
	gid_t gid;
};

/* Looks `user` and `group` up (each may be NULL). Without root nothing is wanted. Returns 0, or
 * -EINVAL with what is wrong added to `error`. */
int privileges_find(const char *user, const char *group, struct identity *out, struct text *error)
	MUST_CHECK;

/* Becomes that user and group with no supplementary groups and, of all capabilities, only
 * CAP_NET_BIND_SERVICE (kept over exec), and verifies that there is no way back. Does nothing when
 * nothing is wanted. Returns 0 or -errno; then the program must not go on. */
int privileges_become(const struct identity *id) MUST_CHECK;

/* A worker's: no capability, and no way to get any. Returns 0 or -errno. */
int privileges_drop_all(void) MUST_CHECK;

#endif
