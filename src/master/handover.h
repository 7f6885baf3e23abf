/* From one program to the next: what crosses an exec, and the new program's side of an upgrade. */
#ifndef IAIDO_MASTER_HANDOVER_H
#define IAIDO_MASTER_HANDOVER_H

#include "iaido/macros.h"

#include "upgrade.h"

struct master;

/* What a rehearsal that held says in the end: many a program that is no iaido ends with 0 too. */
#define HANDOVER_READY "iaido: ready to take over\n"

/* Executes m->program (UPGRADE_RETURN: what previous_fd is open on) such that it begins in that mode.
 * Returns -errno when it cannot; then all is as it was. */
int handover_exec(struct master *m, enum upgrade_mode mode, int record_fd, int previous_fd)
	MUST_CHECK;

#endif
