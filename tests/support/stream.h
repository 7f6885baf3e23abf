/* Streams of known bytes for integration tests: whatever is lost, doubled, or mixed up with others'
 * bytes on the way is found, with its place. */
#ifndef IAIDO_TESTS_STREAM_H
#define IAIDO_TESTS_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A listening socket of the test's own on 127.0.0.1. */
int stream_listen(uint16_t *port, int backlog);

/* Sends that many bytes of the stream `seed`, starting at its byte `from`. Returns 0, or -1. */
int stream_send(int fd, uint32_t seed, size_t from, size_t bytes);
/* The same in a process of its own, which then ends (and so its copy of fd). */
pid_t stream_send_beside(int fd, uint32_t seed, size_t bytes);
/* Reads that many bytes of it; a wrong one, or an end before, ends the test. */
void stream_read(int fd, uint32_t seed, size_t from, size_t bytes);

#endif
