/* A configuration on its way into force: everything that it needs is opened first, so that it can be
 * refused whole. Used by the start and by reloads. */
#ifndef IAIDO_MASTER_PROSPECT_H
#define IAIDO_MASTER_PROSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "iaido/macros.h"

#include "pidfile.h"

struct conf;
struct diag;
struct listeners;
struct master;
struct text;

struct prospect {
	struct conf *conf;
	struct listeners *listeners;
	uint32_t *frontend_of; /* ids, in the order of the file */
	bool has_log;
	int log_fd;
	bool log_is_syslog;
	char *log_target;
	bool has_diag; /* it changes, if only to none */
	char *diag_addr;
	int diag_fd;
	bool diag_is_new; /* its socket is nobody else's */
	bool has_pidfile; /* it changes, if only to none */
	struct pidfile pidfile;
};

/* Takes conf on success. NULL: no memory. */
struct prospect *prospect_new(struct conf *conf) MUST_CHECK;
/* Closes what is still its own, conf included. */
void prospect_free(struct prospect *p);

/* The log and the pid file, where they are other ones than now. Returns 0, or -errno with what is
 * wrong added to `error`. */
int prospect_open_files(struct master *m, struct prospect *p, struct text *error) MUST_CHECK;
/* Listening sockets for that many workers, and diagnostics. */
int prospect_open_sockets(
	struct master *m, struct prospect *p, uint32_t workers, struct text *error) MUST_CHECK;

/* Puts it in force and frees it. Returns 0, or -errno; then nothing has changed. */
int prospect_commit(struct master *m, struct prospect *p) MUST_CHECK;

/* Diagnostics on a listening socket, which it takes. Returns 0 or -errno. */
int prospect_serve_diag(struct master *m, int fd, struct diag **out) MUST_CHECK;

#endif
