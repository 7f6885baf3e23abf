/* Telling the service manager how we are (systemd's sd_notify protocol); nothing where there is none. */
#ifndef IAIDO_MASTER_NOTIFY_H
#define IAIDO_MASTER_NOTIFY_H

/* "READY=1" and the like, lines separated by \n. */
void notify_send(const char *state);
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
