// What the kernel says of its trace records, pages of such records, and the marks that they make: against texts of a real kernel, and plain models.
#include "../helper/stale.c"
#include "../helper/trace-format.c"
#include "../helper/trace-page.c"
#include <assert.h>

static const char format[] = "name: ext4_da_write_end\nID: 1252\nformat:\n"
			     "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
			     "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
			     "\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n"
			     "\tfield:ino_t ino;\toffset:16;\tsize:8;\tsigned:0;\n"
			     "\tfield:loff_t pos;\toffset:24;\tsize:8;\tsigned:1;\n"
			     "\tfield:char name[16];\toffset:32;\tsize:16;\tsigned:0;\n\n"
			     "print fmt: \"dev %d,%d\", REC->dev\n";
static const char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				  "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				  "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				  "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

static uint64_t state = 42;

static size_t pick(size_t limit)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % limit;
}

static void test_formats(void)
{
	unsigned id;
	trace_field f;
	uint64_t value;
	uint8_t record[32] = {[24] = 1, [31] = 2};
	assert(find_trace_id(format, &id) && id == 1252);
	assert(find_trace_number(format, "pos", &f) && f.offset == 24 && f.size == 8);
	assert(read_trace_number(&f, record, sizeof record, &value) && value == (2ull << 56 | 1));
	assert(!read_trace_number(&f, record, sizeof record - 1, &value));
	assert(find_trace_number(format, "ino", &f) && f.offset == 16);
	assert(!find_trace_number(format, "no", &f) && !find_trace_number(format, "len", &f) && !find_trace_number(format, "name", &f));
	assert(!find_trace_id("name: x\nID: what\n", &id) && !find_trace_number("field:int x", "x", &f) && !find_trace_number("field:int x;", "x", &f));
	assert(!find_trace_number("field:int x;\toffset:8;\tsize:3;", "x", &f) && !find_trace_number("field:int x;\toffset:-8;\tsize:4;", "x", &f));
}

static struct {
	unsigned count;
	size_t sizes[8];
	uint8_t first[8];
} seen;

static bool see(void *context, const uint8_t *record, size_t size)
{
	if (seen.count < 8) seen.sizes[seen.count] = size, seen.first[seen.count] = size ? record[0] : 0;
	for (size_t i = 0; i < size; i++) state += record[i]; // all of it can be read
	return ++seen.count < 1000;
}

static uint32_t head(unsigned kind, unsigned delta)
{
	return kind | delta << 5;
}

static bool walk(const uint32_t *words, size_t count, uint32_t commit)
{
	page_layout layout;
	assert(find_page_layout(header_page, &layout) && trace_page_size(&layout) == 4096);
	uint8_t *page = calloc(1, 4096);
	memcpy(page + 8, &commit, sizeof commit);
	memcpy(page + 16, words, count * sizeof *words);
	memset(&seen, 0, sizeof seen);
	bool ok = walk_trace_page(&layout, page, see, NULL);
	free(page);
	return ok;
}

static void test_pages(void)
{
	const uint32_t words[] = {head(2, 5), 0x11, 0, head(30, 1), 99, head(29, 1), 8, 7, head(0, 1), 12, 0x22, 0, head(31, 0), 5, head(1, 0), 0x33, head(29, 0)};
	uint32_t size = sizeof words;
	assert(walk(words, size / 4, size) && seen.count == 3);
	assert(seen.sizes[0] == 8 && seen.first[0] == 0x11 && seen.sizes[1] == 8 && seen.first[1] == 0x22 && seen.sizes[2] == 4 && seen.first[2] == 0x33);
	assert(walk(words, size / 4, 0) && !seen.count);
	assert(!walk(words, size / 4, size | 1u << 31));
	assert(!walk(words, size / 4, 4081));
	for (uint32_t cut = 4; cut < size; cut += 4) walk(words, size / 4, cut);
	assert(!walk(words, size / 4, 8));				   // in the middle of a record
	assert(!walk((uint32_t[]){head(0, 1), 3}, 2, 8));		   // shorter than its own length
	assert(!walk((uint32_t[]){head(0, 1), UINT32_MAX}, 2, 8));	   // round the end
	assert(!walk((uint32_t[]){head(29, 1), UINT32_MAX - 3}, 2, 8));	   // and to its own start
	assert(!find_page_layout("\tfield: local_t commit;\toffset:8;\tsize:8;\n", &(page_layout){{0}, {0}}));
}

static void test_any_page(void)
{
	static uint32_t words[1020];
	for (int i = 0; i < 20000; i++) {
		for (size_t w = 0; w < 1020; w++) words[w] = head((unsigned)pick(32), (unsigned)pick(3)) & (pick(4) ? UINT32_MAX : 0xff);
		walk(words, 1020, (uint32_t)pick(4090));
	}
}

enum { BLOCKS = 300, DEVICE = 7, INODE = 1234, NUMBER = 5 };

static void test_marks_against_a_plain_array(void)
{
	bool model[BLOCKS];
	watch_inode(NUMBER, DEVICE, INODE);
	watch_inode(NUMBER + 1, DEVICE, INODE + CHAINS); // of the same chain
	stale first = take_stale(NUMBER, INODE, BLOCKS * BLOCK);
	assert(is_stale(&first, 0) && is_stale(&first, BLOCKS));
	for (int round = 0; round < 2000; round++) {
		memset(model, 0, sizeof model);
		for (size_t n = pick(5); n; n--) {
			uint64_t at = pick((BLOCKS + 20) * BLOCK), length = pick(pick(2) ? 10000 : BLOCKS * BLOCK);
			stale_range(DEVICE, INODE, at, length);
			stale_range(DEVICE + 1, INODE, pick(BLOCKS) * BLOCK, BLOCK);
			stale_range(DEVICE, INODE + 1, pick(BLOCKS) * BLOCK, BLOCK);
			for (uint64_t b = 0; b < BLOCKS; b++)
				if (length && at < (b + 1) * BLOCK && at + length > b * BLOCK) model[b] = true;
		}
		stale s = take_stale(NUMBER, INODE, BLOCKS * BLOCK);
		for (size_t b = 0; b < BLOCKS; b++) assert(is_stale(&s, b) == model[b]);
		assert(is_stale(&s, BLOCKS));
		for (size_t b = 0, at; b < BLOCKS; b++) {
			for (at = b; at < BLOCKS && !model[at]; at++) continue;
			assert(next_stale(&s, b, BLOCKS) == at);
		}
		free_stale(s);
	}
	stale_range(DEVICE, INODE, UINT64_MAX - 5, 100);
}

static bool is_clean(unsigned file, uint64_t inode)
{
	stale s = take_stale(file, inode, BLOCK);
	bool clean = !is_stale(&s, 0);
	free_stale(s);
	return clean;
}

static void test_what_is_stale_for_good(void)
{
	for (unsigned n = 10; n < 13; n++) watch_inode(n, DEVICE, n), assert(!is_clean(n, n) && is_clean(n, n));
	assert(!is_clean(10, 99) && is_clean(10, 10)); // another file by now
	count_direct(DEVICE, 10, 1);
	assert(!is_clean(10, 10) && !is_clean(10, 10));
	count_direct(DEVICE, 10, -1);
	assert(is_clean(10, 10));
	watch_inode(13, DEVICE, 10); // known twice
	stale_for_good(DEVICE, 10);
	assert(!is_clean(13, 10) && !is_clean(13, 10) && !is_clean(10, 10) && is_clean(11, 11));
	watch_inode(10, DEVICE, 10); // anew
	assert(!is_clean(10, 10) && is_clean(10, 10));
	stale_for_good_by_inode(11);
	assert(!is_clean(11, 11) && is_clean(12, 12));
	all_stale_for_good();
	assert(!is_clean(12, 12) && !is_clean(12, 12) && !is_clean(10, 10));
}

int main(void)
{
	test_formats();
	test_pages();
	test_any_page();
	test_marks_against_a_plain_array();
	test_what_is_stale_for_good();
	puts("ok");
}
