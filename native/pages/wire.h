// What tracker, store and lender say to each other over one byte stream: a header, then its payload. Little endian.
#pragma once
#include <stdint.h>

typedef struct {
	uint32_t type;    // message_type
	uint32_t owner;   // innermost pid of the process, or SEGMENT_OWNER | index of the shared segment
	uint64_t address; // of the process, or offset in the segment
	uint64_t length;  // bytes
} message;

enum { SEGMENT_OWNER = 0x80000000u, SEGMENT_NAME = 256, PACK_BYTES = 64 << 10, WANT_BYTES = 128 << 10 };

typedef enum {
	PAGES_DATA = 1,    // length bytes of contents follow; whole pages
	PAGES_ZERO,        // length bytes that are all zero; no payload
	PAGES_POPULATED,   // length = 16 * n: pairs (start, end) of addresses that have pages at the end, ascending; with PAGES_FINAL only
	PAGES_SEGMENT,     // a segment: address = its id (inode, criu's shmid), length = its size; SEGMENT_NAME bytes of memfd name follow
	PAGES_SEGMENT_MAP, // like PAGES_POPULATED, offsets in the segment
	PAGES_GONE,        // the process is no more: what came of it is dropped
	PAGES_SYNC,        // the store answers with the same header when all before it is in its place
	PAGES_FINAL,       // the same; in the answer address = pages that are populated and never came (0 = complete)
	PAGES_PACKED,      // like PAGES_DATA, at most PACK_BYTES: uint32_t size, then so many bytes, an LZ4 block of them. Only where the store takes it
	PAGES_LATER,       // like PAGES_POPULATED: pages that exist and stay at the source for now; what came of them is out of date. Only where the store takes it
	// Between store and lender, while the restored processes run. The lender answers with DATA, ZERO or PACKED; GONE: it cannot, for ever.
	PAGES_LEND,        // the lender's first: length = bytes a second that may be asked for ahead of need, 0: no limit
	PAGES_WANT,        // the store's: these pages, at most WANT_BYTES
	PAGES_OVER,        // the store's last: nothing is wanted any more
} message_type;
