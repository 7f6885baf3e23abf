/* Files: what the C library leaves to everybody. */
#ifndef IAIDO_FILE_H
#define IAIDO_FILE_H

#include <stddef.h>

#include "iaido/macros.h"

/* Writes all of it to a descriptor that blocks. Returns 0 or -errno; then some may be written. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;

#endif
