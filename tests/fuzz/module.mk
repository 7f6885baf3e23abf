# Fuzz targets, each with a driver that replays its kept corpus under `make check`.
