/* no_ring PROGRAM ARGUMENTS...: runs it where io_uring is not to be had, as many containers' profiles have
 * it: io_uring_setup() says EPERM. 77 where that cannot be arranged. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same number on every architecture; old headers do not know it. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

#define CANNOT 77

static int
install_filter(void)
{
	static struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(steps) / sizeof(steps[0]), steps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}

/* What it is called with does not matter: the filter comes first. */
static int
outcome_of_setup(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL) < 0 ? errno : 0;
}

int
main(int argc, char **argv)
{
	int r, before = outcome_of_setup();

	if (argc < 2) {
		fprintf(stderr, "usage: no_ring PROGRAM ARGUMENTS...\n");
		return 2;
	}
	r = install_filter();
	if (r < 0) {
		fprintf(stderr, "no_ring: no filter can be set here: %s\n", strerror(-r));
		return CANNOT;
	}
	r = outcome_of_setup();
	if (r != EPERM) {
		fprintf(stderr, "no_ring: the filter does nothing: io_uring_setup() says %s\n",
			strerror(r));
		return 1;
	}
	fprintf(stderr, "no_ring: io_uring_setup() said %s, now %s\n", strerror(before),
		strerror(r));
	execvp(argv[1], argv + 1);
	fprintf(stderr, "no_ring: %s: %s\n", argv[1], strerror(errno));
	return 127;
}
