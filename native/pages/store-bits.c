// Sets of pages, a bit each. One thread changes a set at a time; others may look at it meanwhile: who sees a page in it sees what was
// written before it came.
#include "store-memory.h"

bool has_page(const uint64_t *pages, size_t page)
{
	return __atomic_load_n(&pages[page / 64], __ATOMIC_ACQUIRE) >> page % 64 & 1;
}

// The bits from FIRST on, at most COUNT, that lie in FIRST's word; *TAKEN of them.
static uint64_t mask_of(size_t first, size_t count, size_t *taken)
{
	size_t room = 64 - first % 64;
	*taken = count < room ? count : room;
	return (*taken == 64 ? ~0ull : (1ull << *taken) - 1) << first % 64;
}

void set_pages(uint64_t *pages, size_t first, size_t count)
{
	for (size_t taken; count; first += taken, count -= taken) {
		uint64_t mask = mask_of(first, count, &taken);
		__atomic_store_n(&pages[first / 64], pages[first / 64] | mask, __ATOMIC_RELEASE);
	}
}

void clear_pages(uint64_t *pages, size_t first, size_t count)
{
	for (size_t taken; count; first += taken, count -= taken) {
		uint64_t mask = mask_of(first, count, &taken);
		__atomic_store_n(&pages[first / 64], pages[first / 64] & ~mask, __ATOMIC_RELEASE);
	}
}

size_t count_set(const uint64_t *pages, size_t first, size_t count)
{
	size_t found = 0;
	for (size_t taken; count; first += taken, count -= taken) {
		uint64_t mask = mask_of(first, count, &taken);
		found += (size_t)__builtin_popcountll(__atomic_load_n(&pages[first / 64], __ATOMIC_ACQUIRE) & mask);
	}
	return found;
}

size_t count_pages(const uint64_t *pages, size_t words)
{
	size_t count = 0;
	for (size_t i = 0; i < words; i++) count += (size_t)__builtin_popcountll(__atomic_load_n(&pages[i], __ATOMIC_ACQUIRE));
	return count;
}
