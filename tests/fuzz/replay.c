/* Drives a fuzz target without a fuzzer: replays its kept corpus, each input whole, at every
 * truncation (of the first KiB) and with some of its bytes changed. The corpus is the folder
 * $SRCDIR/tests/fuzz/corpus/FUZZ_CORPUS, or the files given; $FUZZ_ROUNDS says how many changed
 * inputs are tried. With clang, -fsanitize=fuzzer takes the target's file in place of this one. */
#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iaido/rng.h"

#define INPUT_MAX ((size_t)1 << 20)
#define TRUNCATIONS_MAX 1024
#define ROUNDS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rng rng;

/* In memory of its own length, so that a sanitizer sees a step past its end. */
static void
try_input(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len + (len == 0));

	if (!copy)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

/* A few bytes changed to values that decoders trip over. */
static void
try_changed(const uint8_t *data, size_t len)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint8_t *copy = malloc(len + 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	for (uint64_t changes = 1 + rng_below(&rng, 4); len > 0 && changes > 0; changes--) {
		size_t at = rng_below(&rng, len);

		if (rng_below(&rng, 2))
			copy[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
		else
			copy[at] = values[rng_below(&rng, sizeof(values))];
	}
	try_input(copy, rng_below(&rng, 4) ? len : rng_below(&rng, len + 1));
	free(copy);
}

static int
replay_file(const char *path)
{
	const char *rounds_text = getenv("FUZZ_ROUNDS");
	unsigned long rounds = rounds_text ? strtoul(rounds_text, NULL, 10) : ROUNDS;
	uint8_t *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!data || !f) {
		fprintf(stderr, "cannot read %s\n", path);
		free(data);
		if (f)
			fclose(f);
		return -1;
	}
	len = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	try_input(data, len);
	for (size_t cut = 0; cut < len && cut < TRUNCATIONS_MAX; cut++)
		try_input(data, cut);
	for (unsigned long i = 0; i < rounds; i++)
		try_changed(data, len);
	free(data);
	return 0;
}

/* Returns how many were replayed, or -1. */
static int
replay_folder(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *entry;
	int count = 0;

	if (!d)
		return -1;
	while ((entry = readdir(d))) {
		char path[8192];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (replay_file(path) < 0) {
			count = -1;
			break;
		}
		count++;
	}
	closedir(d);
	return count;
}

int
main(int argc, char **argv)
{
	const char *source = getenv("SRCDIR");
	char folder[4096];
	int count;

	rng_seed_from(&rng, 1);
	for (int i = 1; i < argc; i++)
		if (replay_file(argv[i]) < 0)
			return EXIT_FAILURE;
	if (argc > 1)
		return EXIT_SUCCESS;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", source ? source : ".",
		FUZZ_CORPUS);
	count = replay_folder(folder);
	if (count <= 0) {
		fprintf(stderr, "no corpus in %s\n", folder);
		return EXIT_FAILURE;
	}
	printf("%d inputs replayed\n", count);
	return EXIT_SUCCESS;
}
