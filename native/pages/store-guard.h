// A second process that keeps the restored ones from reading zeros where the store died before it gave them their pages.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>

// Starts it; returns the flag by which it learns whether restored processes wait for pages. NULL: errno.
// SOCKET: the store's; `gate.pid` beside it names the restored first process.
_Atomic bool *start_guard(const char *socket);
