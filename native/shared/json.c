// A scanner for finding and reading single values in a JSON text, and a writer for strings.
#include "json.h"
#include <string.h>

// Deeper nesting than any real document: a limit instead of a stack overflow.
enum { DEPTH_LIMIT = 128, KEY_SIZE = 512 };

static const json_span none = {0, 0};
static const char *skip_value(const char *p, const char *end, int depth);

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p) && *p) p++;
	return p;
}

// Past the closing quote, or NULL.
static const char *skip_string(const char *p, const char *end)
{
	if (p >= end || *p != '"') return NULL;
	for (p++; p < end; p++) {
		if (*p == '"') return p + 1;
		if (*p == '\\' && ++p >= end) return NULL;
	}
	return NULL;
}

static const char *skip_literal(const char *p, const char *end)
{
	const char *start = p;
	while (p < end && *p && (strchr("+-.", *p) || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == 'E')) p++;
	return p > start ? p : NULL;
}

// One `"key": value` or one element, at p; says where key and value are.
static const char *skip_item(const char *p, const char *end, bool keyed, json_span *key, json_span *value, int depth)
{
	if (keyed) {
		const char *after = skip_string(p, end);
		if (!after) return NULL;
		*key = (json_span){p, after};
		p = skip_space(after, end);
		if (p >= end || *p != ':') return NULL;
		p = skip_space(p + 1, end);
	}
	const char *after = skip_value(p, end, depth);
	if (after) *value = (json_span){p, after};
	return after;
}

// Calls VISIT for each item; past the closing bracket, or NULL when broken.
static const char *walk(const char *p, const char *end, int depth, void (*visit)(json_span, json_span, void *), void *arg)
{
	bool keyed = *p == '{';
	char close = keyed ? '}' : ']';
	p = skip_space(p + 1, end);
	if (p < end && *p == close) return p + 1;
	for (;;) {
		json_span key = none, value = none;
		p = skip_item(p, end, keyed, &key, &value, depth + 1);
		if (!p) return NULL;
		if (visit) visit(key, value, arg);
		p = skip_space(p, end);
		if (p >= end) return NULL;
		if (*p == close) return p + 1;
		if (*p != ',') return NULL;
		p = skip_space(p + 1, end);
	}
}

static const char *skip_value(const char *p, const char *end, int depth)
{
	if (p >= end || depth > DEPTH_LIMIT) return NULL;
	if (*p == '"') return skip_string(p, end);
	if (*p == '{' || *p == '[') return walk(p, end, depth, NULL, NULL);
	return skip_literal(p, end);
}

json_span json_text(const char *text, size_t length)
{
	return (json_span){text, text + length};
}

json_span json_value(json_span text)
{
	if (!text.at) return none;
	const char *start = skip_space(text.at, text.end);
	const char *after = skip_value(start, text.end, 0);
	if (!after || skip_space(after, text.end) != text.end) return none;
	return (json_span){start, after};
}

bool json_valid(json_span value)
{
	return value.at != NULL;
}

typedef struct {
	const char *key;
	size_t left;
	json_span found;
} search;

static void match_key(json_span key, json_span value, void *arg)
{
	search *s = arg;
	char name[KEY_SIZE];
	if (json_string(key, name, sizeof name) && !strcmp(name, s->key)) s->found = value;
}

static void match_index(json_span key, json_span value, void *arg)
{
	search *s = arg;
	(void)key;
	if (s->left-- == 0) s->found = value;
}

// A key given twice means the last one, as for runc and the Go and JavaScript parsers.
json_span json_member(json_span object, const char *key)
{
	search s = {.key = key};
	if (!object.at || *object.at != '{') return none;
	return walk(object.at, object.end, 0, match_key, &s) ? s.found : none;
}

json_span json_element(json_span array, size_t index)
{
	search s = {.left = index};
	if (!array.at || *array.at != '[') return none;
	return walk(array.at, array.end, 0, match_index, &s) ? s.found : none;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

static const char *read_hex4(const char *p, const char *end, unsigned *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, p++) {
		int digit = p < end ? hex_digit(*p) : -1;
		if (digit < 0) return NULL;
		*code = *code << 4 | (unsigned)digit;
	}
	return p;
}

// After `\u`: one code point, joining a surrogate pair.
static const char *read_code_point(const char *p, const char *end, unsigned *code)
{
	unsigned low;
	p = read_hex4(p, end, code);
	if (!p || *code < 0xd800 || *code > 0xdbff) return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return NULL;
	p = read_hex4(p + 2, end, &low);
	if (!p || low < 0xdc00 || low > 0xdfff) return NULL;
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return p;
}

static size_t put_utf8(char out[4], unsigned c)
{
	if (c < 0x80) return out[0] = (char)c, 1;
	if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63));
	return 4;
}

// One escape, after its backslash.
static const char *read_escape(const char *p, const char *end, unsigned *code)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	if (p >= end || !*p) return NULL;
	if (*p == 'u') return read_code_point(p + 1, end, code);
	const char *known = strchr(names, *p);
	if (!known) return NULL;
	*code = (unsigned char)values[known - names];
	return p + 1;
}

bool json_string(json_span value, char *out, size_t size)
{
	if (!value.at || *value.at != '"' || !size) return false;
	const char *p = value.at + 1, *end = value.end - 1;
	size_t used = 0;
	while (p < end) {
		char bytes[4];
		size_t n = 1;
		unsigned code = 0;
		if (*p != '\\') bytes[0] = *p++;
		else if (!(p = read_escape(p + 1, end, &code))) return false;
		else n = put_utf8(bytes, code);
		if (!bytes[0] || used + n >= size) return false;
		memcpy(out + used, bytes, n);
		used += n;
	}
	out[used] = 0;
	return true;
}

bool json_get(json_span object, const char *key, char *out, size_t size)
{
	return json_string(json_member(object, key), out, size);
}

void json_put(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\') fprintf(out, "\\%c", *p);
		else if (*p < 0x20) fprintf(out, "\\u%04x", *p);
		else fputc(*p, out);
	}
	fputc('"', out);
}
