// A scanner for finding and reading single values in a JSON text, and a writer for strings.
// It never builds a tree: the callers need two or three values out of large documents.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct {
	const char *at, *end;
} json_span;

json_span json_text(const char *text, size_t length);
// The value without surrounding space; an invalid text gives an empty span.
json_span json_value(json_span text);
bool json_valid(json_span value);
// The value of KEY in an object; empty when missing, or when the text is no valid object.
json_span json_member(json_span object, const char *key);
json_span json_element(json_span array, size_t index);
// Decodes a string value; false when it is none, is broken, does not fit or holds a NUL.
bool json_string(json_span value, char *out, size_t size);
// The string member KEY of an object.
bool json_get(json_span object, const char *key, char *out, size_t size);
void json_put(FILE *out, const char *text);
