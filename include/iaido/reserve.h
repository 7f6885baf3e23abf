/* Memory for libevent, parts of which do not survive an allocation that fails: when there is none, it
 * is taken out of a reserve, and whoever brings in more work can ask whether that is used. */
#ifndef IAIDO_RESERVE_H
#define IAIDO_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc() and realloc(), and freed by free(). */
void *reserve_malloc(size_t size);
void *reserve_realloc(void *p, size_t size);
/* True: no memory could be had lately, and the reserve has not been filled again. */
bool reserve_is_used(void);

#endif
