/* Writing whole files. */
#include "config.h"

#include "iaido/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define LEN 300000 /* more than a pipe holds */

START_TEST(all_is_written_however_little_at_a_time)
{
	static char sent[LEN], got[LEN];
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	for (size_t i = 0; i < LEN; i++)
		sent[i] = (char)(i * 7 + i / 251);
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		_exit(file_write_all(fds[1], sent, LEN) == 0 ? 0 : 1);
	close(fds[1]);
	while ((n = read(fds[0], got + len, LEN - len)) > 0)
		len += (size_t)n;
	ck_assert_uint_eq(len, LEN);
	ck_assert_int_eq(memcmp(sent, got, LEN), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
}
END_TEST

START_TEST(an_error_is_told)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write_all(fd, "x", 1), -ENOSPC);
	close(fd);
	ck_assert_int_eq(file_write_all(-1, "x", 1), -EBADF);
	ck_assert_int_eq(file_write_all(-1, NULL, 0), 0);
}
END_TEST

UNIT_MAIN("file", all_is_written_however_little_at_a_time, an_error_is_told)
