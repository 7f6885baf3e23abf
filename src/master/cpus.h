/* How many CPUs this process may use. */
#ifndef IAIDO_MASTER_CPUS_H
#define IAIDO_MASTER_CPUS_H

#include <stdint.h>

/* By affinity and by the quotas of its cgroups (v2 and v1), rounded up; at least 1. */
uint32_t cpus_usable(void);
/* The same with the proc and sys trees at `root`: for tests. */
uint32_t cpus_quota(const char *root);

#endif
