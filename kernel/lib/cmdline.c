/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The boot command line, split once into NUL-terminated "key=value" words, then only read. A word
 * that does not fit is left out with a warning. Of two words with one key the last wins, so that an
 * operator can append. Shared with linux/.
 */
#define LOG_SUBSYS "cmdline"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>

#include "lib/cmdline.h"

#define CMDLINE_MAX 4096
#define WORDS_MAX 128

static char text[CMDLINE_MAX];
static const char *words[WORDS_MAX];
static unsigned nwords;

void cmdline_init(const char *line)
{
	nwords = 0;
	if (kstrcpy(text, line, sizeof(text)) < 0)
		log_warn("longer than %u bytes, cut", CMDLINE_MAX);
	for (char *p = text; *p;) {
		while (*p == ' ' || *p == '\t' || *p == '\n')
			*p++ = '\0';
		if (!*p)
			break;
		if (nwords == WORDS_MAX) {
			log_warn("more than %u words, rest ignored", WORDS_MAX);
			break;
		}
		words[nwords++] = p;
		while (*p && *p != ' ' && *p != '\t' && *p != '\n')
			p++;
	}
}

const char *cmdline_get(const char *key)
{
	size_t n = strlen(key);

	for (unsigned i = nwords; i-- > 0;) {
		if (strncmp(words[i], key, n))
			continue;
		if (words[i][n] == '=')
			return words[i] + n + 1;
		if (!words[i][n])
			return words[i] + n;
	}
	return NULL;
}

static unsigned suffix_shift(char c)
{
	switch (c) {
	case 'k': case 'K': return 10;
	case 'm': case 'M': return 20;
	case 'g': case 'G': return 30;
	default: return 0;
	}
}

uint64_t cmdline_u64(const char *key, uint64_t def)
{
	const char *s = cmdline_get(key);
	char digits[32];
	uint64_t v;

	if (!s)
		return def;
	int n = kstrcpy(digits, s, sizeof(digits));
	unsigned shift = n > 0 ? suffix_shift(digits[n - 1]) : 0;

	if (shift)
		digits[n - 1] = '\0';
	if (n <= 0 || kstrtou64(digits, 0, &v) || v > UINT64_MAX >> shift) {
		log_warn("%s=%s is not a number, using %llu", key, s, (unsigned long long)def);
		return def;
	}
	return v << shift;
}

static bool is_one_of(const char *s, const char *a, const char *b, const char *c)
{
	return !strcmp(s, a) || !strcmp(s, b) || !strcmp(s, c);
}

bool cmdline_bool(const char *key, bool def)
{
	const char *s = cmdline_get(key);

	if (!s)
		return def;
	if (!*s || is_one_of(s, "on", "1", "yes"))
		return true;
	if (is_one_of(s, "off", "0", "no"))
		return false;
	log_warn("%s=%s is neither on nor off, using %s", key, s, def ? "on" : "off");
	return def;
}

uint32_t cmdline_ipv4(const char *key)
{
	const char *s = cmdline_get(key);
	uint32_t addr;

	if (!s)
		return 0;
	if (kstrtoipv4(s, &addr)) {
		log_warn("%s=%s is not an IPv4 address", key, s);
		return 0;
	}
	return addr;
}
