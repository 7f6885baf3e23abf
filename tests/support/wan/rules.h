/* What the wire does to packets to or from an address; changed by lines of text. */
#ifndef IAIDO_TESTS_WAN_RULES_H
#define IAIDO_TESTS_WAN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address as IPv6, IPv4 mapped into it. */
struct prefix {
	uint8_t addr[16];
	int bits;
};

/* What holds for one packet, both its ends taken together. */
struct treatment {
	int64_t delay_ns;
	int64_t jitter_ns; /* drawn evenly from -jitter to +jitter */
	double loss; /* 0 to 1 */
	bool dropped;
};

/* `ADDR[/BITS]`; false if it is none. */
bool prefix_parse(const char *text, struct prefix *out);
bool prefix_contains(const struct prefix *p, const uint8_t addr[16]);

/* Looks both ends of a packet up. */
void rules_look_up(const uint8_t src[16], const uint8_t dst[16], struct treatment *out);

/* Obeys a line (see wan.c), which it spoils. Writes the answer, `ok`, `error: why` or what was asked
 * for, to out. */
void rules_obey(char *line, char *out, size_t size);

#endif
