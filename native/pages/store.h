// The destination's side of memory that travels ahead of the freeze: it receives pages, and serves them to what criu restores.
#pragma once
#include "files.h"
#include "store-guard.h"
#include "store-segments.h"
#include <pthread.h>
#include <stdatomic.h>

typedef enum { RECEIVING, COMPLETE, READY, SERVING, LOCAL, FAILED } store_state;

typedef struct server server;
typedef struct lender lender;

typedef struct {
	const char *socket, *work, *images; // as asked for
	pthread_mutex_t lock;               // of what follows up to `memory`
	pthread_cond_t changed;
	store_state state;
	char reason[512]; // why it failed
	int stream;       // the sender's connection, -1: none
	unsigned newest;  // number of the last connection that wanted to be it
	lender *lender;   // who gives what is still at the source, NULL: nobody
	unsigned newest_lender;
	bool begun;       // a restore has begun: what is here belongs to it
	bool handed_out;  // the segments went to the preload
	bool awaited;     // criu may come
	server *serving; // NULL: no restore is being served
	memory memory; // the receiving thread's alone until READY
	segment_list segments;
	_Atomic uint64_t bytes, missing, later, left_pages, faults; // later: pages at the source
	guarded *guard;
	int log, lazy; // the socket for criu listens only when it may come
} store;

const char *state_name(store_state state);
void set_state(store *s, store_state state);
// Only the first reason is kept.
void fail_store(store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A line of WORK/pages.log.
void note(store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Reads the wire from the connection until it ends; takes the place of any sender before. NUMBER: of the connection.
void receive_stream(store *s, int fd, unsigned number);
// Asks the connection for what stayed at the source, as long as there is any; takes the place of any lender before. NUMBER: of the connection.
void serve_lender(store *s, int fd, unsigned number);
// Nothing is wanted any more, or nobody is left who wants it. Returns when the lender no longer uses the server.
void dismiss_lender(store *s);
// What restored processes need can be had nowhere any more: told to who waits, then the store ends, and the guard sees to them.
__attribute__((noreturn, format(printf, 2, 3))) void lose_source(store *s, const char *format, ...);
// Somebody who looked says that the source's node is lost: the same, if anything is wanted from there.
void give_source_up(store *s);
// What criu wrote, made fit for our pages: false with what is wrong in WHY.
bool prepare_images(store *s, char *why, size_t size);
// Serves one connection to the control socket; closes it.
void serve_control(store *s, int fd, unsigned number);
// Lets criu connect to lazy-pages.socket, once, if all that it must have taken before was taken.
void await_restore(store *s);
// The restored processes are complete and wait at the gate: their pages need not wait with them.
void fill_ahead(store *s);
// Serves that connection, then pages until all are where they belong; closes it.
void serve_restore(store *s, int fd);
