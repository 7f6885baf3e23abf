# What tests share.
EXTRA_DIST += tests/support/unit.h
