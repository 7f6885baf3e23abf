/* What the parts of dnsd share: the zone, a query, a message being built. */
#ifndef IAIDO_TESTS_DNSD_H
#define IAIDO_TESTS_DNSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_OPT = 41, TYPE_AAAA = 28 };
enum { UDP = 1, TCP = 2 };
enum { MAX_TCP = 64, MAX_MSG = 65535, NAME_MAX_LEN = 256 };

enum what {
	DO_ANSWER,
	DO_DELAY,
	DO_SILENT,
	DO_NXDOMAIN,
	DO_SERVFAIL,
	DO_REFUSED,
	DO_FORMERR,
	DO_NOTIMP,
	DO_NODATA,
	DO_TRUNCATE,
	DO_WRONGID,
	DO_WRONGNAME,
	DO_WRONGTYPE,
	DO_WRONGPORT,
	DO_WRONGADDR,
	DO_SPOOFED,
	DO_GARBAGE,
	DO_SHORT,
	DO_EMPTY,
	DO_LOOP,
	DO_BADCOUNT,
	DO_BADLENGTH,
	DO_BIG,
	DO_CLOSE,
	DO_COUNT
};

/* One line of the zone: a record set or a behaviour. */
struct entry {
	struct entry *next;
	char name[NAME_MAX_LEN];
	bool is_rule;
	int type; /* of records; of a rule: 0 = any */
	uint32_t ttl;
	uint8_t addr[16];
	char target[NAME_MAX_LEN];
	enum what what;
	int delay_ms;
	int transports;
};

/* Whom to answer; tcp is looked up by its serial, as it may be gone when a late answer is due. */
struct peer {
	int transport;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	uint64_t tcp_serial;
};

struct query {
	struct peer peer;
	uint16_t id, flags, type;
	char name[NAME_MAX_LEN];
	uint8_t question[NAME_MAX_LEN + 4]; /* as it came */
	size_t question_len;
	size_t udp_max;
};

struct msg {
	uint8_t data[2 + MAX_MSG + 1024];
	size_t len;
	unsigned answers;
};

/* dnsd.c: ends the program, saying why. */
void die(const char *what) __attribute__((noreturn));
/* Where an answer comes from, over UDP. */
enum source { USUAL, OTHER_PORT, OTHER_ADDRESS };
/* dnsd.c: sends to whom asked. */
void send_raw(const struct peer *p, const void *data, size_t len, enum source from);
void close_conn(uint64_t serial);

/* zone.c: takes one line (and spoils it); returns NULL or what is wrong with it. */
const char *zone_line(char *line);
/* Reads the zone file again if it is not the one last read. */
void zone_refresh(const char *path);
/* The zone's own name for a query: itself where a line mentions it, else `*`, else NULL. */
const char *zone_name(const char *name);
enum what zone_rule(const struct query *q, int *delay_ms);
const struct entry *zone_first(void);

/* message.c: reads a query; false if it is none. */
bool parse_query(const uint8_t *p, size_t len, struct query *q);
/* Answers as the zone's rule says. */
void answer(const struct query *q, enum what w);

#endif
