/* The manual and the sample name every key of the schema, with its default. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>

#include "conf/schema.h"
#include "conf_case.h"

static char *
read_source(const char *name)
{
	const char *srcdir = getenv("SRCDIR");
	char path[1024];
	struct text t;
	FILE *f;
	int c;

	(void)snprintf(path, sizeof(path), "%s/%s", srcdir ? srcdir : ".", name);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	text_init(&t);
	while ((c = getc(f)) != EOF)
		text_addf(&t, "%c", c);
	(void)fclose(f);
	ck_assert(!t.bad && t.len > 0);
	return t.data;
}

/* The manual has ".B path", and on the line after it how the key is without being set. */
static void
check_in_manual(const char *manual, const char *path, const struct conf_field *f)
{
	char head[256], want[128];
	const char *at, *end;

	(void)snprintf(head, sizeof(head), "\n.B %s\n", path);
	at = strstr(manual, head);
	ck_assert_msg(at != NULL, "iaido.yaml(5) has no %s", path);
	at += strlen(head);
	end = strchr(at, '\n');
	if (f->flags & CONF_REQUIRED)
		(void)snprintf(want, sizeof(want), ", required.");
	else if (f->kind == CONF_KIND_SERVERS)
		(void)snprintf(want, sizeof(want), ", default \\fB[]\\fR.");
	else if (!f->initial)
		(void)snprintf(want, sizeof(want), ", no default.");
	else
		(void)snprintf(want, sizeof(want), ", default \\fB%s\\fR.", f->initial);
	ck_assert_msg(end && (size_t)(end - at) > strlen(want) &&
			memcmp(end - strlen(want), want, strlen(want)) == 0,
		"iaido.yaml(5): %s: wanted \"%s\" at the end of \"%.*s\"", path, want,
		(int)(end - at), at);
}

static void
check_section(const char *manual, const char *sample, const struct conf_section *section,
	const char *prefix)
{
	for (size_t i = 0; i < section->field_count; i++) {
		const struct conf_field *f = &section->fields[i];
		char path[200], key[64], deeper[208];

		(void)snprintf(path, sizeof(path), "%s%s", prefix, f->key);
		/* Sections that may be left out are only told of by their keys. */
		if (f->kind != CONF_KIND_SECTION || (f->flags & CONF_REQUIRED))
			check_in_manual(manual, path, f);
		(void)snprintf(key, sizeof(key), " %s:", f->key);
		ck_assert_msg(strstr(sample, key) || strstr(sample, key + 1),
			"etc/iaido.yaml has no %s", path);
		if (!f->section)
			continue;
		(void)snprintf(deeper, sizeof(deeper), "%s%s.", path,
			f->kind == CONF_KIND_LIST ? "[]" : "");
		check_section(manual, sample, f->section, deeper);
	}
}

START_TEST(every_key_is_in_the_manual_and_in_the_sample)
{
	char *manual = read_source("man/iaido.yaml.5");
	char *sample = read_source("etc/iaido.yaml");

	check_section(manual, sample, schema_root(), "");
	free(manual);
	free(sample);
}
END_TEST

/* Makes "#key:" and "#  key:" settings, as someone does who wants to change them. */
static void
uncomment(char *sample)
{
	for (char *line = sample; line; line = strchr(line, '\n')) {
		char *word;

		if (*line == '\n')
			line++;
		if (*line != '#')
			continue;
		word = line + 1 + strspn(line + 1, " ");
		if (!isalpha((unsigned char)*word) ||
			word[strspn(word,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] != ':')
			continue;
		/* One blank after "#" is text. */
		if (word - line == 2)
			continue;
		memmove(line, line + 1, strlen(line));
	}
}

START_TEST(the_sample_loads_and_what_is_commented_out_are_the_defaults)
{
	char *sample = read_source("etc/iaido.yaml");
	struct conf *as_is = conf_case_good(sample), *uncommented;

	uncomment(sample);
	ck_assert_ptr_null(strstr(sample, "\n#keepAccepting"));
	ck_assert_ptr_null(strstr(sample, "\n#  idleDuration"));
	uncommented = conf_case_good(sample);
	ck_assert(conf_equal(as_is, uncommented));
	conf_free(as_is);
	conf_free(uncommented);
	free(sample);
}
END_TEST

/* Copies what stands between .EX and .EE, as the reader sees it. */
static char *
take_example(const char **at)
{
	const char *begin = strstr(*at, "\n.EX\n"), *end;
	struct text t;

	if (!begin)
		return NULL;
	begin += strlen("\n.EX\n");
	end = strstr(begin, ".EE\n");
	ck_assert_ptr_nonnull(end);
	text_init(&t);
	for (const char *s = begin; s < end; s++)
		if (*s != '\\')
			text_add_bytes(&t, s, 1);
	*at = end;
	return t.data;
}

START_TEST(the_examples_of_the_manual_load)
{
	char *manual = read_source("man/iaido.yaml.5"), *example;
	const char *at = manual;
	int count = 0;

	while ((example = take_example(&at))) {
		conf_free(conf_case_good(example));
		free(example);
		count++;
	}
	ck_assert_int_ge(count, 2);
	free(manual);
}
END_TEST

UNIT_MAIN("conf_docs", every_key_is_in_the_manual_and_in_the_sample,
	the_sample_loads_and_what_is_commented_out_are_the_defaults,
	the_examples_of_the_manual_load)
