noinst_LIBRARIES += libbase.a

# Sources and the headers that only this folder uses; public headers go to include/module.mk.
libbase_a_SOURCES = \
	src/base/addr.c src/base/clock.c src/base/duration.c src/base/file.c src/base/log.c \
	src/base/reserve.c src/base/rng.c src/base/text.c src/base/version.c src/base/wheel.c \
	src/base/wire.c
