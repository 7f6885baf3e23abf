# Programs that measure; built on request (`make bench`), never asserted on.
