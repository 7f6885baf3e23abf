/* Reading a configuration from a file or from memory, and giving one back. */
#include "config.h"

#include "iaido/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "iaido/text.h"
#include "load.h"
#include "report.h"
#include "schema.h"
#include "tree.h"

/* Each free_ leaves its member empty. */
static void
free_string(char **at)
{
	free(*at);
	*at = NULL;
}

static void
free_bind(struct frontend_conf *fe)
{
	free_string(&fe->bind_address);
	free_string(&fe->bind_host);
}

static void
free_servers(struct resolver_conf *resolver)
{
	free(resolver->servers);
	resolver->servers = NULL;
	resolver->server_count = 0;
}

static void
free_hosts(struct target_conf *target)
{
	for (size_t i = 0; i < target->host_count; i++)
		free(target->hosts[i]);
	free(target->hosts);
	target->hosts = NULL;
	target->host_count = 0;
}

static void free_section(const struct conf_section *section, void *base);

static void
free_list(const struct conf_field *f, void *base)
{
	size_t *count = (size_t *)((char *)base + f->count_offset);
	char *items;

	memcpy(&items, (char *)base + f->offset, sizeof(items));
	for (size_t i = 0; i < *count; i++)
		free_section(f->section, items + i * f->section->size);
	free(items);
	*count = 0;
}

static void
free_section(const struct conf_section *section, void *base)
{
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];
		void *at = (char *)base + f->offset;

		switch (f->kind) {
		case CONF_KIND_STRING:
		case CONF_KIND_LOG_TARGET:
		case CONF_KIND_DIAG:
			free_string(at);
			break;
		case CONF_KIND_BIND:
			free_bind(base);
			break;
		case CONF_KIND_SERVERS:
			free_servers(base);
			break;
		case CONF_KIND_HOSTS:
			free_hosts(base);
			break;
		case CONF_KIND_SECTION:
			free_section(f->section, at);
			break;
		case CONF_KIND_LIST:
			free_list(f, base);
			break;
		default:
			break;
		}
	}
}

void
conf_free(struct conf *c)
{
	if (!c)
		return;
	free_section(schema_root(), c);
	free(c);
}

/* What the tree means, and all the rules; the report says what is wrong. */
static struct conf *
build(struct report *r, const struct tree *tree)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (!c) {
		r->is_out_of_memory = true;
		return NULL;
	}
	load_tree(r, c, tree_root(tree));
	if (!r->is_out_of_memory && !report_is_full(r))
		check_conf(r, c);
	return c;
}

/* As conf_parse(), but *out may be set whatever is returned: with what is good of a faulty one. */
static int
parse(const char *name, const void *data, size_t len, struct conf **out, struct conf_report *report)
{
	struct report r;
	struct tree *tree = NULL;
	struct tree_error error;
	int result;

	memset(report, 0, sizeof(*report));
	report_init(&r, name);
	result = tree_parse(data, len, &tree, &error);
	if (result == -EINVAL)
		report_error(&r, error.mark, "%s", error.what);
	else if (result == 0)
		*out = build(&r, tree);
	tree_free(tree);
	if (result == 0 || result == -EINVAL) {
		int finished = report_finish(&r, report);

		result = finished < 0 ? finished : report->error_count > 0 ? -EINVAL : 0;
	}
	report_fini(&r);
	return result;
}

int
conf_parse(const char *name, const void *data, size_t len, struct conf **out,
	struct conf_report *report)
{
	struct conf *c = NULL;
	int r = parse(name, data, len, &c, report);

	if (r < 0)
		conf_free(c);
	else
		*out = c;
	return r;
}

/* Reports what is wrong with the file as a whole. */
static int
refuse_file(const char *path, struct conf_report *report, const char *what)
{
	struct report r;
	int result;

	report_init(&r, path);
	report_error(&r, (struct conf_mark){ 0, 0 }, "%s", what);
	result = report_finish(&r, report);
	report_fini(&r);
	return result;
}

/* One byte more than is allowed is enough to see that there are too many. */
static ssize_t
read_whole(int fd, char *data)
{
	size_t len = 0;

	while (len <= TREE_BYTES_MAX) {
		ssize_t n = read(fd, data + len, TREE_BYTES_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Opens a regular file, without waiting for the other end of a FIFO; -EINVAL with *what set. */
static int
open_regular(const char *path, const char **what)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENXIO) /* a socket */
		*what = "is not a regular file";
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		r = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		*what = S_ISDIR(st.st_mode) ? "is a directory, not a file"
					    : "is not a regular file";
		r = -EINVAL;
	} else {
		return fd;
	}
	close(fd);
	return r;
}

/* As parse(). */
static int
load(const char *path, struct conf **out, struct conf_report *report)
{
	const char *what = NULL;
	int fd = open_regular(path, &what);
	char *data;
	ssize_t len;
	int r;

	memset(report, 0, sizeof(*report));
	if (fd < 0) {
		r = refuse_file(path, report, what ? what : strerror(-fd));
		return r < 0 ? r : fd;
	}
	data = malloc(TREE_BYTES_MAX + 1);
	len = data ? read_whole(fd, data) : -ENOMEM;
	close(fd);
	if (len < 0) {
		r = refuse_file(path, report, strerror((int)-len));
		r = r < 0 ? r : (int)len;
	} else {
		r = parse(path, data, (size_t)len, out, report);
	}
	free(data);
	return r;
}

int
conf_load(const char *path, struct conf **out, struct conf_report *report)
{
	struct conf *c = NULL;
	int r = load(path, &c, report);

	if (r < 0)
		conf_free(c);
	else
		*out = c;
	return r;
}

int
conf_load_diag_addr(const char *path, char **out, struct conf_report *report)
{
	struct conf *c = NULL;
	int r = load(path, &c, report);

	*out = NULL;
	if (c && c->diag_addr) {
		*out = strdup(c->diag_addr);
		if (!*out)
			r = -ENOMEM;
	}
	conf_free(c);
	return r;
}

bool
conf_equal(const struct conf *a, const struct conf *b)
{
	struct text left, right;
	bool equal;

	/* What is printed is all that a configuration means. */
	text_init(&left);
	text_init(&right);
	equal = conf_emit_json(a, &left) == 0 && conf_emit_json(b, &right) == 0 &&
		left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
	text_fini(&left);
	text_fini(&right);
	return equal;
}
