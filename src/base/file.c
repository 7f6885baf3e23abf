/* Files: what the C library leaves to everybody. */
#include "config.h"

#include "iaido/file.h"

#include <errno.h>
#include <unistd.h>

int
file_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
