/* How many CPUs a cgroup leaves: trees of files stand in for the kernel's. */
#include "config.h"

#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/cpus.h"

static char root[64];

static void
make_root(void)
{
	snprintf(root, sizeof(root), "/tmp/iaido-cpus.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

/* With the directories on the way. */
static void
put(const char *path, const char *text)
{
	char full[512], *slash;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "we");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
drop_root(void)
{
	nftw(root, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

START_TEST(without_cgroups_nothing_is_limited)
{
	make_root();
	ck_assert_uint_eq(cpus_quota(root), UINT32_MAX);
	put("proc/self/cgroup", "0::/\n");
	ck_assert_uint_eq(cpus_quota(root), UINT32_MAX);
	put("sys/fs/cgroup/cpu.max", "max 100000\n");
	ck_assert_uint_eq(cpus_quota(root), UINT32_MAX);
	drop_root();
	ck_assert_uint_ge(cpus_usable(), 1);
}
END_TEST

START_TEST(a_quota_is_rounded_up)
{
	make_root();
	put("proc/self/cgroup", "0::/\n");
	put("sys/fs/cgroup/cpu.max", "150000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 2);
	put("sys/fs/cgroup/cpu.max", "1000 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 1);
	put("sys/fs/cgroup/cpu.max", "nonsense\n");
	ck_assert_uint_eq(cpus_quota(root), UINT32_MAX);
	drop_root();
}
END_TEST

START_TEST(the_least_on_the_way_up_counts)
{
	make_root();
	put("proc/self/cgroup", "0::/pods/one/app\n");
	put("sys/fs/cgroup/pods/one/app/cpu.max", "800000 100000\n");
	put("sys/fs/cgroup/pods/one/cpu.max", "200000 100000\n");
	put("sys/fs/cgroup/pods/cpu.max", "max 100000\n");
	ck_assert_uint_eq(cpus_quota(root), 2);
	drop_root();
}
END_TEST

START_TEST(the_first_version_is_read_too)
{
	make_root();
	put("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n");
	put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "300000\n");
	put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
	ck_assert_uint_eq(cpus_quota(root), 3);
	put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
	ck_assert_uint_eq(cpus_quota(root), UINT32_MAX);
	drop_root();
}
END_TEST

UNIT_MAIN("cpus", without_cgroups_nothing_is_limited, a_quota_is_rounded_up,
	the_least_on_the_way_up_counts, the_first_version_is_read_too)
