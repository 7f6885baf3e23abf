/* Bounded reader and growing writer of little-endian values: what crosses a process boundary. */
#ifndef IAIDO_WIRE_H
#define IAIDO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iaido/macros.h"

struct addr;

/* Reads from memory that it does not own. A short read marks the reader as bad and gives 0;
 * whoever decodes checks once, at the end. */
struct wire_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
	bool no_memory; /* why it is bad, where the fault is not the data's */
};

void wire_reader_init(struct wire_reader *r, const void *data, size_t len);
uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
int64_t wire_get_i64(struct wire_reader *r);
/* A count of items of at least item_min bytes each: more than can follow, or than max, is bad. */
uint32_t wire_get_count(struct wire_reader *r, size_t item_min, uint32_t max);
/* A string of at most max bytes without NUL inside, as a new heap string; NULL when bad. */
char *wire_get_string(struct wire_reader *r, size_t max);
/* Family, address and port; an unknown family is bad. */
void wire_get_addr(struct wire_reader *r, struct addr *out);
/* 0, or -EBADMSG: something was short, wrong, or left over. */
int wire_end(const struct wire_reader *r) MUST_CHECK;

/* Owns its memory. Running out of memory marks the writer as bad. */
struct wire_writer {
	uint8_t *data;
	size_t len;
	size_t size;
	bool bad;
};

void wire_writer_init(struct wire_writer *w);
void wire_writer_fini(struct wire_writer *w);
void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put_i64(struct wire_writer *w, int64_t v);
void wire_put_string(struct wire_writer *w, const char *s);
void wire_put_addr(struct wire_writer *w, const struct addr *a);

#endif
