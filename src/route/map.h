/* Fixed-size maps in sealed memfds: what the scoreboard and the workers' shares live in. */
#ifndef IAIDO_ROUTE_MAP_H
#define IAIDO_ROUTE_MAP_H

#include <stddef.h>

#include "iaido/macros.h"

/* A new one, all zero and sparse, sealed against resizing, close-on-exec. Returns 0 or -errno. */
int map_create(const char *name, size_t size, int *fd_out, void **map_out) MUST_CHECK;
/* One that was inherited: -EPROTO unless it is sealed against resizing and of that size. */
int map_attach(int fd, size_t size, void **map_out) MUST_CHECK;
void map_close(int fd, void *map, size_t size);

#endif
