// What both halves of the preload share: system calls made directly (no dlsym, whose version is new), and the end on failure.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The folder named by PODMOTION_SKIP, or NULL: the dump half is off.
const char *skip_folder(void);
// The store's socket named by PODMOTION_PAGES, or NULL: the restore half is off.
const char *store_socket(void);

// Ends criu with a message: a dump or restore that failed rolls back, a wrong byte does not.
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...);

int real_open(int folder, const char *path, int flags, mode_t mode);
// 0 and the inode and size, or -1. (fstat is a new symbol in new libraries.)
int describe(int fd, uint64_t *inode, uint64_t *size);

// The restore half (segments.c), called before the file at PATH is opened for reading.
void before_open(const char *path) __attribute__((weak));
// The same, with every message that arrived on a socket.
void after_receive(const void *data, size_t length) __attribute__((weak));
