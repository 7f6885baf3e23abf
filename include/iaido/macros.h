/* What the compiler is told: attributes and small helpers used everywhere. */
#ifndef IAIDO_MACROS_H
#define IAIDO_MACROS_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* In bytes, on every machine that matters here; only speed depends on it. */
#define CACHE_LINE 64
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
