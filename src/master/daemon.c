/* The daemon's beginning. The parent stays until the child serves or fails, holding nothing but a
 * pipe; until then the child's standard error is the starter's, for what goes wrong. */
#include "config.h"

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_child(pid_t child, int fd) NORETURN;

static void
wait_for_child(pid_t child, int fd)
{
	ssize_t n;
	char told;
	int status = 0;

	do {
		n = read(fd, &told, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* Whatever else went wrong, it has said so itself. */
	if (WIFSIGNALED(status))
		dprintf(STDERR_FILENO, "iaido: killed by signal %d (%s) before it served\n",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	_exit(EXIT_FAILURE);
}

int
daemon_detach(struct daemon *d)
{
	int r, fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(pid, fds[0]);
	}
	close(fds[0]);
	r = pid < 0 || setsid() < 0 || chdir("/") < 0 ? -errno : 0;
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	d->detached = true;
	d->status_fd = fds[1];
	return 0;
}

static void
become_null(int fd, int null_fd)
{
	if (null_fd >= 0 && dup2(null_fd, fd) < 0)
		close(fd);
}

void
daemon_leave_terminal(const struct daemon *d, bool keep_stderr)
{
	struct stat st;
	int null_fd;

	if (!d->detached)
		return;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	become_null(STDIN_FILENO, null_fd);
	become_null(STDOUT_FILENO, null_fd);
	if (!keep_stderr || fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		become_null(STDERR_FILENO, null_fd);
	if (null_fd >= 0)
		close(null_fd);
}

void
daemon_ready(struct daemon *d, bool keep_stderr)
{
	if (!d->detached)
		return;
	daemon_leave_terminal(d, keep_stderr);
	if (d->status_fd >= 0) {
		ssize_t n = write(d->status_fd, "", 1);

		/* The parent may have been killed: then nobody waits. */
		(void)n;
		close(d->status_fd);
	}
	d->status_fd = -1;
}
