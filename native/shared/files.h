// Small file operations that every program needs: read, write atomically, find, make.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { PATH_SIZE = 4096 };

// Formats a path; false when it does not fit.
bool make_path(char out[PATH_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *env_or(const char *name, const char *fallback);
bool file_exists(const char *path);

// The whole file with a NUL after it, or NULL with errno set; the caller frees it.
char *read_descriptor(int fd, size_t limit, size_t *length);
char *read_file(const char *path, size_t limit, size_t *length);
bool first_line(const char *path, char *out, size_t size);

// All of it, whatever the kernel takes at a time; false with errno.
bool write_all(int fd, const void *data, size_t size);
// Temporary file beside it, then rename: a reader never sees half of it.
bool write_atomically(const char *path, const char *text);
// The same, on disk before it returns.
bool write_durably(const char *path, const char *text);
// One write into an existing kernel file (sysctl, cgroup).
bool poke(const char *path, const char *text);
bool make_directories(const char *path, unsigned mode);
