/* Bootstrap: specs to a configuration, and a file that is replaced in one step. */
#include "config.h"

#include "iaido/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostport.h"
#include "iaido/file.h"
#include "iaido/text.h"

#define DIAG_PORT 13013
#define LINKS_MAX 40 /* as the kernel follows them */

void
bootstrap_fini(struct bootstrap *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->specs[i].host);
	free(b->specs);
	*b = (struct bootstrap){ 0 };
}

const char *
bootstrap_add(struct bootstrap *b, const char *spec)
{
	const char *colon = strchr(spec, ':');
	struct bootstrap_spec s = { 0 }, *grown;
	char port[8], host[HOST_TEXT_MAX];
	const char *what;

	if (!colon || !strchr(colon + 1, ':'))
		return "must be localPort:remoteHost:remotePort";
	if ((size_t)(colon - spec) >= sizeof(port))
		return "the local port must be from 1 to 65535";
	memcpy(port, spec, (size_t)(colon - spec));
	port[colon - spec] = '\0';
	if (port_parse(port, false, &s.local_port))
		return "the local port must be from 1 to 65535";
	what = hostport_split(colon + 1, HOST_TO_CONNECT, host, &s.remote_port);
	if (what)
		return what;
	grown = realloc(b->specs, (b->count + 1) * sizeof(*grown));
	if (!grown)
		return strerror(ENOMEM);
	b->specs = grown;
	s.host = strdup(host);
	if (!s.host)
		return strerror(ENOMEM);
	b->specs[b->count++] = s;
	return NULL;
}

const char *
bootstrap_check_address(const char *address)
{
	char host[HOST_TEXT_MAX];

	return host_normalise(address, HOST_TO_BIND, host);
}

static int
compare_spec(const void *left, const void *right)
{
	const struct bootstrap_spec *a = left, *b = right;

	if (a->local_port != b->local_port)
		return a->local_port < b->local_port ? -1 : 1;
	if (a->remote_port != b->remote_port)
		return a->remote_port < b->remote_port ? -1 : 1;
	return strcasecmp(a->host, b->host);
}

/* The file as a person would write it, from sorted specs; conf_parse() fills in the rest. */
static void
write_draft(struct text *t, const char *host, const struct bootstrap_spec *specs, size_t count)
{
	char address[HOST_TEXT_MAX + 16];

	text_add(t, "diagAddr: ");
	text_add_json(t, hostport_join(host, DIAG_PORT, address, sizeof(address)));
	text_add(t, "\nfrontends:\n");
	for (size_t i = 0; i < count; i++) {
		const struct bootstrap_spec *s = &specs[i];
		bool is_new_frontend = i == 0 || s[-1].local_port != s->local_port;
		bool is_new_target = is_new_frontend || s[-1].remote_port != s->remote_port;

		if (!is_new_target && strcasecmp(s[-1].host, s->host) == 0)
			continue;
		if (is_new_frontend) {
			text_add(t, "- bindAddress: ");
			text_add_json(
				t, hostport_join(host, s->local_port, address, sizeof(address)));
			text_add(t, "\n  backendPool:\n    tiers:\n    - targets:\n");
		}
		if (is_new_target)
			text_addf(t, "      - port: %u\n        hosts:\n", s->remote_port);
		text_add(t, "        - ");
		text_add_json(t, s->host);
		text_add(t, "\n");
	}
}

int
bootstrap_make(const struct bootstrap *b, const char *address, struct conf **out,
	struct conf_report *report)
{
	struct bootstrap_spec *sorted = calloc(b->count > 0 ? b->count : 1, sizeof(*sorted));
	char host[HOST_TEXT_MAX];
	struct text draft;
	int r;

	memset(report, 0, sizeof(*report));
	if (!sorted)
		return -ENOMEM;
	if (host_normalise(address, HOST_TO_BIND, host)) {
		free(sorted);
		return -EINVAL;
	}
	if (b->count > 0)
		memcpy(sorted, b->specs, b->count * sizeof(*sorted));
	qsort(sorted, b->count, sizeof(*sorted), compare_spec);
	text_init(&draft);
	write_draft(&draft, host, sorted, b->count);
	free(sorted);
	r = draft.bad ? -ENOMEM : conf_parse("bootstrap", draft.data, draft.len, out, report);
	text_fini(&draft);
	return r;
}

/* The name of the file that `path` leads to through symlinks, whether it exists or not. */
static int
follow_links(const char *path, char out[PATH_MAX])
{
	char link[PATH_MAX], next[PATH_MAX];

	if ((size_t)snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t n = readlink(out, link, sizeof(link) - 1);
		const char *slash;
		int len;

		if (n < 0)
			return errno == EINVAL || errno == ENOENT ? 0 : -errno;
		link[n] = '\0';
		slash = strrchr(out, '/');
		len = link[0] == '/' || !slash ? 0 : (int)(slash + 1 - out);
		if ((size_t)snprintf(next, sizeof(next), "%.*s%s", len, out, link) >= sizeof(next))
			return -ENAMETOOLONG;
		memcpy(out, next, sizeof(next));
	}
	return -ELOOP;
}

/* As the file had it that is replaced, as far as one may; a new one as open(2) makes it. */
static int
copy_mode(int fd, const struct stat *former)
{
	mode_t mask;

	if (!former) {
		mask = umask(0);
		(void)umask(mask);
		return fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
	}
	if (fchown(fd, former->st_uid, former->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, former->st_mode & 0777) < 0 ? -errno : 0;
}

static int
put_in_place(const char *temporary, const char *path, bool force)
{
	if (force)
		return rename(temporary, path) < 0 ? -errno : 0;
	/* These fail when somebody else made the file meanwhile. Not every file system has both. */
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(temporary, path) < 0)
		return -errno;
	(void)unlink(temporary);
	return 0;
}

/* Makes the new name last over a crash. */
static int
sync_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r = 0;

	if (!slash)
		(void)snprintf(dir, sizeof(dir), ".");
	else
		(void)snprintf(
			dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Some file systems cannot, and say EINVAL. */
	if (fsync(fd) < 0 && errno != EINVAL)
		r = -errno;
	close(fd);
	return r;
}

static int
replace_file(const char *path, const struct stat *former, const void *data, size_t len, bool force)
{
	char temporary[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash + 1 - path) : 0;
	int fd, r;

	/* A name of its own: with a suffix to the file's it might be too long. */
	if ((size_t)snprintf(temporary, sizeof(temporary), "%.*s.iaido.XXXXXX", dir_len, path) >=
		sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = copy_mode(fd, former);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = put_in_place(temporary, path, force);
	if (r < 0) {
		(void)unlink(temporary);
		return r;
	}
	return sync_directory(path);
}

int
bootstrap_write(const char *path, const void *data, size_t len, bool force)
{
	char target[PATH_MAX];
	struct stat st;
	bool exists;
	int r = follow_links(path, target);

	if (r < 0)
		return r;
	exists = lstat(target, &st) == 0;
	if (!exists && errno != ENOENT)
		return -errno;
	if (exists && !force)
		return -EEXIST;
	if (exists && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return replace_file(target, exists ? &st : NULL, data, len, force);
}
