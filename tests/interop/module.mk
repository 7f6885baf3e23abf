# Tests against software nobody here wrote; run by hand or by .ci/run, not by `make check`.
EXTRA_DIST += tests/interop/lib/common.sh tests/interop/nginx.sh tests/interop/postgres.sh \
	tests/interop/redis.sh
EXTRA_DIST += tests/interop/prometheus.sh tests/interop/page.sh tests/interop/page.py \
	tests/interop/lib/browser.py tests/interop/lib/town.py
EXTRA_DIST += tests/interop/systemd.sh tests/interop/lib/echo.py
