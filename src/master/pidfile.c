/* The pid file, locked with flock() for as long as its descriptor is open here: in the master only,
 * also over exec. Never is a process signalled because of what stands in it. */
#include "config.h"

#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iaido/log.h"

/* False: somebody removed or replaced the file that was opened. */
static bool
is_still_there(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
		a.st_ino == b.st_ino;
}

static int
open_locked(const char *path)
{
	struct stat st;
	int r, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		return fd;
	close(fd);
	return r;
}

int
pidfile_inherit(struct pidfile *p, const char *path, int fd)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	p->path = copy;
	p->fd = fd;
	return 0;
}

int
pidfile_lock(struct pidfile *p, const char *path)
{
	int r, fd = open_locked(path);

	/* An instance that was just leaving removed it in between. */
	while (fd >= 0 && !is_still_there(fd, path)) {
		close(fd);
		fd = open_locked(path);
	}
	if (fd < 0)
		return fd;
	r = pidfile_inherit(p, path, fd);
	if (r < 0)
		close(fd);
	return r;
}

int
pidfile_write(const struct pidfile *p, pid_t pid)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)pid);
	ssize_t n;

	if (!p->path)
		return 0;
	if (ftruncate(p->fd, 0) < 0)
		return -errno;
	n = pwrite(p->fd, text, (size_t)len, 0);
	return n < 0 ? -errno : n != len ? -ENOSPC : 0;
}

void
pidfile_give_to(const struct pidfile *p, uid_t uid, gid_t gid)
{
	/* Where that fails, the file can still be written and emptied by its descriptor. */
	if (p->path && fchown(p->fd, uid, gid) < 0)
		log_event(LOG_LEVEL_DEBUG, "pidfile.owner", "cannot change the pid file's owner",
			LOG_STR("path", p->path), LOG_ERR("error", errno));
}

void
pidfile_forget(struct pidfile *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->path);
	*p = (struct pidfile){ .fd = -1 };
}

void
pidfile_remove(struct pidfile *p)
{
	/* Where the directory is not ours any more, at least no number stays. */
	if (p->path && is_still_there(p->fd, p->path) && unlink(p->path) < 0 &&
		ftruncate(p->fd, 0) < 0)
		log_event(LOG_LEVEL_WARN, "pidfile.left", "cannot remove the pid file",
			LOG_STR("path", p->path), LOG_ERR("error", errno));
	pidfile_forget(p);
}
