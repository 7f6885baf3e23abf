/* A file before it is YAML: its size, its encoding, its characters. */
#ifndef IAIDO_BYTES_H
#define IAIDO_BYTES_H

#include <stddef.h>

#include "iaido/macros.h"

struct tree_error;

/* Leaves out a byte order mark, and looks whether libyaml may see the rest. Returns 0, or -EINVAL
 * with *error filled in. */
int bytes_check(const char **data, size_t *len, struct tree_error *error) MUST_CHECK;

#endif
