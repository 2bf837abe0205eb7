// What both halves of the preload share: system calls made directly (no dlsym, whose version is new), and the end on failure.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOOK __attribute__((visibility("default")))

// The folder named by PODMOTION_SKIP, or NULL: the dump half is off.
const char *skip_folder(void);
// The store's socket named by PODMOTION_PAGES, or NULL: the restore half is off.
const char *store_socket(void);

// Ends criu with a message: a dump or restore that failed rolls back, a wrong byte does not.
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...);

int real_open(int folder, const char *path, int flags, mode_t mode);

typedef struct {
	uint64_t device, inode, size, changed_ns;
} file_identity;

// False with errno. (fstat is a new symbol in new libraries.)
bool identify(int fd, file_identity *out);

// The dump half (skip.c): a descriptor to give in place of the file at PATH, or -1.
int skip_open(int folder, const char *path);
// The restore half (segments.c): called before the file at PATH is opened for reading, and with everything that recv brought.
void before_open(const char *path) __attribute__((weak));
void after_receive(const void *data, size_t length) __attribute__((weak));
// repair.c: called before the file at PATH is opened for writing.
void before_write(const char *path);
// tmpfs.c: does what `tar WORDS…` would do, if that is about an empty folder.
bool handle_empty_tmpfs(char *const words[]);
