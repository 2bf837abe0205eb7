// The private memory of the processes that come: pages in chunks, and which of them are here.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, CHUNK_PAGES = 512, CHUNK_BYTES = PAGE * CHUNK_PAGES, CHUNK_WORDS = CHUNK_PAGES / 64 };
// A sender may ask for no more than this: 2 TiB of addresses, 65536 processes, and no address beyond any user's.
#define CHUNK_LIMIT (1u << 20)
#define OWNER_LIMIT 65536u
#define ADDRESS_LIMIT (1ull << 56)

// Memory is asked for and given back in chunks.
typedef struct chunk {
	struct chunk *next;           // in the owner's table
	uint64_t number;              // address / CHUNK_BYTES
	char *data;                   // NULL as long as all is zero
	uint64_t held[CHUNK_WORDS];   // pages whose contents are here
	uint64_t zero[CHUNK_WORDS];   // pages known to be zero: nothing is kept for them
	uint64_t wanted[CHUNK_WORDS]; // pages that exist at the end
	uint64_t later[CHUNK_WORDS];  // pages whose contents are still at the source
	uint64_t asked[CHUNK_WORDS];  // of these: its lender was asked
	uint64_t urgent[CHUNK_WORDS]; // of these: a thread waits, and the lender is to be asked
	size_t place;                 // in the owner's `sorted`
	unsigned users;               // restored processes that have not got all of it yet
} chunk;

typedef struct {
	uint64_t start, end;
} page_range;

typedef struct {
	page_range *at;
	size_t count, size;
	bool came; // even an empty list says something
} range_list;

typedef struct {
	uint32_t pid; // the innermost
	chunk **table;
	size_t table_size, chunk_count;
	range_list populated;
	chunk **sorted; // by address, once all is here
	size_t sorted_count;
} owner;

typedef struct {
	owner **owners;
	size_t owner_count, chunk_count;
	owner *last; // the one that was asked for
} memory;

owner *find_owner(memory *m, uint32_t pid, bool make);
void drop_owner(memory *m, uint32_t pid);
void drop_memory(memory *m);
chunk *find_chunk(const owner *o, uint64_t number);
// Where contents of ADDRESS go, with room for *LENGTH bytes (made less where it does not reach). NULL: a limit, or no memory.
char *room_for(memory *m, owner *o, uint64_t address, uint64_t *length);
// What was written there counts from now on.
void mark_held(owner *o, uint64_t address, uint64_t length);
bool mark_zero(memory *m, owner *o, uint64_t address, uint64_t length);
// Their contents stay at the source for now; what came of them is out of date. False: a limit, or no memory.
bool leave_ranges(memory *m, owner *o, const range_list *list);
// Ascending, without overlap, behind what is there; false otherwise.
bool add_ranges(range_list *list, const page_range *ranges, size_t count, uint64_t limit);
void clear_ranges(range_list *list);
// Pages of the chunk that a restored process may ask for.
size_t kept_pages(const chunk *c);
uint64_t count_later(const memory *m);
// How many pages of the populated ranges never came and are not at the source either. What is not populated is dropped.
uint64_t settle_memory(memory *m);
// Puts the chunks of each owner in order; false: no memory.
bool sort_memory(memory *m);
void free_chunk_data(chunk *c);

bool has_page(const uint64_t *pages, size_t page);
void set_pages(uint64_t *pages, size_t first, size_t count);
void clear_pages(uint64_t *pages, size_t first, size_t count);
size_t count_set(const uint64_t *pages, size_t first, size_t count);
size_t count_pages(const uint64_t *pages, size_t words);
