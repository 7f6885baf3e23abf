/* Writes a first configuration file from what the command line says (-b). */
#ifndef IAIDO_BOOTSTRAP_H
#define IAIDO_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/conf.h"
#include "iaido/macros.h"

struct bootstrap_spec {
	uint16_t local_port;
	uint16_t remote_port;
	char *host;
};

/* A zeroed one is empty. */
struct bootstrap {
	struct bootstrap_spec *specs;
	size_t count;
};

void bootstrap_fini(struct bootstrap *b);

/* Adds "localPort:remoteHost:remotePort" (an IPv6 host in brackets). Returns NULL, or what is
 * wrong with it. */
const char *bootstrap_add(struct bootstrap *b, const char *spec) MUST_CHECK;

/* What is wrong with the address that frontends are to bind to; NULL when nothing is. */
const char *bootstrap_check_address(const char *address) MUST_CHECK;

/* The configuration that the specs mean, complete: one frontend a local port in their order, one
 * target a remote port in their order, hosts sorted. Returns 0 or -errno as conf_parse() does. */
int bootstrap_make(const struct bootstrap *b, const char *address, struct conf **out,
	struct conf_report *report) MUST_CHECK;

/* Puts the text into the file in one step, through symlinks, so that it has the old content or the
 * new one whatever happens. Without force an existing file is -EEXIST and stays as it is. */
int bootstrap_write(const char *path, const void *data, size_t len, bool force) MUST_CHECK;

#endif
