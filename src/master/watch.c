/* Looks at the configuration file once a period; a changed device, inode, size or modification time
 * counts, which covers edits, renames and swapped symlinks. Reads nothing. */
#include "config.h"

#include "watch.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/stat.h>

#include "iaido/clock.h"

void
file_look_take(const char *path, struct file_look *out)
{
	struct stat st;

	*out = (struct file_look){ 0 };
	if (stat(path, &st) < 0) {
		out->error = errno;
		return;
	}
	out->device = st.st_dev;
	out->inode = st.st_ino;
	out->size = st.st_size;
	out->mtime_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
}

bool
file_look_equal(const struct file_look *a, const struct file_look *b)
{
	return a->error == b->error && a->device == b->device && a->inode == b->inode &&
		a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct file_look look;

	(void)fd;
	(void)what;
	file_look_take(w->path, &look);
	if (!file_look_equal(&look, &w->seen))
		w->changed(w->arg);
}

int
watch_start(struct watch *w, struct event_base *base, const char *path, int64_t period_ns,
	void (*changed)(void *arg), void *arg)
{
	struct timeval tv = { period_ns / NSEC_PER_SEC, period_ns % NSEC_PER_SEC / NSEC_PER_USEC };

	w->path = path;
	w->changed = changed;
	w->arg = arg;
	if (period_ns <= 0)
		return 0;
	if (tv.tv_sec == 0 && tv.tv_usec < 1000)
		tv.tv_usec = 1000;
	w->timer = event_new(base, -1, EV_PERSIST, on_timer, w);
	if (!w->timer || event_add(w->timer, &tv) < 0)
		return -ENOMEM;
	return 0;
}

void
watch_stop(struct watch *w)
{
	if (w->timer)
		event_free(w->timer);
	w->timer = NULL;
}
