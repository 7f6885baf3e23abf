/* The hosts file: names that need no DNS. */
#ifndef IAIDO_MASTER_DNS_HOSTS_H
#define IAIDO_MASTER_DNS_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "iaido/addr.h"
#include "iaido/macros.h"

#define HOSTS_FILE "/etc/hosts"

/* All addresses (port 0) that the file gives a name, of both families, as a new array of *count;
 * `localhost` and names below it are this host also without the file. NULL and 0 where it says
 * nothing. Returns 0 or -ENOMEM; a file that cannot be read says nothing. */
int dns_hosts_find(const char *path, const char *host, struct addr **out, size_t *count) MUST_CHECK;

#endif
