// The mapping of a restored process against a plain array, with random changes from a fixed seed.
#include "../pages/store-mapping.c"
#include <assert.h>
#include <stdio.h>

enum { SPACE = 400, STEPS = 200000, NOTHING = -1 };

static int model[SPACE];
static uint64_t state = 42;

static size_t pick(size_t limit)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % limit;
}

static void check_order(const mapping *m)
{
	for (size_t i = 0; i < m->count; i++) {
		assert(m->at[i].start < m->at[i].end);
		assert(!i || m->at[i - 1].end <= m->at[i].start);
	}
}

static void check(const mapping *m)
{
	check_order(m);
	for (size_t address = 0; address < SPACE; address++) {
		const piece *p = find_piece(m, address);
		int found = p ? (int)(p->image + (address - p->start)) : NOTHING;
		assert(found == model[address]);
	}
	assert(!find_piece(m, SPACE));
}

static void cut(mapping *m, size_t start, size_t end)
{
	assert(cut_mapping(m, start, end));
	for (size_t i = start; i < end; i++) model[i] = NOTHING;
}

static void move(mapping *m, size_t from, size_t to, size_t length)
{
	int moved[SPACE];
	memcpy(moved, model + from, length * sizeof *moved);
	assert(move_mapping(m, from, to, length));
	for (size_t i = 0; i < length; i++) model[from + i] = NOTHING;
	memcpy(model + to, moved, length * sizeof *moved);
}

static void start(mapping *m)
{
	free_mapping(m);
	assert(map_all(m, SPACE));
	for (int i = 0; i < SPACE; i++) model[i] = i;
}

static void change(mapping *m)
{
	size_t length = 1 + pick(30), a = pick(SPACE - length), b = pick(SPACE - length);
	size_t distance = a < b ? b - a : a - b;
	if (pick(3) && distance >= length) move(m, a, b, length);
	else cut(m, a, a + length);
}

static void test_random_changes(void)
{
	mapping m = {0}, copy;
	for (int i = 0; i < STEPS; i++) {
		if (i % 100 == 0) start(&m);
		change(&m);
		if (i % 7 == 0) check(&m);
	}
	check(&m);
	assert(copy_mapping(&copy, &m));
	check(&copy);
	free_mapping(&copy);
	check(&m);
	free_mapping(&m);
}

static void test_ends(void)
{
	mapping m = {0};
	start(&m);
	cut(&m, 0, 0);
	check(&m);
	cut(&m, 0, 1);
	cut(&m, SPACE - 1, SPACE);
	cut(&m, 5, 10);
	cut(&m, 3, 12); // over what is gone already
	check(&m);
	move(&m, 20, 0, 10);
	move(&m, 0, 20, 10);
	check(&m);
	assert(find_piece(&m, 25)->image + 25 - find_piece(&m, 25)->start == 25);
	cut(&m, 0, SPACE);
	check(&m);
	assert(!m.count);
	free_mapping(&m);
}

int main(void)
{
	test_random_changes();
	test_ends();
	return puts("ok") < 0;
}
