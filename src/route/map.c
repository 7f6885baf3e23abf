/* Sealed memfds of fixed size, mapped shared. A size that nobody can change means that no process
 * can make another one fault; pages that nobody has touched cost nothing. */
#define _GNU_SOURCE
#include "config.h"

#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_SEALS (F_SEAL_GROW | F_SEAL_SHRINK)

static int
map_fd(int fd, size_t size, void **out)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	/* A huge page for one touched cell would undo the sparseness. Where the kernel has none,
	 * there is nothing to ask for. */
	(void)madvise(map, size, MADV_NOHUGEPAGE);
	*out = map;
	return 0;
}

int
map_create(const char *name, size_t size, int *fd_out, void **map_out)
{
	int r, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, MAP_SEALS | F_SEAL_SEAL) < 0) {
		r = -errno;
		goto fail;
	}
	r = map_fd(fd, size, map_out);
	if (r < 0)
		goto fail;
	*fd_out = fd;
	return 0;
fail:
	close(fd);
	return r;
}

int
map_attach(int fd, size_t size, void **map_out)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & MAP_SEALS) != MAP_SEALS)
		return -EPROTO;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)size)
		return -EPROTO;
	return map_fd(fd, size, map_out);
}

void
map_close(int fd, void *map, size_t size)
{
	if (map)
		munmap(map, size);
	if (fd >= 0)
		close(fd);
}
