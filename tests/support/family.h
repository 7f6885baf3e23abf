/* The processes of a running iaido, as /proc shows them. */
#ifndef IAIDO_TESTS_FAMILY_H
#define IAIDO_TESTS_FAMILY_H

#include <stddef.h>
#include <sys/types.h>

#define FAMILY_MAX 256

/* The children of a process, oldest first by pid order of the kernel; returns how many. */
size_t family_children(pid_t parent, pid_t *out, size_t max);
/* Waits until there are that many. */
void family_wait_count(pid_t parent, size_t count);
/* Waits until none of these is a child any more. */
void family_wait_none_of(pid_t parent, const pid_t *pids, size_t count);
/* Waits until a process is gone (or a zombie of somebody else's). */
void family_wait_gone(pid_t pid);
/* How many descriptors it has open. */
size_t family_count_fds(pid_t pid);
/* The value after "name:" in /proc/PID/status, as a string in buf. Returns buf, or NULL. */
const char *family_status(pid_t pid, const char *name, char *buf, size_t size);

#endif
