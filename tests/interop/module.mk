# Tests against software nobody here wrote; run by hand or by .ci/run, not by `make check`.
EXTRA_DIST += tests/interop/lib/common.sh tests/interop/nginx.sh tests/interop/postgres.sh \
	tests/interop/redis.sh
