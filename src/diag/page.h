/* The page for people, as it is sent. */
#ifndef IAIDO_DIAG_PAGE_H
#define IAIDO_DIAG_PAGE_H

#include <stddef.h>

const void *page_data(size_t *len);
/* Its Content-Security-Policy. */
const char *page_policy(void);

#endif
