/* What libevent is told once, before it is used: where its memory comes from, where its words go. */
#ifndef IAIDO_MASTER_LIBEVENT_H
#define IAIDO_MASTER_LIBEVENT_H

void libevent_prepare(void);

#endif
