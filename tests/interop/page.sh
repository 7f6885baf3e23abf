#!/usr/bin/env bash
# The page for people in a real browser, headless Chromium: page.py says what is tried. The
# screenshots are kept, in page-screenshots beside the program that is tested.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

interop_start chromium chromium-driver python3 fonts-noto-core fonts-dejavu-core
PATH=$PATH:/usr/sbin

shots=$(cd "$(dirname "$IAIDO")" && pwd)/page-screenshots
python3 "$(dirname "$0")/page.py" "$IAIDO" "$dir" "$shots" || fail "the page does not hold"
