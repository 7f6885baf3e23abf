noinst_LIBRARIES += libbase.a

# Sources and the headers that only this folder uses; public headers go to include/module.mk.
libbase_a_SOURCES = \
	src/base/version.c
