// Netlink messages: building, sending one batch, and reading answers.
#pragma once
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	char *at;
	size_t length, size;
	size_t message; // where the last message starts
	uint32_t sequence;
	bool failed;
} batch;

// Starts a message with its family's header.
void begin_message(batch *b, uint16_t type, uint16_t flags, const void *header, size_t size);
void put_attribute(batch *b, uint16_t type, const void *value, size_t size);
void put_u8(batch *b, uint16_t type, uint8_t value);
void put_u32(batch *b, uint16_t type, uint32_t value);
size_t begin_nest(batch *b, uint16_t type);
void end_nest(batch *b, size_t nest);
void free_batch(batch *b);

int open_netlink(int protocol);
bool send_batch(int fd, const batch *b);
// Calls for each message of one datagram after another, until it returns false. False when receiving failed.
bool receive_messages(int fd, bool (*on_message)(struct nlmsghdr *message, void *arg), void *arg);
// Sends, and waits for every acknowledgement; the first error that is not TOLERATED, as errno; 0 when all went well.
int talk(int fd, batch *b, int tolerated);

// The attributes after the family's header: table[type], for types up to LIMIT.
void read_attributes(const struct nlattr *table[], int limit, const void *at, size_t length);
void read_message(const struct nlattr *table[], int limit, const struct nlmsghdr *message, size_t header);
const void *attribute_data(const struct nlattr *a);
size_t attribute_size(const struct nlattr *a);
void read_nest(const struct nlattr *table[], int limit, const struct nlattr *nest);
uint8_t read_u8(const struct nlattr *a);
uint32_t read_u32(const struct nlattr *a);
