/* The listening sockets: for each frontend a group of "slots" (SO_REUSEPORT), as many as there are
 * workers or have been. Who accepts from a slot is said by the routing table; the master keeps every
 * socket open for as long as its address is configured. */
#ifndef IAIDO_MASTER_LISTENER_H
#define IAIDO_MASTER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/addr.h"
#include "iaido/macros.h"

struct conf;
struct frontend_conf;
struct frontend_ids;
struct text;
struct wire_reader;
struct wire_writer;

struct listener {
	uint32_t id;
	char *key; /* what makes it the same one over reloads */
	char *name; /* the real address, for people */
	char *host; /* the name that was looked up for it; NULL = none was, or not by this program */
	struct addr addr; /* the real address */
	bool dual_stack; /* an empty host, both families */
	uint32_t slot_count;
	uint32_t kept_count; /* of the slots, those that the set before has too */
	int *fds; /* [slot_count] */
};

/* What one configuration listens on, in its order. */
struct listeners {
	struct listener *items;
	size_t count;
};

/* The set for a configuration: what `current` has open already is used again, the rest is opened
 * and bound; new addresses listen at once. Every group has `slots` members at least. Nothing in
 * `current` (may be NULL) changes until listeners_commit(). On failure everything that was opened
 * is closed, *failed is the index of the frontend, and -errno is returned (-ENOENT: its host name
 * cannot be resolved). */
int listeners_open(const struct listeners *current, const struct conf *conf, uint32_t slots,
	struct frontend_ids *ids, const uint32_t *busy, size_t busy_count, struct listeners **out,
	size_t *failed) MUST_CHECK;

/* Makes `next` the set in use: new members of old groups begin to listen, backlog and socket options
 * follow the configuration; sockets that `next` does not have are closed, `current` is freed. */
void listeners_commit(struct listeners *current, struct listeners *next, const struct conf *conf);
/* Forgets `next`: closes what only it has, and frees it. */
void listeners_discard(struct listeners *next);
/* Closes all sockets; the addresses stay known. */
void listeners_close(struct listeners *l);
void listeners_free(struct listeners *l);

struct listener *listeners_find(const struct listeners *l, uint32_t id);
/* How many connections wait in the queues of a frontend. */
uint32_t listener_waiting(const struct listener *l);
/* How often the kernel has dropped a request to connect, mostly as the queue was full, since the sockets
 * were opened. */
uint64_t listener_drops(const struct listener *l);

/* For an upgrade in place: descriptors go over by number. Load returns 0, -EBADMSG or -ENOMEM. */
void listeners_save(const struct listeners *l, struct wire_writer *w);
int listeners_load(struct wire_reader *r, struct listeners **out) MUST_CHECK;

#endif
