// The JSON scanner: what it finds, and that it refuses what is broken.
#include "json.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

// On the heap without a NUL behind it, so that the sanitizer sees every read too far.
static json_span heap(const char *text)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	memcpy(copy, text, n);
	return json_text(copy, n);
}

static bool found(const char *text, const char *key, const char *expected)
{
	char out[64];
	json_span h = heap(text);
	bool ok = json_get(json_value(h), key, out, sizeof out);
	free((char *)h.at);
	return expected ? ok && !strcmp(out, expected) : !ok;
}

static bool valid(const char *text)
{
	json_span h = heap(text);
	bool ok = json_valid(json_value(h));
	free((char *)h.at);
	return ok;
}

static void test_finds_members(void)
{
	assert(found("{\"a\":\"b\"}", "a", "b"));
	assert(found(" { \"x\" : [1, {\"a\":\"no\"}] , \"a\" : \"yes\" } ", "a", "yes"));
	assert(found("{\"a\":\"old\",\"a\":\"new\"}", "a", "new"));
	assert(found("{\"a.b/c\":\"\"}", "a.b/c", ""));
	assert(found("{\"a\":1}", "a", NULL));
	assert(found("{\"b\":{\"a\":\"deep\"}}", "a", NULL));
	assert(found("[\"a\",\"b\"]", "a", NULL));
}

static void test_decodes_escapes(void)
{
	assert(found("{\"a\":\"q\\\"\\\\\\/\\n\"}", "a", "q\"\\/\n"));
	assert(found("{\"\\u0061\":\"\\u00e9\\u20ac\\ud83d\\ude00\"}", "a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
	assert(found("{\"a\":\"}],:{\\\"\"}", "a", "}],:{\""));
	assert(found("{\"a\":\"\\ud83d\"}", "a", NULL));
	assert(found("{\"a\":\"\\u0000\"}", "a", NULL));
	assert(found("{\"a\":\"\\x\"}", "a", NULL));
	assert(found("{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", "a", NULL));
}

static void test_refuses_broken_texts(void)
{
	const char *broken[] = {"", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{\"a\" 1}", "[1 2]", "\"abc", "\"a\\", "{} {}", "{a:1}", ",", "[,1]"};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) assert(!valid(broken[i]));
	char deep[1000];
	memset(deep, '[', 500);
	memset(deep + 500, ']', 499);
	deep[999] = 0;
	assert(!valid(deep));
	assert(valid("{\"a\":[true,false,null,-1.5e+3,\"\"],\"b\":{}}") && valid("[]") && valid(" 1 "));
}

static void test_finds_elements(void)
{
	char out[8];
	json_span h = heap("[\"a\", {\"k\": \"v\"}, \"c\"]"), v = json_value(h);
	assert(json_string(json_element(v, 0), out, sizeof out) && !strcmp(out, "a"));
	assert(json_get(json_element(v, 1), "k", out, sizeof out) && !strcmp(out, "v"));
	assert(!json_valid(json_element(v, 3)));
	free((char *)h.at);
}

// Every prefix and every changed byte of a document is read without running over its end.
static void test_survives_damage(void)
{
	const char *text = "{\"annotations\":{\"a\\u00e9\":\"\\ud83d\\ude00\",\"b\":[1,{\"c\":null}]}}";
	size_t n = strlen(text);
	for (size_t cut = 0; cut <= n; cut++) {
		for (int byte = 0; byte < 256; byte += 3) {
			char *copy = malloc(cut + 1);
			memcpy(copy, text, cut);
			if (cut) copy[cut / 2] = (char)byte;
			copy = realloc(copy, cut ? cut : 1);
			char out[32];
			json_get(json_member(json_value(json_text(copy, cut)), "annotations"), "b", out, sizeof out);
			free(copy);
		}
	}
}

int main(void)
{
	test_finds_members();
	test_decodes_escapes();
	test_refuses_broken_texts();
	test_finds_elements();
	test_survives_damage();
	return 0;
}
