/* Memory for libevent, parts of which do not survive an allocation that fails: when there is none, it
 * is taken out of a reserve, and whoever brings in more work can ask whether that is used. */
#ifndef IAIDO_RESERVE_H
#define IAIDO_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* What all that is in use at once may come to; more than evhttp needs for some connections. */
#define RESERVE_SIZE ((size_t)64 * 1024)

/* As malloc(), realloc() and free(), which know each other's blocks only. */
void *reserve_malloc(size_t size);
void *reserve_realloc(void *p, size_t size);
void reserve_free(void *p);
/* True: memory ran out, and not all that was taken out of the reserve then has been freed. */
bool reserve_is_used(void);

#endif
