// What the agent reads: one JSON object a line on stdout.
#pragma once

// One line, made of a printf format; written at once.
void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));
// `{"error":…}`, then exit 1. Closing our descriptors takes every protection off the tracked processes.
__attribute__((noreturn, format(printf, 1, 2))) void stop_with(const char *format, ...);
