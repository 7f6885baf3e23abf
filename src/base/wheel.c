/* A hashed timer wheel. An entry lies in the slot of its tick modulo the number of slots; one that
 * is more than a turn away stays there when its slot comes by. Entries that are due move to a list
 * of their own, all at once, so that what is set meanwhile cannot join them. */
#include "config.h"

#include "iaido/wheel.h"

#include <string.h>

/* Entries looked at to find the next that is due. */
#define LOOKS_AHEAD 64

static int64_t
floor_tick(const struct wheel *w, int64_t ns)
{
	return ns / w->tick_ns - (ns % w->tick_ns < 0);
}

static int64_t
ceil_tick(const struct wheel *w, int64_t ns)
{
	return ns / w->tick_ns + (ns % w->tick_ns > 0);
}

static unsigned
slot_of(int64_t tick)
{
	return (unsigned)((uint64_t)tick % WHEEL_SLOTS);
}

static void
link_entry(struct wheel_entry **head, struct wheel_entry *e)
{
	e->next = *head;
	if (e->next)
		e->next->prev = &e->next;
	e->prev = head;
	*head = e;
}

static void
unlink_entry(struct wheel *w, struct wheel_entry *e)
{
	struct wheel_entry **prev = e->prev;

	*prev = e->next;
	if (e->next)
		e->next->prev = prev;
	e->next = NULL;
	e->prev = NULL;
	if (!*prev && prev >= w->slots && prev < w->slots + WHEEL_SLOTS) {
		unsigned slot = (unsigned)(prev - w->slots);

		w->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	}
}

void
wheel_init(struct wheel *w, int64_t tick_ns, int64_t now_ns)
{
	memset(w, 0, sizeof(*w));
	w->tick_ns = tick_ns;
	w->position = floor_tick(w, now_ns);
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, int64_t due_ns)
{
	int64_t tick = ceil_tick(w, due_ns);
	unsigned slot;

	if (tick <= w->position)
		tick = w->position + 1;
	wheel_clear(w, e);
	slot = slot_of(tick);
	e->due_ns = due_ns;
	link_entry(&w->slots[slot], e);
	w->used[slot / 64] |= UINT64_C(1) << slot % 64;
	w->count++;
}

void
wheel_clear(struct wheel *w, struct wheel_entry *e)
{
	if (!e->prev)
		return;
	unlink_entry(w, e);
	w->count--;
}

bool
wheel_entry_is_set(const struct wheel_entry *e)
{
	return e->prev != NULL;
}

/* Moves what is due at `tick` from its slot to the list of due entries. */
static void
collect_slot(struct wheel *w, unsigned slot, int64_t tick)
{
	struct wheel_entry *e, *next;

	for (e = w->slots[slot]; e; e = next) {
		next = e->next;
		if (ceil_tick(w, e->due_ns) > tick)
			continue;
		unlink_entry(w, e);
		link_entry(&w->due, e);
	}
}

static void
advance(struct wheel *w, int64_t target)
{
	int64_t from = w->position + 1;

	/* After a long sleep one turn sees every slot. */
	if (target - from >= WHEEL_SLOTS)
		from = target - WHEEL_SLOTS + 1;
	for (int64_t tick = from; w->count > 0 && tick <= target; tick++) {
		unsigned slot = slot_of(tick);

		if (w->used[slot / 64] & UINT64_C(1) << slot % 64)
			collect_slot(w, slot, target);
	}
	w->position = target;
}

struct wheel_entry *
wheel_expire(struct wheel *w, int64_t now_ns)
{
	struct wheel_entry *e;
	int64_t target = floor_tick(w, now_ns);

	if (!w->due && target > w->position)
		advance(w, target);
	e = w->due;
	if (e)
		wheel_clear(w, e);
	return e;
}

/* Whether the slot has an entry that is due at `tick`. After so many looks it is taken for granted: many
 * entries are worth a wake-up, and not worth a walk. */
static bool
seems_due(const struct wheel *w, unsigned slot, int64_t tick, int *looks)
{
	const struct wheel_entry *e;

	for (e = w->slots[slot]; e; e = e->next) {
		if (*looks <= 0 || ceil_tick(w, e->due_ns) <= tick)
			return true;
		(*looks)--;
	}
	return false;
}

int64_t
wheel_next_ns(const struct wheel *w)
{
	unsigned start = slot_of(w->position + 1);
	int looks = LOOKS_AHEAD;

	if (w->due)
		return w->position * w->tick_ns;
	if (w->count == 0)
		return INT64_MAX;
	for (unsigned step = 0; step < WHEEL_SLOTS;) {
		unsigned slot = (start + step) % WHEEL_SLOTS;
		uint64_t word = w->used[slot / 64] >> slot % 64;
		unsigned skip = word != 0 ? (unsigned)__builtin_ctzll(word) : 64 - slot % 64;

		step += skip;
		if (word == 0 || step >= WHEEL_SLOTS)
			continue;
		if (seems_due(w, slot + skip, w->position + 1 + step, &looks))
			return (w->position + 1 + step) * w->tick_ns;
		step++;
	}
	return (w->position + WHEEL_SLOTS) * w->tick_ns;
}
