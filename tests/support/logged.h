/* What the log has said: a test hands the log a temporary file, and counts its lines. */
#ifndef IAIDO_TESTS_LOGGED_H
#define IAIDO_TESTS_LOGGED_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iaido/log.h"

static int logged_fd = -1;

static inline void
logged_begin(void)
{
	logged_fd = memfd_create("log", MFD_CLOEXEC);
	log_set_level(LOG_LEVEL_INFO);
	log_take_descriptor(dup(logged_fd), false);
}

/* How many lines there are with all of these words. */
static inline unsigned
logged_count(const char *word, const char *other)
{
	static char text[1 << 20];
	ssize_t n = pread(logged_fd, text, sizeof(text) - 1, 0);
	unsigned count = 0;
	char *save = NULL;

	text[n > 0 ? n : 0] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		count += strstr(line, word) && (!other || strstr(line, other));
	return count;
}

#endif
