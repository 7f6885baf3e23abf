/* Privileges, by the system calls themselves: every step is checked, and in the end it is tried
 * whether root can be had back. Whoever calls ends the program when one fails. */
#include "config.h"

#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iaido/text.h"

static int
set_capabilities(uint32_t permitted, uint32_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	data[0].effective = data[0].permitted = permitted;
	data[0].inheritable = inheritable;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Of the first 32: all that matter here. */
static int
get_permitted(uint32_t *out)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*out = data[0].permitted;
	return 0;
}

int
privileges_find(const char *user, const char *group, struct identity *out, struct text *error)
{
	struct passwd *pw;
	struct group *gr;

	*out = (struct identity){ .uid = geteuid(), .gid = getegid() };
	if (user) {
		pw = getpwnam(user);
		if (!pw) {
			text_addf(error, "user: there is no user \"%s\"", user);
			return -EINVAL;
		}
		out->uid = pw->pw_uid;
		out->gid = pw->pw_gid;
	}
	if (group) {
		gr = getgrnam(group);
		if (!gr) {
			text_addf(error, "group: there is no group \"%s\"", group);
			return -EINVAL;
		}
		out->gid = gr->gr_gid;
	}
	out->wanted = (user || group) && geteuid() == 0;
	return 0;
}

static int
verify(const struct identity *id)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -errno;
	if (ruid != id->uid || euid != id->uid || suid != id->uid || rgid != id->gid ||
		egid != id->gid || sgid != id->gid || getgroups(0, NULL) != 0)
		return -EPERM;
	/* The capability to change it must be gone too. */
	if (id->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return -EPERM;
	return 0;
}

int
privileges_become(const struct identity *id)
{
	const uint32_t bind_service = UINT32_C(1) << CAP_NET_BIND_SERVICE;
	uint32_t kept = 0;
	int r;

	if (!id->wanted)
		return 0;
	r = get_permitted(&kept);
	if (r < 0)
		return r;
	kept &= bind_service;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(id->gid, id->gid, id->gid) < 0 ||
		setresuid(id->uid, id->uid, id->uid) < 0)
		return -errno;
	r = set_capabilities(kept, kept);
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		r = -errno;
	/* An upgrade in place has to bind too. */
	if (r == 0 && kept &&
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) < 0)
		r = -errno;
	/* Our own files under /proc, and a core where it is asked for. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? r : verify(id);
}

int
privileges_drop_all(void)
{
	uint32_t permitted = 0;
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Kernels before 4.3 have none of these. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	r = set_capabilities(0, 0);
	if (r == 0)
		r = get_permitted(&permitted);
	return r < 0 ? r : permitted != 0 ? -EPERM : 0;
}
